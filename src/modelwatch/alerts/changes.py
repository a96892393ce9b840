"""Things that go wrong with one column: what power is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.column_contracts import Role

if TYPE_CHECKING:
    from collections.abc import Callable

SHIFT = 0.5
SCALE = 1.5
NULLS = 0.2
THOUSAND = 1_000
HOURS = 5
_DAY = 24


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of mishap.

    Attributes
    ----------
    apply
        Returns the column as it would be, None where the change means nothing for its type or values.
    """

    name: str
    apply: Callable[[pa.ChunkedArray, np.random.Generator], pa.Array | pa.ChunkedArray | None]
    roles: tuple[Role, ...] = (Role.FEATURE, Role.SEGMENT, Role.PREDICTION, Role.PROBABILITY)


def _number(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def _moved(column: pa.ChunkedArray, generator: np.random.Generator) -> pa.Array | None:
    """Add half a standard deviation; whole numbers stay whole, and move so on average."""
    if not _number(column):
        return None
    deviation = pc.stddev(column).as_py() or 0.0
    step = np.full(len(column), SHIFT * deviation)
    if pa.types.is_integer(column.type):
        step = np.floor(step + generator.random(len(column)))
    return _kept(pc.add(column.cast(pa.float64()), pa.array(step)), column)


def _stretched(column: pa.ChunkedArray, _generator: np.random.Generator) -> pa.Array | None:
    """Stretch around the mean by a half."""
    if not _number(column):
        return None
    mean = pc.mean(column).as_py() or 0.0
    wide = pc.add(pc.multiply(pc.subtract(column.cast(pa.float64()), mean), SCALE), mean)
    return _kept(pc.round(wide) if pa.types.is_integer(column.type) else wide, column)


def _emptied(column: pa.ChunkedArray, generator: np.random.Generator) -> pa.Array:
    """Lose every fifth value."""
    return pc.if_else(pa.array(generator.random(len(column)) < NULLS), pa.scalar(None, column.type), column)


def _swapped(column: pa.ChunkedArray, _generator: np.random.Generator) -> pa.Array | None:
    """Exchange the two most frequent categories, as a recoding does."""
    if _number(column) or pa.types.is_temporal(column.type):
        return None
    counted = pc.value_counts(column.drop_null()).to_pylist()
    if len(counted) < 2:
        return None
    first, second = sorted(counted, key=lambda row: (-row["counts"], str(row["values"])))[:2]
    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    one, two = (pa.scalar(row["values"], plain.type) for row in (first, second))
    swapped = pc.if_else(pc.equal(plain, two), one, plain)
    return pc.if_else(pc.equal(plain, one), two, swapped)


def _thousandfold(column: pa.ChunkedArray, _generator: np.random.Generator) -> pa.Array | None:
    """Tell grams instead of kilograms."""
    if not _number(column):
        return None
    return _kept(pc.multiply(column.cast(pa.float64()), float(THOUSAND)), column, widen=True)


def _negated(column: pa.ChunkedArray, _generator: np.random.Generator) -> pa.Array | None:
    """Turn the sign, where there are values that have one."""
    if not _number(column) or not (pc.max(pc.abs(column.cast(pa.float64()))).as_py() or 0.0):
        return None
    return _kept(pc.negate(column.cast(pa.float64())), column, widen=True)


def _zone(column: pa.ChunkedArray, _generator: np.random.Generator) -> pa.Array | None:
    """Tell times of another zone; whole numbers from 0 to 23 are taken for hours."""
    if pa.types.is_timestamp(column.type):
        return pc.add(column, pa.scalar(HOURS * 3_600, pa.duration("s")))
    if pa.types.is_integer(column.type) and column.null_count < len(column):
        ends = pc.min_max(column).as_py()
        if ends["min"] == 0 and ends["max"] == _DAY - 1:
            hours = pc.add(column, HOURS)
            late = pc.greater_equal(hours, _DAY)
            return pc.if_else(late, pc.subtract(hours, _DAY), hours)
    return None


def _kept(values: pa.Array, column: pa.ChunkedArray, *, widen: bool = False) -> pa.Array:
    """Return values in the type of the column; a type that is too small for them becomes the widest."""
    if not pa.types.is_integer(column.type):
        return values.cast(column.type) if pa.types.is_floating(column.type) else values
    return values.cast(pa.int64() if widen else column.type, safe=False)


CHANGES = (
    Change(f"shift by {SHIFT:g} sigma", _moved),
    Change(f"scale by {SCALE:g}", _stretched),
    Change(f"null burst of {NULLS:.0%}", _emptied),
    Change("category swap", _swapped),
    Change(f"times {THOUSAND:,}", _thousandfold),
    Change("sign flip", _negated),
    Change(f"zone shift of {HOURS} hours", _zone),
)

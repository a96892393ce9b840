"""Training-serving skew: the same row as the training pipeline and as the serving path computed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.columns import Kind, kind_of, plain, texts
from modelwatch.intervals import wilson
from modelwatch.metrics import ROBUST
from modelwatch.performance.labels import once
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import BoolArray

METRIC = "training_serving_skew_rate"
# float32 on one side and float64 on the other is no skew.
RELATIVE_TOLERANCE = 1e-6


def training_serving_skew(
    training: pa.Table,
    serving: pa.Table,
    key: str,
    *,
    features: Iterable[str] | None = None,
    tolerance: float = RELATIVE_TOLERANCE,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Return for each feature the share of common rows whose values differ.

    Parameters
    ----------
    training, serving
        Features as each side computed them, with a row id in ``key``.
    features
        Columns to compare; those on both sides by default.
    tolerance
        Largest relative difference of numbers that is none.
    """
    left, _ = once(training, key, keep="last")
    right, _ = once(serving, key, keep="last")
    positions = pc.index_in(left.column(key).cast(pa.string()), value_set=right.column(key).cast(pa.string()))
    matched = pc.is_valid(positions)
    left, right = left.filter(matched), right.take(positions.filter(matched))
    shared = [name for name in left.column_names if name != key and name in right.column_names]
    names = shared if features is None else list(features)
    return [_feature(name, left, right, tolerance, definition) for name in names]


def _feature(name: str, left: pa.Table, right: pa.Table, tolerance: float, definition: str) -> Measurement:
    n = left.num_rows
    base = {"n_baseline": n, "n_production": n, "feature": name, "signal": "training_serving_skew"}
    if name not in left.column_names or name not in right.column_names:
        return Measurement(
            METRIC, definition, None, Status.SCHEMA_ERROR, note=f"column {name!r} is missing", **base
        )
    if not n:
        return Measurement(METRIC, definition, None, Status.NO_DATA, note="no common rows", **base)
    differs = _differs(left.column(name).combine_chunks(), right.column(name).combine_chunks(), tolerance)
    if differs is None:
        note = f"{left.column(name).type} and {right.column(name).type} cannot be compared"
        return Measurement(METRIC, definition, None, Status.SCHEMA_ERROR, note=note, **base)
    count = int(np.count_nonzero(differs))
    return Measurement(METRIC, definition, count / n, count=count, interval=wilson(count, n), **base)


def _differs(left: pa.Array, right: pa.Array, tolerance: float) -> BoolArray | None:
    kinds = {kind_of(left.type), kind_of(right.type)} - {Kind.EMPTY}
    if len(kinds) > 1 or Kind.OPAQUE in kinds:
        return None
    nulls = [np.asarray(pc.is_null(side, nan_is_null=True)) for side in (left, right)]
    if not kinds:
        return np.zeros(len(left), dtype=np.bool_)
    one_null: BoolArray = nulls[0] != nulls[1]
    both = ~(nulls[0] | nulls[1])
    if kinds <= {Kind.NUMBER, Kind.TIME}:
        a, b = (_floats(side) for side in (left, right))
        with np.errstate(invalid="ignore"):
            far = np.abs(a - b) > tolerance * np.maximum(np.abs(a), np.abs(b))
        # Two infinities of one sign have no difference to measure.
        differs: BoolArray = one_null | (both & far & (a != b))
        return differs
    a, b = (np.asarray(pc.cast(_texts(side), pa.string()), dtype=object) for side in (left, right))
    unequal: BoolArray = one_null | (both & (a != b))
    return unequal


def _floats(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if kind_of(array.type) is Kind.EMPTY:
        return np.full(len(array), np.nan)
    return np.asarray(plain(array).cast("float64").fill_null(np.nan).to_numpy(zero_copy_only=False))


def _texts(array: pa.Array) -> pa.Array:
    return pa.nulls(len(array), pa.string()) if kind_of(array.type) is Kind.EMPTY else texts(array)

"""Truth and predictions, cleaned of rows where either is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from modelwatch.columns import Kind, as_array, kind_of, plain
from modelwatch.errors import SourceError, UsageError
from modelwatch.performance.classes import comparable, declared_classes, natural, read_labels, unified

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import AnyArray, BoolArray, FloatArray, IntArray
    from modelwatch.performance.classes import LabelColumn


class LabelPairs(NamedTuple):
    """Classes as positions in ``labels``: ``truth`` and ``predicted`` have shape ``(n,)``."""

    labels: list[str]
    truth: IntArray
    predicted: IntArray
    dropped: int


class NumberPairs(NamedTuple):
    """Numbers, shape ``(n,)`` each."""

    truth: FloatArray
    predicted: FloatArray
    dropped: int


class LabelSides(NamedTuple):
    """Both sides of rows that have a truth and a prediction, by one name a class.

    Attributes
    ----------
    counted
        Classes to count in any case.
    known
        Classes that are known from elsewhere.
    dropped
        Rows without truth or prediction.
    """

    truth: LabelColumn
    predicted: LabelColumn
    counted: LabelColumn
    known: LabelColumn
    dropped: int


def number_pairs(truth: Any, predicted: Any) -> NumberPairs:
    """Return pairs of finite numbers.

    Raises
    ------
    SourceError
        If a side holds no numbers.
    """
    a, b = numbers_of(truth), numbers_of(predicted)
    same_length(a, b)
    kept = np.isfinite(a) & np.isfinite(b)
    return NumberPairs(a[kept], b[kept], int(np.count_nonzero(~kept)))


def label_sides(
    truth: Any, predicted: Any, labels: Iterable[Any] | None = None, known: Iterable[Any] = ()
) -> LabelSides:
    """Return pairs of classes by one name a class.

    Parameters
    ----------
    labels
        Classes to count in any case, such as one that a window happens not to hold.
    known
        Classes that help to tell what is the same and what is positive, such as a baseline's.

    Raises
    ------
    SourceError
        If truth and predictions have no class in common though each has several, or they are of different
        kinds: they are written differently, and all rows would count as wrong.
    """
    a, b = read_labels(truth), read_labels(predicted)
    same_length(a.codes, b.codes)
    kept = a.known & b.known
    counted = declared_classes(() if labels is None else labels)
    columns = unified(a.where(kept), b.where(kept), counted, declared_classes(known))
    sides = LabelSides(columns[0], columns[1], columns[2], columns[3], int(np.count_nonzero(~kept)))
    apart = set(sides.truth.names).isdisjoint(sides.predicted.names)
    several = min(len(sides.truth.names), len(sides.predicted.names)) > 1
    if kept.any() and apart and (several or not comparable(sides.truth, sides.predicted)):
        raise SourceError(
            "Truth and predictions have no class in common",
            got=f"{_few(sides.truth.names)} and {_few(sides.predicted.names)}",
            next_step="write both alike",
        )
    return sides


def label_pairs(sides: LabelSides, *also: str) -> LabelPairs:
    """Return pairs of classes by position, those in ``also`` counted even if they do not occur."""
    a, b = sides.truth, sides.predicted
    ordered = sorted({*a.names, *b.names, *sides.counted.names, *also}, key=natural)
    positions = {name: position for position, name in enumerate(ordered)}
    place = [np.array([positions[name] for name in side.names], dtype=np.int64) for side in (a, b)]
    return LabelPairs(ordered, place[0][a.codes], place[1][b.codes], sides.dropped)


def probability_matrix(values: Any) -> FloatArray | None:
    """Return probabilities given as one column a class, shape ``(n, c)``; None where they are one column.

    Rows that are null are NaN.

    Raises
    ------
    SourceError
        If rows differ in length or hold no numbers.
    """
    if getattr(values, "ndim", 1) == 2:
        try:
            return np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SourceError("These values are no numbers", got=f"shape {values.shape}") from error
    array = values if hasattr(values, "__arrow_array__") else as_array(values)
    nested = isinstance(array, (pa.Array, pa.ChunkedArray)) and _is_nested(array.type)
    if not nested:
        return None
    array = as_array(array)
    held = array.is_valid().to_numpy(zero_copy_only=False)
    lengths = set(array.value_lengths().drop_null().to_pylist()) or {1}
    if len(lengths) > 1:
        raise SourceError("Rows differ in their number of probabilities", got=sorted(lengths))
    width = lengths.pop()
    matrix = np.full((len(array), width), np.nan)
    matrix[held] = numbers_of(array.drop_null().flatten()).reshape(-1, width)
    return matrix


def _is_nested(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_list(data_type) or types.is_large_list(data_type) or types.is_fixed_size_list(data_type)
    )


def same_length(a: AnyArray, b: AnyArray) -> None:
    """Refuse sides of different length.

    Raises
    ------
    UsageError
        If they differ.
    """
    if a.shape[0] != b.shape[0]:
        raise UsageError("Truth and predictions differ in length", got=f"{a.shape[0]} and {b.shape[0]}")


def numbers_of(values: Any) -> FloatArray:
    """Return numbers, NaN where missing, shape ``(n,)``.

    Raises
    ------
    SourceError
        If the values are no numbers.
    """
    array = as_array(values)
    kind = kind_of(array.type)
    if kind is Kind.BOOLEAN:
        array = array.cast("int8")
    elif kind not in (Kind.NUMBER, Kind.EMPTY):
        raise SourceError("These values are no numbers", got=str(array.type))
    if kind is Kind.EMPTY:
        return np.full(len(array), np.nan)
    # Whole numbers beyond 2**53 are taken as the nearest double.
    numbers = plain(array).cast(pa.float64(), safe=False)
    return np.asarray(numbers.fill_null(np.nan).to_numpy(zero_copy_only=False))


def outcomes(truth: LabelColumn, positive: str) -> tuple[FloatArray, BoolArray]:
    """Return 1 where a row is of the positive class (0 elsewhere), and which rows have a class."""
    return truth.equals(positive).astype(np.float64), truth.known


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (" …" if len(names) > 5 else "")

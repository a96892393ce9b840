"""Truth and predictions, cleaned of rows where either is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from modelwatch.columns import Kind, as_array, kind_of, plain, texts
from modelwatch.errors import UsageError

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray, IntArray


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


def number_pairs(truth: Any, predicted: Any) -> NumberPairs:
    """Return pairs of finite numbers."""
    a, b = _numbers(truth), _numbers(predicted)
    _same_length(a, b)
    kept = np.isfinite(a) & np.isfinite(b)
    return NumberPairs(a[kept], b[kept], int(np.count_nonzero(~kept)))


def label_pairs(truth: Any, predicted: Any, labels: list[Any] | None = None) -> LabelPairs:
    """Return pairs of classes; whole numbers are one class however they are stored.

    Parameters
    ----------
    labels
        Classes to count in any case, such as one that a window happens not to hold.
    """
    a, b = as_labels(truth), as_labels(predicted)
    _same_length(a, b)
    kept = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)], dtype=np.bool_)
    names = {*a[kept].tolist(), *b[kept].tolist()}
    names |= {label_name(label) for label in labels or ()}
    ordered = sorted(names, key=_natural)
    positions = {name: position for position, name in enumerate(ordered)}
    encoded = (np.array([positions[name] for name in side[kept]], dtype=np.int64) for side in (a, b))
    return LabelPairs(ordered, next(encoded), next(encoded), int(np.count_nonzero(~kept)))


def _same_length(a: AnyArray, b: AnyArray) -> None:
    if a.shape != b.shape:
        raise UsageError("Truth and predictions differ in length", got=f"{a.shape[0]} and {b.shape[0]}")


def _numbers(values: Any) -> FloatArray:
    array = as_array(values)
    kind = kind_of(array.type)
    if kind is Kind.BOOLEAN:
        array = array.cast("int8")
    elif kind not in (Kind.NUMBER, Kind.EMPTY):
        raise UsageError("Expected numbers", got=str(array.type))
    if kind is Kind.EMPTY:
        return np.full(len(array), np.nan)
    return np.asarray(plain(array).cast("float64").fill_null(np.nan).to_numpy(zero_copy_only=False))


def as_labels(values: Any) -> AnyArray:
    """Return the class of each row as text (None where missing), ``(n,)``; 1, 1.0 and "1" are one class."""
    array = as_array(values)
    if kind_of(array.type) in (Kind.NUMBER, Kind.EMPTY):
        numbers = _numbers(array)
        result = np.empty(numbers.size, dtype=object)
        result[:] = [None if np.isnan(number) else label_name(number) for number in numbers.tolist()]
        return result
    return np.asarray(pc.cast(texts(array), "string").to_numpy(zero_copy_only=False), dtype=object)


def label_name(value: Any) -> str:
    """Return the text by which a class is known."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name

"""Accuracy, precision, recall and F1 from a confusion matrix.

A class that is never predicted has precision 0, one that never occurs recall 0: defined, and said in the
note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.errors import UsageError
from modelwatch.intervals import LEVEL, RESAMPLES, Interval, wilson

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray, IntArray
    from modelwatch.performance.pairs import LabelPairs

_SEED = 20_240_229


class Scored(NamedTuple):
    """A value with its interval and what must be said about it."""

    value: float
    interval: Interval | None
    note: str


def confusion_matrix(pairs: LabelPairs) -> IntArray:
    """Return counts with truth in rows and predictions in columns, shape ``(c, c)``."""
    size = len(pairs.labels)
    return np.bincount(pairs.truth * size + pairs.predicted, minlength=size * size).reshape(size, size)


def score(metric: str, pairs: LabelPairs, *, average: str = "macro", positive: str | None = None) -> Scored:
    """Return a metric over all classes (``macro``), or of one class.

    Parameters
    ----------
    metric
        ``accuracy``, ``precision``, ``recall`` or ``f1``.
    average
        ``macro`` for the mean over the classes that occur in truth or predictions, as Azure ML reports even
        for two classes; ``binary`` for the class ``positive`` alone.
    positive
        The class that ``binary`` means; the last one by default.
    """
    matrix = confusion_matrix(pairs)
    n = int(matrix.sum())
    if metric == "accuracy":
        hits = int(np.trace(matrix))
        return Scored(hits / n, wilson(hits, n), "")
    note = _note(matrix, pairs.labels)
    if average == "macro":
        per_class = per_class_scores(metric, matrix[np.newaxis])
        return Scored(float(per_class.mean()), _macro_interval(metric, matrix), note)
    if average != "binary":
        raise UsageError("Unknown average", got=repr(average), expected="macro or binary")
    position = len(pairs.labels) - 1 if positive is None else _position(pairs.labels, positive)
    value = float(per_class_scores(metric, matrix[np.newaxis])[0, position])
    return Scored(value, _class_interval(metric, matrix, position), note)


def by_class(metric: str, pairs: LabelPairs) -> dict[str, float]:
    """Return precision, recall or F1 of each class."""
    scores = per_class_scores(metric, confusion_matrix(pairs)[np.newaxis])[0]
    return dict(zip(pairs.labels, scores.tolist(), strict=True))


def per_class_scores(metric: str, matrices: AnyArray) -> FloatArray:
    """Return one score a class for each confusion matrix, shapes ``(r, c, c)`` to ``(r, c)``; 0 / 0 is 0."""
    hits = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    actual, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    if metric == "precision":
        return _ratio(hits, predicted)
    if metric == "recall":
        return _ratio(hits, actual)
    return _ratio(2 * hits, actual + predicted)


def _ratio(numerator: FloatArray, denominator: AnyArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _macro_interval(metric: str, matrix: IntArray) -> Interval:
    """Resample rows; the confusion matrix of a resample is a multinomial draw, so no row is touched."""
    draws = _draws(matrix)
    values = per_class_scores(metric, draws).mean(axis=1)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _class_interval(metric: str, matrix: IntArray, position: int) -> Interval:
    hits = int(matrix[position, position])
    if metric == "precision":
        return wilson(hits, int(matrix[:, position].sum()))
    if metric == "recall":
        return wilson(hits, int(matrix[position].sum()))
    values = per_class_scores(metric, _draws(matrix))[:, position]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _draws(matrix: IntArray) -> IntArray:
    n = int(matrix.sum())
    generator = np.random.default_rng(_SEED)
    return generator.multinomial(n, matrix.ravel() / n, RESAMPLES).reshape(-1, *matrix.shape)


def _position(labels: list[str], positive: str) -> int:
    if positive not in labels:
        raise UsageError("The positive class does not occur", got=positive, expected=f"one of {labels}")
    return labels.index(positive)


def _note(matrix: IntArray, labels: list[str]) -> str:
    notes = []
    if never := [labels[i] for i in np.flatnonzero(matrix.sum(axis=0) == 0)]:
        notes.append(f"never predicted: {', '.join(never)}")
    if absent := [labels[i] for i in np.flatnonzero(matrix.sum(axis=1) == 0)]:
        notes.append(f"never true: {', '.join(absent)}")
    if len(labels) == 1:
        notes.append("one class only")
    return "; ".join(notes)

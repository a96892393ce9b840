"""Accuracy, precision, recall and F1 from a confusion matrix.

A class that is never predicted has precision 0, one that never occurs recall 0: defined, and said in the
note.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.intervals import LEVEL, RESAMPLES, Interval, student_quantile, wilson

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.arrays import AnyArray, FloatArray, IntArray
    from modelwatch.performance.pairs import LabelPairs

_SEED = 20_240_229
_CELLS_AT_ONCE = 2_000_000
# With more, the prior would be most of what the posterior knows, and drawing it slow.
_FEW_CLASSES = 50


class Scored(NamedTuple):
    """A value with its interval and what must be said about it."""

    value: float
    interval: Interval | None
    note: str


def confusion_matrix(pairs: LabelPairs) -> IntArray:
    """Return counts with truth in rows and predictions in columns, shape ``(c, c)``."""
    size = len(pairs.labels)
    return np.bincount(pairs.truth * size + pairs.predicted, minlength=size * size).reshape(size, size)


def score(metric: str, pairs: LabelPairs, *, positive: str | None = None) -> Scored:
    """Return a metric over all classes, or of one class.

    Parameters
    ----------
    metric
        ``accuracy``, ``precision``, ``recall`` or ``f1``.
    positive
        One of the labels, for the average ``binary``. None for ``macro``, the mean over the classes that
        occur in truth or predictions, as Azure ML reports even for two classes.
    """
    matrix = confusion_matrix(pairs)
    n = int(matrix.sum())
    if metric == "accuracy":
        hits = int(np.trace(matrix))
        return Scored(hits / n, wilson(hits, n), "")
    note = _note(matrix, pairs.labels)
    if positive is None:
        per_class = per_class_scores(metric, matrix[np.newaxis])
        return Scored(float(per_class.mean()), _macro_interval(metric, matrix), note)
    position = pairs.labels.index(positive)
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
    return _drawn_interval(matrix, lambda drawn: per_class_scores(metric, drawn).mean(axis=1))


def _class_interval(metric: str, matrix: IntArray, position: int) -> Interval:
    hits = int(matrix[position, position])
    if metric == "precision":
        return wilson(hits, int(matrix[:, position].sum()))
    if metric == "recall":
        return wilson(hits, int(matrix[position].sum()))
    return _drawn_interval(matrix, lambda drawn: per_class_scores(metric, drawn)[:, position])


def _drawn_interval(matrix: IntArray, scores: Callable[[AnyArray], FloatArray]) -> Interval:
    """Return the interval of a function of the confusion matrix, the value always inside.

    It spans two. The bootstrap's percentiles (the confusion matrix of a resample is a multinomial draw, so no
    row is touched), at the level that Student's law asks of so few rows; it takes what never happened for
    impossible, and fails where a class has a handful of rows. The posterior under one row's worth of prior
    spread over all cells does not, but pulls the scores of many classes together.

    Parameters
    ----------
    scores
        From matrices of counts or shares, shape ``(r, c, c)``, to one score each, shape ``(r,)``.

    References
    ----------
    Hesterberg (2015), What teachers should know about the bootstrap, for the level ("expanded percentile");
    Caelen (2017), A Bayesian interpretation of the confusion matrix, for the posterior.
    """
    n, cells = int(matrix.sum()), matrix.ravel()
    tail = (1 - LEVEL) / 2
    few = 0.0
    if n > 1:
        few = NormalDist().cdf(math.sqrt(n / (n - 1)) * student_quantile(tail, n - 1))
    generator = np.random.default_rng(_SEED)
    limits = [float(scores(matrix[np.newaxis])[0])]

    def draw(law: Callable[[int], AnyArray], share: float) -> None:
        # So many at a time that hundreds of classes fit in memory.
        at_once = max(1, _CELLS_AT_ONCE // cells.size)
        values = [
            scores(law(min(at_once, RESAMPLES - begun)).reshape(-1, *matrix.shape))
            for begun in range(0, RESAMPLES, at_once)
        ]
        limits.extend(np.quantile(np.concatenate(values), [share, 1 - share]).tolist())

    draw(lambda size: generator.multinomial(n, cells / n, size), few)
    if len(matrix) <= _FEW_CLASSES:
        draw(lambda size: generator.dirichlet(cells + 1 / cells.size, size), tail)
    return min(limits), max(limits)


def _note(matrix: IntArray, labels: list[str]) -> str:
    notes = []
    if never := [labels[i] for i in np.flatnonzero(matrix.sum(axis=0) == 0)]:
        notes.append(f"never predicted: {', '.join(never)}")
    if absent := [labels[i] for i in np.flatnonzero(matrix.sum(axis=1) == 0)]:
        notes.append(f"never true: {', '.join(absent)}")
    if len(labels) == 1:
        notes.append("one class only")
    return "; ".join(notes)

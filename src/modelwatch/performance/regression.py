"""Errors of predicted numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.intervals import Interval, mean_of_losses, resampled

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray


# Squares of numbers beyond 1e154 overflow: the caller gets an infinity or NaN, and says so by a status.
@np.errstate(over="ignore", invalid="ignore")
def score(metric: str, truth: FloatArray, predicted: FloatArray) -> tuple[float, Interval | None] | None:
    """Return ``mae``, ``mse``, ``rmse`` or ``r2`` with its interval; None for R² of a constant truth."""
    error = predicted - truth
    if metric == "mae":
        return float(abs(error).mean()), mean_of_losses(abs(error))
    square = error**2
    if metric == "r2":
        return _r2(truth, square)
    mean, interval = float(square.mean()), mean_of_losses(square)
    if metric == "mse":
        return mean, interval
    # The root is monotone, so the interval of the mean square carries over.
    rooted = None if interval is None else (math.sqrt(interval[0]), math.sqrt(interval[1]))
    return math.sqrt(mean), rooted


def _r2(truth: FloatArray, square: FloatArray) -> tuple[float, Interval | None] | None:
    if truth.size < 2 or truth.min() == truth.max():
        return None

    def value(rows: IntArray) -> float:
        part = truth[rows]
        spread = float(((part - part.mean()) ** 2).sum())
        return 1 - float(square[rows].sum()) / spread if spread else math.nan

    whole = 1 - float(square.sum()) / float(((truth - truth.mean()) ** 2).sum())
    return whole, resampled(value, truth.size, resamples=200)

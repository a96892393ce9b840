"""Metrics of predicted probabilities of a binary outcome: ranking, sharpness and calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.intervals import Interval, normal, resampled

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray

# A certain prediction that fails would cost infinity; this is what scikit-learn clips at for doubles.
_CLIP = float(np.finfo(np.float64).eps)
CALIBRATION_BINS = 10


def roc_auc(truth: FloatArray, probability: FloatArray) -> tuple[float, Interval] | None:
    """Return the area under the ROC curve and its interval, None with one class only.

    Parameters
    ----------
    truth
        0 or 1, shape ``(n,)``.
    probability
        Scores, larger for 1, shape ``(n,)``; ties count one half.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), for the standard error.
    """
    positive, negative = probability[truth == 1], probability[truth == 0]
    m, n = positive.size, negative.size
    if not m or not n:
        return None
    order = np.sort(positive), np.sort(negative)
    # Share of the other class below (above) each score: DeLong's structural components.
    above = (np.searchsorted(order[1], positive, "left") + np.searchsorted(order[1], positive, "right")) / (
        2 * n
    )
    below = 1 - (
        np.searchsorted(order[0], negative, "left") + np.searchsorted(order[0], negative, "right")
    ) / (2 * m)
    area = float(above.mean())
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    if m == 1 or n == 1:
        return area, (0.0, 1.0)
    low, high = normal(area, math.sqrt(variance))
    return area, (max(0.0, low), min(1.0, high))


def mean_loss(losses: FloatArray) -> tuple[float, Interval | None]:
    """Return the mean of a loss a row and its interval."""
    mean = float(losses.mean())
    if losses.size < 2:
        return mean, None
    return mean, normal(mean, float(losses.std(ddof=1)) / math.sqrt(losses.size))


def log_losses(truth: FloatArray, probability: FloatArray) -> FloatArray:
    """Return the negative log likelihood of each row."""
    p = np.clip(probability, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(truth == 1, np.log(p), np.log1p(-p)))


def brier_losses(truth: FloatArray, probability: FloatArray) -> FloatArray:
    """Return the squared error of each row's probability."""
    return np.asarray((probability - truth) ** 2)


def calibration_error(
    truth: FloatArray, probability: FloatArray, bins: int = CALIBRATION_BINS
) -> tuple[float, Interval | None]:
    """Return the expected calibration error over bins of equal mass, and its interval by resampling.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015); bins of equal mass after Nixon et al. (2019).
    """
    order = np.argsort(probability, kind="stable")
    index = np.empty(order.size, dtype=np.int64)
    index[order] = np.arange(order.size) * min(bins, order.size) // order.size
    gap = truth - probability

    def error(rows: IntArray) -> float:
        return float(np.abs(np.bincount(index[rows], weights=gap[rows], minlength=bins)).sum() / rows.size)

    return error(np.arange(order.size)), resampled(error, order.size, resamples=200)

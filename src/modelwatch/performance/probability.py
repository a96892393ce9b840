"""Metrics of predicted probabilities of a binary outcome: ranking, sharpness and calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.intervals import LEVEL, Interval, by_logit, mean_of_losses, normal_quantile

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray

# A certain prediction that fails would cost infinity; this is what scikit-learn clips at for doubles.
_CLIP = float(np.finfo(np.float64).eps)
_HALVINGS = 60


class Judged(NamedTuple):
    """A value with its interval and, where there is a null law, the evidence against it."""

    value: float
    interval: Interval | None
    p_value: float | None = None


class _Area(NamedTuple):
    value: float
    variance: float


def roc_auc(truth: FloatArray, probability: FloatArray) -> tuple[float, Interval] | None:
    """Return the area under the ROC curve and its interval, None with one class only.

    The interval spans two. DeLong's, on the logit scale, is right for any shape of scores and many rows of
    both classes. Newcombe's takes the variance at the limit instead of at the estimate, and holds where rows
    of a class are few or hardly one is ranked wrong; it never shrinks to a point. Alone, each misses its
    level by far where the other does not.

    Parameters
    ----------
    truth
        0 or 1, shape ``(n,)``.
    probability
        Scores, larger for 1, shape ``(n,)``; ties count one half.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), for the standard error; Pepe (2003), The statistical evaluation
    of medical tests, section 5.2, for its logit; Newcombe (2006), Confidence intervals for an effect size
    measure based on the Mann-Whitney statistic, method 5.
    """
    positive, negative = probability[truth == 1], probability[truth == 0]
    m, n = positive.size, negative.size
    if not m or not n:
        return None
    area, variance = _delong(positive, negative)
    low, high = _newcombe(area, m, n)
    if variance > 0 and min(m, n) > 1:
        other = by_logit(area, normal_quantile(LEVEL) * math.sqrt(variance))
        low, high = min(low, other[0]), max(high, other[1])
    return area, (low, high)


def roc_auc_judged(truth: FloatArray, probability: FloatArray) -> Judged | None:
    """Return `roc_auc` as the other metrics return their values."""
    found = roc_auc(truth, probability)
    return None if found is None else Judged(*found)


def area_under_curve(truth: FloatArray, probability: FloatArray) -> float:
    """Return the area under the ROC curve alone, NaN with one class only."""
    positive, negative = probability[truth == 1], probability[truth == 0]
    return _delong(positive, negative).value if positive.size and negative.size else math.nan


def _delong(positive: FloatArray, negative: FloatArray) -> _Area:
    m, n = positive.size, negative.size
    order = np.sort(positive), np.sort(negative)
    # Share of the other class below (above) each score: DeLong's structural components.
    above = (np.searchsorted(order[1], positive, "left") + np.searchsorted(order[1], positive, "right")) / (
        2 * n
    )
    below = 1 - (
        np.searchsorted(order[0], negative, "left") + np.searchsorted(order[0], negative, "right")
    ) / (2 * m)
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    return _Area(float(above.mean()), float(variance))


def _newcombe(area: float, m: int, n: int) -> Interval:
    """Return the areas from which the estimate lies as far as chance allows, the variance taken there."""
    z = normal_quantile(LEVEL)
    middle = (m + n) / 2

    def allowed(true: float) -> bool:
        pairs = (1 - true) / (2 - true) + true / (1 + true)
        return (area - true) ** 2 <= z * z * true * (1 - true) / (m * n) * (1 + (middle - 1) * pairs)

    def limit(outside: float) -> float:
        inside = area
        for _ in range(_HALVINGS):
            tried = (inside + outside) / 2
            inside, outside = (tried, outside) if allowed(tried) else (inside, tried)
        return inside

    return (0.0 if area <= 0 else limit(0.0)), (1.0 if area >= 1 else limit(1.0))


def log_loss(truth: FloatArray, probability: FloatArray) -> Judged:
    """Return the mean negative log likelihood."""
    p = np.clip(probability, _CLIP, 1 - _CLIP)
    losses = -np.where(truth == 1, np.log(p), np.log1p(-p))
    return Judged(float(losses.mean()), mean_of_losses(losses))


def brier_score(truth: FloatArray, probability: FloatArray) -> Judged:
    """Return the mean squared error of the probabilities."""
    losses = (probability - truth) ** 2
    return Judged(float(losses.mean()), mean_of_losses(losses, most=1.0))

"""Confidence bounds that the judge decides with; pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Interval",
    "binomial_tail",
    "mean_difference",
    "proportion_interval",
    "quantile_interval",
]

_BISECTIONS = 60  # each halves the error: far below the precision of a double


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its one-sided lower and upper confidence bounds."""

    lower: float
    value: float
    upper: float


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return the probability of at least `successes` in `trials` independent trials.

    Examples
    --------
    >>> binomial_tail(1, 2, 0.5)
    0.75
    """
    if successes <= 0:
        return 1.0
    if successes > trials or probability <= 0.0:
        return 0.0
    if probability >= 1.0:
        return 1.0
    log_p, log_q = math.log(probability), math.log1p(-probability)

    def term(count: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
        return math.exp(ways + count * log_p + (trials - count) * log_q)

    # Add up the shorter side.
    if successes > trials / 2:
        return min(1.0, math.fsum(term(count) for count in range(successes, trials + 1)))
    return max(0.0, 1.0 - math.fsum(term(count) for count in range(successes)))


def proportion_interval(successes: int, trials: int, confidence: float) -> Interval:
    """Return the exact bounds of a proportion (Clopper and Pearson, 1934); each one-sided.

    Exact, since error counts are small: the usual normal approximation says "0 +- 0" for no errors.

    Parameters
    ----------
    successes, trials
        Counts; at least one trial.
    confidence
        Of each bound, such as 0.95.
    """
    alpha = 1.0 - confidence
    lower = 0.0
    if successes > 0:
        lower = _solve(lambda p: binomial_tail(successes, trials, p) < alpha)
    upper = 1.0
    if successes < trials:
        upper = _solve(lambda p: 1.0 - binomial_tail(successes + 1, trials, p) >= alpha)
    return Interval(lower, successes / trials, upper)


def quantile_interval(values: Sequence[float], share: float, confidence: float) -> Interval:
    """Return a quantile with one-sided bounds from order statistics; free of any distribution.

    The number of values below the true quantile is binomial, so the j-th smallest is a lower bound with
    the confidence P(at least j below). A bound that the sample is too small for is infinite.

    Parameters
    ----------
    values
        At least one.
    share
        Such as 0.95 for the 95th percentile.
    confidence
        Of each bound.
    """
    ordered = sorted(values)
    count = len(ordered)
    lower_rank = _largest(count, lambda rank: binomial_tail(rank, count, share) >= confidence)
    below_upper = _largest(count, lambda rank: 1.0 - binomial_tail(rank, count, share) < confidence)
    rank = min(max(math.ceil(share * count), 1), count)
    return Interval(
        lower=ordered[lower_rank - 1] if lower_rank else -math.inf,
        value=ordered[rank - 1],
        upper=ordered[below_upper] if below_upper < count else math.inf,
    )


def mean_difference(values: Sequence[float], reference: Sequence[float], confidence: float) -> Interval:
    """Return how far the mean moved, in standard deviations of the reference, with its bounds.

    Two-sample normal approximation; the judge asks for enough requests for it. When the reference does
    not vary, its scale is taken from `values`; when neither varies, any difference is infinite.

    Parameters
    ----------
    values, reference
        At least two each.
    confidence
        Of each one-sided bound on the absolute difference.
    """
    scale = stdev(reference) or stdev(values)
    distance = abs(fmean(values) - fmean(reference))
    if scale == 0.0:
        return Interval(0.0, 0.0, 0.0) if distance == 0.0 else Interval(math.inf, math.inf, math.inf)
    error = math.hypot(stdev(values) / math.sqrt(len(values)), stdev(reference) / math.sqrt(len(reference)))
    margin = NormalDist().inv_cdf(confidence) * error
    return Interval(max(distance - margin, 0.0) / scale, distance / scale, (distance + margin) / scale)


def _solve(small_enough: Callable[[float], bool]) -> float:
    """Return where a condition that holds from 0 on stops holding, between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if small_enough(middle) else (low, middle)
    return (low + high) / 2


def _largest(count: int, holds: Callable[[int], bool]) -> int:
    """Return the largest rank up to `count` for which a condition that holds from 0 on still holds."""
    low, high = 0, count + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

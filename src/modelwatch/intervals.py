"""Confidence intervals for rates, for differences of rates, and by resampling."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.evidence import homogeneity

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.arrays import FloatArray, IntArray

LEVEL = 0.95
RESAMPLES = 400
_SEED = 20_240_229

Interval = tuple[float, float]


def wilson(count: int, n: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval for a rate; unlike the textbook one it is sound near 0 and 1.

    References
    ----------
    Brown, Cai and DasGupta (2001), Interval estimation for a binomial proportion.
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, weight = count / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return (0.0 if count == 0 else max(0.0, centre - half)), (1.0 if count == n else min(1.0, centre + half))


def newcombe(count: int, n: int, other_count: int, other_n: int, level: float = LEVEL) -> Interval:
    """Return the interval for the difference of two independent rates, from Wilson's limits of each.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
    """
    a, b = count / n, other_count / other_n
    (low, high), (other_low, other_high) = wilson(count, n, level), wilson(other_count, other_n, level)
    below = math.hypot(a - low, other_high - b)
    above = math.hypot(high - a, b - other_low)
    return max(-1.0, a - b - below), min(1.0, a - b + above)


def normal(estimate: float, standard_error: float, level: float = LEVEL) -> Interval:
    """Return the interval of an estimate whose error is about normal."""
    half = NormalDist().inv_cdf((1 + level) / 2) * standard_error
    return estimate - half, estimate + half


def resampled(
    statistic: Callable[[IntArray], float], n: int, *, level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the percentile bootstrap interval of a statistic of row positions.

    Parameters
    ----------
    statistic
        Maps positions (shape ``(n,)``, drawn with repetition) to a number; NaN where a draw does not
        determine it.
    n
        Number of rows.
    """
    generator = np.random.default_rng(_SEED)
    draws: FloatArray = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    draws = draws[np.isfinite(draws)]
    if not draws.size:
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def two_rates_p_value(count: int, n: int, other_count: int, other_n: int) -> float:
    """Return the p-value that two rates are equal: chi-squared, or Fisher's test where rows are few."""
    if not n or not other_n:
        return 1.0
    return homogeneity(np.array([count, n - count]), np.array([other_count, other_n - other_count])).p_value

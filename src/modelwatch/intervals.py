"""Confidence intervals for rates, for differences of rates, for means of losses, and by resampling."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.evidence import homogeneity

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.arrays import AnyArray, FloatArray, IntArray

LEVEL = 0.95
RESAMPLES = 400
_SEED = 20_240_229

Interval = tuple[float, float]


def normal_quantile(level: float = LEVEL) -> float:
    """Return how many standard errors a normal law's central interval reaches to each side."""
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(count: int, n: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval for a rate; unlike the textbook one it is sound near 0 and 1.

    References
    ----------
    Brown, Cai and DasGupta (2001), Interval estimation for a binomial proportion.
    """
    if n == 0:
        return 0.0, 1.0
    z = normal_quantile(level)
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


def newcombe_range(counts: AnyArray, n: AnyArray, level: float = LEVEL) -> Interval:
    """Return the interval for the largest difference between any two of several independent rates.

    The pair that lies furthest apart was chosen by the data, so its own interval promises too much. Intervals
    of all pairs at once, at Bonferroni's level, hold whatever was chosen: the true range is at least each
    one's lower limit, and at most the largest upper one. For two rates this is `newcombe`.

    Parameters
    ----------
    counts, n
        Hits and rows of each group, shape ``(k,)``, ``k`` at least 2.

    References
    ----------
    Newcombe (1998), method 10; simultaneously as in Agresti, Bini, Bertaccini and Ryu (2008), Simultaneous
    confidence intervals for comparing binomial parameters, who take the studentized range (3 % narrower).
    """
    pairs = len(counts) * (len(counts) - 1) // 2
    each = 1 - (1 - level) / pairs
    rate = np.asarray(counts) / np.asarray(n)
    limits = [wilson(int(count), int(rows), each) for count, rows in zip(counts, n, strict=True)]
    below, above = rate - [low for low, _ in limits], np.asarray([high for _, high in limits]) - rate
    lowest = highest = 0.0
    # One group against all others at a time, since there may be thousands of groups.
    for position, own in enumerate(rate):
        difference = own - rate
        lowest = max(lowest, float((difference - np.hypot(below[position], above)).max()))
        highs = difference + np.hypot(above[position], below)
        highs[position] = 0.0
        highest = max(highest, float(highs.max()))
    return lowest, min(1.0, highest)


def mean_of_losses(losses: FloatArray, most: float = math.inf, level: float = LEVEL) -> Interval | None:
    """Return the interval for the mean of losses, which lies between 0 and ``most`` as they do.

    Student's interval on the scale of the logarithm (for bounded losses of the logit): losses are skewed, and
    a symmetric interval leaves their range and misses the mean above.

    Parameters
    ----------
    losses
        Numbers from 0 to ``most``, shape ``(n,)``.

    Returns
    -------
    tuple or None
        None with one row, which says nothing of its error.
    """
    n, mean = losses.size, float(losses.mean())
    if n < 2:
        return None
    if mean <= 0 or mean >= most:
        # No loss at all, or nothing but losses, is what a rate of 0 or 1 would show.
        low, high = wilson(0 if mean <= 0 else n, n, level)
        return (0.0, 0.0) if math.isinf(most) else (low * most, high * most)
    half = student_quantile((1 + level) / 2, n - 1) * float(losses.std(ddof=1)) / math.sqrt(n)
    if math.isinf(most):
        # The exponent of a double ends at 709.
        factor = math.exp(min(half / mean, 700.0))
        return mean / factor, mean * factor
    low, high = by_logit(mean / most, half / most)
    return low * most, high * most


def by_logit(share: float, half: float) -> Interval:
    """Return an interval of a share strictly between 0 and 1, ``half`` its half width near the share.

    It is symmetric in the log odds, so it never leaves [0, 1].
    """
    centre, reach = math.log(share / (1 - share)), half / (share * (1 - share))
    return _logistic(centre - reach), _logistic(centre + reach)


def student_quantile(share: float, degrees: int) -> float:
    """Return the quantile of Student's law; from 1,000 degrees on it is the normal law's (within 0.1 %)."""
    if degrees >= 1_000:
        return NormalDist().inv_cdf(share)
    from scipy.special import stdtrit  # noqa: PLC0415  (it takes longer to import than large samples take)

    return float(stdtrit(degrees, share))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(min(-x, 700.0)))


def normal(estimate: float, standard_error: float, level: float = LEVEL) -> Interval:
    """Return the interval of an estimate whose error is about normal."""
    half = normal_quantile(level) * standard_error
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

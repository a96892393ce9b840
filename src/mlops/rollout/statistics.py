"""Confidence bounds that the judge decides with; pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # type: ignore[import-untyped, unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Interval",
    "binomial_tail",
    "mean_difference",
    "proportion_interval",
    "quantile_interval",
]


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
    return float(special.bdtrc(successes - 1, trials, probability)) if successes <= trials else 0.0


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
    failures = trials - successes
    lower = special.betaincinv(successes, failures + 1, 1.0 - confidence) if successes else 0.0
    upper = special.betaincinv(successes + 1, failures, confidence) if failures else 1.0
    return Interval(float(lower), successes / trials, float(upper))


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
    # How sure it is that at least 1, 2, ... of the values are below the quantile; it falls.
    below = special.bdtrc(np.arange(count), count, share)
    lower_rank = int((below >= confidence).sum())
    upper_rank = int((1.0 - below < confidence).sum()) + 1
    rank = min(max(math.ceil(share * count), 1), count)
    return Interval(
        lower=ordered[lower_rank - 1] if lower_rank else -math.inf,
        value=ordered[rank - 1],
        upper=ordered[upper_rank - 1] if upper_rank <= count else math.inf,
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

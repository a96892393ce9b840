"""Distances between two discrete distributions, as pure functions of aligned counts.

Every function takes two arrays of the same shape ``(k,)`` with counts (or shares) of the same bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, NumberArray


def shares(counts: NumberArray) -> FloatArray:
    """Return ``counts`` divided by their sum, which must be positive."""
    held = np.asarray(counts, dtype=np.float64)
    return held / float(held.sum())


def smoothed(counts: NumberArray, prior: float) -> FloatArray:
    """Return shares after adding ``prior`` to each bin: 1 is Laplace's rule, 0.5 Jeffreys'."""
    held = np.asarray(counts, dtype=np.float64)
    return (held + prior) / (float(held.sum()) + prior * held.size)


def jensen_shannon_distance(baseline: NumberArray, production: NumberArray, *, base: float = 2.0) -> float:
    """Return the square root of the Jensen-Shannon divergence; in base 2 it lies in [0, 1].

    References
    ----------
    Endres and Schindelin (2003), A new metric for probability distributions.
    """
    p, q = shares(baseline), shares(production)
    middle = (p + q) / 2
    divergence = 0.0
    for side in (p, q):
        held = side > 0
        divergence += float(np.sum(side[held] * np.log(side[held] / middle[held]))) / 2
    # Rounding leaves equal shares a few ulp away from zero, on either side.
    return float(np.sqrt(max(divergence, 0.0) / np.log(base)))


def population_stability_index(baseline: NumberArray, production: NumberArray, *, prior: float) -> float:
    """Return sum((q - p) ln(q / p)) over smoothed shares; ``prior`` 0 needs counts without zeros."""
    p, q = smoothed(baseline, prior), smoothed(production, prior)
    return float(np.sum((q - p) * np.log(q / p)))


def chebyshev_distance(baseline: NumberArray, production: NumberArray) -> float:
    """Return the largest difference between the shares of one bin."""
    return float(np.max(np.abs(shares(baseline) - shares(production))))


def hellinger_distance(baseline: NumberArray, production: NumberArray) -> float:
    """Return sqrt(1 - sum(sqrt(p q))), in [0, 1]."""
    affinity = float(np.sum(np.sqrt(shares(baseline) * shares(production))))
    return float(np.sqrt(max(1.0 - affinity, 0.0)))


def wasserstein_distance(positions: FloatArray, baseline: NumberArray, production: NumberArray) -> float:
    """Return the 1-Wasserstein distance between two distributions on the same ascending ``positions``."""
    difference = np.cumsum(shares(baseline) - shares(production))[:-1]
    # Halving first keeps the gap between -1e308 and 1e308 finite.
    gaps = np.diff(positions / 2)
    return float(2 * np.sum(np.abs(difference) * gaps))


def kolmogorov_smirnov_statistic(baseline: NumberArray, production: NumberArray) -> float:
    """Return the largest difference between the two cumulative distributions over ascending bins."""
    return float(np.max(np.abs(np.cumsum(shares(baseline)) - np.cumsum(shares(production)))))

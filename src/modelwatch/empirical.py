"""Comparisons of two number columns through their cumulative distributions, over aligned cells.

Each answer comes with the most it can be off by, which is 0 where every cell is a single value.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from modelwatch import distances, evidence

if TYPE_CHECKING:
    from modelwatch.cells import AlignedCells


def wasserstein(pair: AlignedCells) -> tuple[float, float]:
    """Return the 1-Wasserstein distance of two aligned columns and the most it can be off by.

    Rows are spread evenly over a cell of several values; the two cumulative curves are then straight within
    it.
    """
    if pair.exact:
        return distances.wasserstein_distance(pair.lower, pair.baseline, pair.production), 0.0
    f, g = distances.shares(pair.baseline), distances.shares(pair.production)
    after = np.cumsum(f) - np.cumsum(g)
    before = after - (f - g)
    width = pair.upper - pair.lower
    one, two = np.abs(before), np.abs(after)
    crossing = before * after < 0
    straight = (one + two) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        crossed = (one**2 + two**2) / (2 * (one + two))
    inside = np.sum(width * np.where(crossing, crossed, straight))
    gaps = np.sum(two[:-1] * (pair.lower[1:] - pair.upper[:-1]))
    return float(inside + gaps), float(np.sum(width * np.maximum(f, g)))


def kolmogorov_smirnov(pair: AlignedCells) -> tuple[float, float, float]:
    """Return statistic, p-value and the most the statistic can be off by.

    Small samples get the exact law, as `scipy.stats.ks_2samp` has it.
    """
    statistic = distances.kolmogorov_smirnov_statistic(pair.baseline, pair.production)
    n, m = int(pair.baseline.sum()), int(pair.production.sum())
    if not pair.exact:
        bound = _resolution(pair) - statistic
        return statistic, evidence.kolmogorov_smirnov_p_value(statistic, n, m), max(bound, 0.0)
    if max(n, m) > evidence.EXACT_ROWS:
        return statistic, evidence.kolmogorov_smirnov_p_value(statistic, n, m), 0.0
    from scipy.stats import ks_2samp  # noqa: PLC0415  (a second to import)

    samples = (np.repeat(pair.lower, side) for side in (pair.baseline, pair.production))
    with warnings.catch_warnings():
        # Where its exact law overflows, SciPy falls back to the limit law and says so.
        warnings.simplefilter("ignore", RuntimeWarning)
        return statistic, float(ks_2samp(*samples, method="auto").pvalue), 0.0


def kolmogorov_smirnov_distance(pair: AlignedCells) -> float:
    """Return the largest difference of the two cumulative distributions at the edges of cells."""
    return distances.kolmogorov_smirnov_statistic(pair.baseline, pair.production)


def _resolution(pair: AlignedCells) -> float:
    """Return the largest statistic that any arrangement of rows within their cells could have."""
    f, g = np.cumsum(distances.shares(pair.baseline)), np.cumsum(distances.shares(pair.production))
    f_before, g_before = np.concatenate([[0], f[:-1]]), np.concatenate([[0], g[:-1]])
    several = pair.upper > pair.lower
    worst = np.maximum(f - g_before, g - f_before)
    return float(np.max(np.where(several, worst, np.abs(f - g))))

"""How many categories a sample misses and how many rows repeat others by chance and sample size alone."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.special import chi_squared_survival

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import FloatArray, NumberArray

# Categories so frequent that chance misses none of them need no place in the pairwise sums.
_IMPOSSIBLE = 1e-12
# Sizes of categories told apart in pairwise sums; beyond that neighbours share their mean.
_SIZES = 256
# Stirling's series is exact to rounding from here on.
_STIRLING_FROM = 16


def chance_of_absence(rows: NumberArray, total: int, drawn: int) -> FloatArray:
    """Return the chance that none of a category's ``rows`` is among ``drawn`` of ``total`` rows.

    The hypergeometric C(total - rows, drawn) / C(total, drawn).

    Parameters
    ----------
    rows
        Rows a category, shape ``(k,)``.
    """
    held = np.asarray(rows, dtype=np.float64)
    result = np.zeros(held.shape)
    possible = held <= total - drawn
    left = total - held[possible]
    logs = [_log_factorial(left), -_log_factorial(left - drawn)]
    whole = math.lgamma(total - drawn + 1) - math.lgamma(total + 1)
    result[possible] = np.exp(np.minimum(logs[0] + logs[1] + whole, 0.0))
    return result


def absence_p_value(one: Iterable[int], other: Iterable[int]) -> float:
    """Return how likely so many rows of one sample are in categories that the other misses, without drift.

    Rows of both samples are dealt out anew, as many to each as it has. A category of t rows is then missed
    with a known chance, and so are two of them together: that gives the mean and the variance of the rows
    missed, exactly. Their law is taken as Pearson's type III, whose skewness is that of independent
    categories; one category that alone explains what is seen bounds it from below.

    Parameters
    ----------
    one, other
        Rows of both samples in each category, shape ``(k,)`` each.

    References
    ----------
    Johnson and Kotz (1977), Urn models and their application, on occupancy by sampling without replacement.
    """
    a, b = np.array(list(one), dtype=np.int64), np.array(list(other), dtype=np.int64)
    missed, drawn, total = int(a[b == 0].sum()), int(b.sum()), int(a.sum() + b.sum())
    if not missed:
        return 1.0
    # Categories of as many rows are as likely to be missed: sums run over sizes.
    size, times = np.unique((a + b)[a + b > 0], return_counts=True)
    chance = chance_of_absence(size, total, drawn)
    alone = -math.expm1(-float(np.sum((times * chance)[size >= missed])))
    likely = chance > _IMPOSSIBLE
    if not likely.any():
        return alone
    size, times = _grouped(size[likely].astype(np.float64), times[likely].astype(np.float64))
    chance = chance_of_absence(size, total, drawn)
    mean = float(np.sum(times * size * chance))
    both = chance_of_absence(np.add.outer(size, size), total, drawn)
    pairs = np.outer(times, times) - np.diag(times)
    square = float(np.sum(times * size**2 * chance) + np.sum(pairs * np.outer(size, size) * both))
    variance = square - mean**2
    spread = times * chance * (1 - chance)
    apart = float(np.sum(spread * size**2))
    if variance <= apart * 1e-9:
        return max(alone, float(missed <= mean))
    skewness = float(np.sum(spread * (1 - 2 * chance) * size**3)) / apart / math.sqrt(variance)
    # Half a row, since rows are whole.
    z = (missed - 0.5 - mean) / math.sqrt(variance)
    return min(1.0, max(alone, _pearson_survival(z, skewness)))


def repeated_rows(counts: Iterable[int], total: int, drawn: int) -> float:
    """Return how many of ``drawn`` rows repeat an earlier one, on average over samples of ``total`` rows.

    Parameters
    ----------
    counts
        Rows of each distinct value, or of a fair sample of the distinct values, shape ``(k,)``.
    """
    size, times = np.unique(np.array(list(counts), dtype=np.int64), return_counts=True)
    rows = float(np.sum(size * times)) * drawn / total
    distinct = float(np.sum(times * (1 - chance_of_absence(size, total, drawn))))
    return max(0.0, 1 - distinct / rows) * drawn if rows else 0.0


def _pearson_survival(z: float, skewness: float) -> float:
    """Return P(Z >= z) for a standardised Pearson type III variable: a gamma one, moved."""
    if skewness < 1e-6:
        return NormalDist().cdf(-z)
    shape = 4 / skewness**2
    x = shape + math.sqrt(shape) * z
    return chi_squared_survival(2 * x, 2 * shape) if x > 0 else 1.0


def _grouped(size: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    if size.size <= _SIZES:
        return size, times
    starts = np.arange(_SIZES) * size.size // _SIZES
    summed = np.add.reduceat(times, starts)
    return np.add.reduceat(size * times, starts) / summed, summed


def _log_factorial(values: FloatArray) -> FloatArray:
    """Return ln(values!) for numbers from 0 on: a pass over an array, where `math.lgamma` takes one each."""
    x = values.astype(np.float64)
    small = x < _STIRLING_FROM
    steps = np.arange(1, _STIRLING_FROM + 1)
    less = np.log(x[small][:, None] + steps).sum(axis=1)
    x[small] += _STIRLING_FROM
    result = np.asarray(
        x * np.log(x) - x + np.log(2 * math.pi * x) / 2 + (1 / 12 - (1 / 360 - 1 / 1260 / x**2) / x**2) / x
    )
    result[small] -= less
    return result

"""Evidence: how likely a value at least as bad is when nothing has changed, for many features at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.errors import UsageError
from modelwatch.special import chi_squared_survival, kolmogorov_survival

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.arrays import FloatArray, NumberArray

# Cochran's rule: below five expected rows a cell's contribution is not yet chi-squared.
SMALLEST_EXPECTED = 5.0
# A single cell may hold less than that, down to one row (Cochran 1954).
LEAST_EXPECTED = 1.0
# Baseline rows in a bin cut at its quantiles: its share of other data is a gamma variable of that shape,
# which is normal enough from here on.
SMALLEST_CUT = 20.0
# A bin so many times as large as it need be is none of the rare ones.
LARGE = 4.0
# At most about so many groups are made of the rare ones: hundreds of degrees of freedom find nothing.
RARE_GROUPS = 20
# `scipy.stats.ks_2samp` itself gives up the exact law above this many rows.
EXACT_ROWS = 10_000
# The 95th percentile of the normal law.
ONE_SIDED = 1.6448536269514722


class TestResult(NamedTuple):
    """A statistic with its p-value and degrees of freedom (0 where the law has none)."""

    statistic: float
    p_value: float
    degrees: int


def goodness_of_fit(observed: NumberArray, expected: NumberArray) -> TestResult:
    """Return Pearson's test of ``observed`` counts against known ``expected`` ones.

    A bin expected empty and found occupied makes the statistic infinite and the p-value 0.
    """
    observed, expected = np.asarray(observed, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if np.any((expected == 0) & (observed > 0)):
        return TestResult(math.inf, 0.0, observed.size - 1)
    held = expected > 0
    statistic = float(np.sum((observed[held] - expected[held]) ** 2 / expected[held]))
    degrees = observed.size - 1
    return TestResult(statistic, chi_squared_survival(statistic, degrees) if degrees else 1.0, degrees)


def sparse(
    baseline: NumberArray,
    production: NumberArray,
    *,
    quantiles: bool = False,
    fewest: float = SMALLEST_EXPECTED,
) -> bool:
    """Tell whether any bin is expected to hold fewer than ``fewest`` rows of either sample.

    ``quantiles`` as for `homogeneity`.
    """
    table = np.array([baseline, production], dtype=np.float64)
    sizes, scale = _sizes(table, quantiles=quantiles)
    return bool(sizes.min() < fewest * scale)


def pooled(table: FloatArray, *, quantiles: bool = False) -> tuple[FloatArray, FloatArray | None]:
    """Pool neighbours among the bins of few rows until each group is expected to hold five of either sample.

    Bins must not be picked for what was drawn: those that are rare in one sample are more common in any
    other, and would pass for drift. So they are taken in the order in which they stand, which is that of
    values or of names, and a group is closed as soon as it is full. That is a stopping rule: whichever bin
    closes a group, the rows that either sample has too many of still average zero. Large bins stand alone
    wherever they are, so that what is rare is pooled with what is rare.

    Parameters
    ----------
    table
        Counts, shape ``(2, k)``, in an order that does not depend on them.
    quantiles
        As for `homogeneity`.

    Returns
    -------
    groups
        Shape ``(2, g)``, large bins first; ``g`` is at least 2 where ``k`` is.
    leftover
        Shape ``(2,)``: what was left over with less than one row expected, and was added to the last group.
    """
    sizes, scale = _sizes(table, quantiles=quantiles)
    fewest = SMALLEST_EXPECTED * scale
    if quantiles:
        fewest = max(fewest, SMALLEST_CUT * float(table.sum() / table[0].sum()))
    if table.shape[1] < 3 or np.all(sizes >= fewest):
        return table, None
    full = max(fewest, float(sizes[sizes < LARGE * fewest].sum()) / RARE_GROUPS)
    large = sizes >= LARGE * full
    filled = np.cumsum(sizes[~large])
    starts, begin, before = [], 0, 0.0
    while begin < filled.size:
        starts.append(begin)
        begin = int(np.searchsorted(filled, before + full)) + 1
        before = float(filled[min(begin, filled.size) - 1])
    columns = np.column_stack([table[:, large], np.add.reduceat(table[:, ~large], starts, axis=1)])
    last = float(filled[-1] - (filled[starts[-1] - 1] if starts[-1] else 0.0))
    if last >= LEAST_EXPECTED * scale or columns.shape[1] < 3:
        return columns, None
    leftover = columns[:, -1].copy()
    columns[:, -2] += leftover
    return columns[:, :-1], leftover


def _sizes(table: FloatArray, *, quantiles: bool) -> tuple[FloatArray, float]:
    """Return how many rows of both samples each bin stands for, and how many make one of the smaller."""
    rows = table.sum(axis=1)
    total = float(rows.sum())
    sizes = table[0] * (total / rows[0]) if quantiles else table.sum(axis=0)
    # The tolerance keeps bins of exactly five expected rows on the same side however they are rounded.
    return sizes, total / float(rows.min()) * (1 - 1e-9)


def homogeneity(baseline: NumberArray, production: NumberArray, *, quantiles: bool = False) -> TestResult:
    """Return the chi-squared test that two samples share one distribution over the same bins.

    Bins expected to hold fewer than five rows are pooled; two bins with too few rows go to Fisher's exact
    test, and so do, by Bonferroni, the rows that no group could be made of.

    Parameters
    ----------
    baseline, production
        Counts, shape ``(k,)``, in an order that does not depend on them.
    quantiles
        The bins were cut at the baseline's quantiles: its counts are no draw, and tell alone how many rows
        to expect. By default both samples together do.
    """
    table = np.array([baseline, production], dtype=np.float64)
    table, leftover = pooled(table[:, table.sum(axis=0) > 0], quantiles=quantiles)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    degrees = table.shape[1] - 1
    if degrees < 1:
        return TestResult(0.0, 1.0, 0)
    statistic = float(np.sum((table - expected) ** 2 / expected))
    if degrees == 1 and expected.min() < SMALLEST_EXPECTED:
        p_value = _fisher_exact(table)
    else:
        p_value = chi_squared_survival(statistic, degrees)
    if leftover is not None:
        # Nulls where there hardly were any, say: too few for a chi-squared cell, told by the exact test.
        alone = _fisher_exact(np.column_stack([leftover, table.sum(axis=1) - leftover]))
        p_value = min(1.0, 2 * min(p_value, alone))
    return TestResult(statistic, p_value, degrees)


def _fisher_exact(table: FloatArray) -> float:
    """Return the two-sided p-value of a 2 x 2 table: all tables no likelier than the one seen."""
    (a, b), (c, d) = table.round().astype(np.int64).tolist()
    first, second, column = a + b, c + d, a + c
    low, high = max(0, column - second), min(first, column)

    def log_weight(x: int) -> float:
        return _log_choose(first, x) + _log_choose(second, column - x)

    seen = log_weight(a)
    weights = np.array([log_weight(x) for x in range(low, high + 1)])
    top = weights.max()
    likely = np.exp(weights - top)
    # A relative tolerance keeps tables that tie with the one seen on the same side of the comparison.
    return float(min(1.0, likely[weights <= seen + 1e-7].sum() / likely.sum()))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def kolmogorov_smirnov_p_value(statistic: float, n_baseline: int, n_production: int) -> float:
    """Return the asymptotic two-sided p-value; with ties it is conservative."""
    effective = n_baseline * n_production / (n_baseline + n_production)
    return kolmogorov_survival(math.sqrt(effective) * statistic)


def psi_p_value(psi: float, n_baseline: int, n_production: int, bins: int) -> float:
    """Return P(PSI >= psi) without drift: PSI / (1/n + 1/m) is about chi-squared with ``bins`` - 1 degrees.

    References
    ----------
    Yurdakul (2018), Statistical properties of the population stability index.
    """
    if bins < 2:
        return 1.0
    return chi_squared_survival(psi / _noise(n_baseline, n_production), bins - 1)


def jensen_shannon_p_value(distance: float, n_baseline: int, n_production: int, bins: int) -> float:
    """Return P(JSD >= distance) without drift; 8 ln 2 times its square has the law of PSI (base 2)."""
    return psi_p_value(8 * math.log(2) * distance**2, n_baseline, n_production, bins)


def psi_null_threshold(n_baseline: int, n_production: int, bins: int, alpha: float) -> float:
    """Return the PSI that drift-free data exceed with probability ``alpha``."""
    return _noise(n_baseline, n_production) * _chi_squared_quantile(alpha, bins - 1)


def jensen_shannon_null_threshold(n_baseline: int, n_production: int, bins: int, alpha: float) -> float:
    """Return the distance (base 2) that drift-free data exceed with chance ``alpha``."""
    return math.sqrt(psi_null_threshold(n_baseline, n_production, bins, alpha) / (8 * math.log(2)))


def jensen_shannon_null_scale(n_baseline: int, n_production: int, bins: int) -> float:
    """Return the root mean square of the distance (base 2) on drift-free data."""
    return math.sqrt((bins - 1) * _noise(n_baseline, n_production) / (8 * math.log(2)))


def rows_needed(metric: str, threshold: float, *, n_baseline: int, bins: int, alpha: float) -> int | None:
    """Return the production rows at which drift-free data cross ``threshold`` with chance ``alpha`` only.

    None means that no number of rows suffices with a baseline this small. Metrics whose law is not of this
    form (p-values) need no minimum and give 0.
    """
    if bins < 2:
        return 0
    quantile = _chi_squared_quantile(alpha, bins - 1)
    if metric == "population_stability_index":
        allowed = threshold / quantile
    elif metric == "jensen_shannon_distance":
        allowed = 8 * math.log(2) * threshold**2 / quantile
    else:
        return 0
    room = allowed - 1 / n_baseline
    return math.ceil(1 / room) if room > 0 else None


def effect_upper_bound(metric: str, value: float, *, n_baseline: int, n_production: int, bins: int) -> float:
    """Return what a PSI or Jensen-Shannon distance is at most, in 95 % of cases, once chance is taken off.

    Without drift the PSI is chance alone, (bins - 1) (1/n + 1/m) on average: with a hundred categories in a
    thousand rows more than most thresholds. What drift adds makes its law a noncentral chi-squared one, here
    by its mean and variance.
    """
    noise = _noise(n_baseline, n_production)
    squared = metric == "jensen_shannon_distance"
    statistic = (8 * math.log(2) * value**2 if squared else value) / noise
    excess, z2 = statistic - (bins - 1), ONE_SIDED**2
    # The noncentrality whose lower fifth percentile the statistic would be.
    spread = max(4 * excess + 4 * z2 + 2 * (bins - 1), 0.0)
    most = noise * max(excess + 2 * z2 + ONE_SIDED * math.sqrt(spread), 0.0)
    return math.sqrt(most / (8 * math.log(2))) if squared else most


def _noise(n_baseline: int, n_production: int) -> float:
    return 1 / n_baseline + 1 / n_production


def _chi_squared_quantile(alpha: float, degrees: int) -> float:
    from scipy.special import chdtri  # noqa: PLC0415

    return float(chdtri(degrees, alpha))


def adjusted_p_values(p_values: Sequence[float] | FloatArray, method: str = "bh") -> FloatArray:
    """Return p-values corrected for their number, in the order given.

    Parameters
    ----------
    p_values
        Shape ``(m,)``, each in [0, 1].
    method
        ``bh`` controls the false discovery rate for independent or positively dependent features, ``by``
        under any dependence, ``holm`` the chance of a single false alarm.

    Raises
    ------
    UsageError
        For an unknown method or a p-value outside [0, 1].

    References
    ----------
    Benjamini and Hochberg (1995); Benjamini and Yekutieli (2001); Holm (1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return p
    if not np.all((p >= 0) & (p <= 1)):
        raise UsageError("p-values must lie in [0, 1]", got=p[~((p >= 0) & (p <= 1))][:3].tolist())
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, p.size + 1)
    if method == "holm":
        adjusted = np.maximum.accumulate(p[order] * (p.size - rank + 1))
    elif method in ("bh", "by"):
        factor = p.size * (np.sum(1 / rank) if method == "by" else 1.0)
        adjusted = np.minimum.accumulate((p[order] * factor / rank)[::-1])[::-1]
    else:
        raise UsageError("Unknown correction", got=repr(method), expected="bh, by or holm")
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1.0)
    return result

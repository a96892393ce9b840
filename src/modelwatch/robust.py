"""``robust/v1``: drift metrics that neither an outlier, nor a spike, nor the sample size can fool.

Numbers are compared over quantile bins of the *baseline*, with atoms as bins of their own, ends at infinity
and a bucket for nulls; categories over the baseline's most frequent ones, the rest, the new and nulls. The
Chebyshev distance of categories is over all of either side instead, and so the same in both directions: as a
largest difference it needs no bound on how many there are. Every distance comes with a p-value, so that a
rule can ask for effect and evidence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from modelwatch import distances, evidence
from modelwatch.empirical import wasserstein
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.arrays import IntArray
    from modelwatch.buckets import Bucketed
    from modelwatch.cells import AlignedCells
    from modelwatch.distributions import NumericDistribution
    from modelwatch.sides import CategoricalSides, NumericSides

JEFFREYS = 0.5
# One value says nothing about spread: a distance scaled by it would be arbitrary.
FEWEST_ROWS = 2
# The interquartile range of a normal distribution in standard deviations.
NORMAL_QUARTILES = 1.3489795003921634
SMALLEST_SCALE = 0.001


CHEBYSHEV = "chebyshev_distance"
_DISTANCES: dict[str, Callable[[IntArray, IntArray], float]] = {
    "population_stability_index": partial(distances.population_stability_index, prior=JEFFREYS),
    "jensen_shannon_distance": distances.jensen_shannon_distance,
    CHEBYSHEV: distances.chebyshev_distance,
}
# With the fewest expected rows a bin at which each law holds: simulated, the Jensen-Shannon distance exceeds
# its 5 % bound in 12 % of drift-free windows at five rows a bin, in 6 % at twenty.
CLOSED_LAWS = {
    "population_stability_index": (evidence.psi_p_value, evidence.SMALLEST_EXPECTED),
    "jensen_shannon_distance": (evidence.jensen_shannon_p_value, 20.0),
}


def numeric(metric: str, sides: NumericSides) -> Measurement:
    """Measure drift of a number column; both sides hold at least one finite value."""
    baseline, production = sides.baseline, sides.production
    if min(baseline.n, production.n) < FEWEST_ROWS:
        return _insufficient(metric, baseline.n, production.n)
    note = _note_on(baseline, production)
    if metric == "normalized_wasserstein_distance":
        distance, doubt = wasserstein(sides.pair)
        scale = spread(baseline)
        statistic, p_value, _ = sides.kolmogorov_smirnov
        return _result(
            metric, baseline.n, production.n, distance / scale, p_value=p_value, statistic=statistic,
            bound=doubt / scale, note=with_note(note, "evidence: Kolmogorov-Smirnov"),
        )  # fmt: skip
    if metric == "two_sample_kolmogorov_smirnov_test":
        statistic, p_value, bound = sides.kolmogorov_smirnov
        if _has_ties(sides.pair):
            note = with_note(note, "ties: the p-value is conservative")
        return _result(
            metric, baseline.n, production.n, p_value, p_value=p_value, statistic=statistic, bound=bound,
            note=note,
        )  # fmt: skip
    return _over_buckets(metric, sides.buckets, note)


def categorical(metric: str, sides: CategoricalSides) -> Measurement:
    """Measure drift of a column of categories."""
    baseline, production = sides.baseline, sides.production
    if min(baseline.n, production.n) < FEWEST_ROWS:
        return _insufficient(metric, baseline.n, production.n)
    if baseline.identifier_like or production.identifier_like:
        side = baseline if baseline.identifier_like else production
        note = f"identifier-like ({side.distinct:.0f} values in {side.n} rows): excluded from drift"
        return _result(metric, baseline.n, production.n, None, status=Status.INSUFFICIENT, note=note)
    return _over_buckets(metric, sides.buckets, "", sides.table)


def spread(baseline: NumericDistribution) -> float:
    """Return the scale of the Wasserstein distance: quartiles, else the standard deviation, else a floor."""
    scale = baseline.interquartile_range() / NORMAL_QUARTILES
    if scale <= 0:
        scale = baseline.standard_deviation()
    floor = SMALLEST_SCALE * abs(baseline.quantile(0.5)) or SMALLEST_SCALE
    return scale if scale > 0 else floor


def _over_buckets(metric: str, buckets: Bucketed, note: str, table: IntArray | None = None) -> Measurement:
    """Measure over buckets.

    ``table`` has the counts of categories before the baseline chose the buckets, shape ``(2, c)``, by name.
    Evidence needs them: a small baseline has not seen all categories, so what it takes for rare or new is
    more common in any other sample.
    """
    b, p = buckets.baseline, buckets.production
    n, m, size = int(b.sum()), int(p.sum()), b.size
    details = {"buckets": list(buckets.labels), "baseline": b.tolist(), "production": p.tolist()}
    counted = (b, p) if table is None else table
    # Quantile bins have the counts they were cut for; categories have those that were drawn.
    quantiles = table is None
    law, fewest = CLOSED_LAWS.get(metric, (None, 0.0))
    statistic: float | None = None
    if law is not None and not evidence.sparse(*counted, quantiles=quantiles, fewest=fewest):
        value = _DISTANCES[metric](b, p)
        p_value = law(value, n, m, size)
    else:
        # Cells of a few rows each are no chi-squared sum: with 100 categories in 300 rows the closed laws
        # call every third drift-free window significant at 5 %.
        test = evidence.homogeneity(*counted, quantiles=quantiles)
        statistic, p_value = test.statistic, test.p_value
        over = counted if metric == CHEBYSHEV else (b, p)
        value = _DISTANCES[metric](*over) if metric in _DISTANCES else p_value
    result = _result(metric, n, m, value, p_value=p_value, statistic=statistic, note=note)
    return replace(result, details=details)


def _note_on(baseline: NumericDistribution, production: NumericDistribution) -> str:
    note = "degenerate_baseline: a single value" if baseline.minimum == baseline.maximum else ""
    if infinite := baseline.non_finite + production.non_finite:
        note = with_note(note, f"non_finite: {infinite} infinities excluded")
    if missing := baseline.missing + production.missing:
        note = with_note(note, f"{missing} nulls")
    return note


def _has_ties(pair: AlignedCells) -> bool:
    return bool(np.any(pair.baseline + pair.production > 1)) if pair.exact else False


def _insufficient(metric: str, n: int, m: int) -> Measurement:
    note = f"at least {FEWEST_ROWS} rows with a value are needed on each side"
    return _result(metric, n, m, None, status=Status.INSUFFICIENT, note=note)


def _result(
    metric: str,
    n: int,
    m: int,
    value: float | None,
    *,
    status: Status = Status.OK,
    p_value: float | None = None,
    statistic: float | None = None,
    bound: float = 0.0,
    note: str = "",
) -> Measurement:
    return Measurement(
        metric=metric, definition=ROBUST, value=value, status=status, p_value=p_value, n_baseline=n,
        n_production=m, statistic=statistic, bound=bound, note=note,
    )  # fmt: skip

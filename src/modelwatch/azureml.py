"""``azureml/4b41f8c``: drift metrics as Azure ML's own monitoring components compute them, to the digit.

Source: Azure/azureml-assets at that commit, ``assets/model_monitoring/components``. Two of their habits stay
theirs: rows are dropped per column here, not wherever *any* column is null, and a metric that cannot be
computed is a status here, not NaN or an exception.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from modelwatch import distances, evidence
from modelwatch.bins import BinnedCounts, count_between, equal_width_edges
from modelwatch.columns import Kind
from modelwatch.empirical import wasserstein
from modelwatch.metrics import AZUREML, CATEGORICAL, NUMERICAL
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray
    from modelwatch.column_contracts import ColumnContract
    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.contract import Contract
    from modelwatch.distributions import CategoricalDistribution, NumericDistribution
    from modelwatch.profiles import Profile
    from modelwatch.sides import CategoricalSides, NumericSides

LAPLACE = 1.0
SMALLEST_SCALE = 0.001
KS_REFUSED_FROM = 10_000
CATEGORICAL_BELOW = 0.05


def feature_kind(distinct: int, rows: int, *, integer: bool) -> str:
    """Return how Azure ML would treat a number column: integers with few values are categories.

    The rule flips with the row count (0/1 is a number at 20 rows, a category at 100), so a contract pins
    kinds.
    """
    return CATEGORICAL if integer and rows and distinct / rows < CATEGORICAL_BELOW else NUMERICAL


def integer_kind(column: ColumnProfile) -> str | None:
    """Return how Azure ML compares a profiled integer column, None for others and beyond exact counts."""
    if column.cells is None or not column.integer or column.cells.shift:
        return None
    distinct = column.cells.keys.size + (1 if column.missing else 0)
    return feature_kind(distinct, column.rows, integer=True)


def typed(contract: Contract, baseline: Profile) -> Contract:
    """Return a drafted contract with integers compared as Azure ML would, which looks at ``baseline``."""

    def as_azure(declared: ColumnContract) -> ColumnContract:
        column = baseline.columns.get(declared.name)
        if (
            declared.kind is not None
            or declared.identifies
            or column is None
            or column.kind is not Kind.NUMBER
        ):
            return declared
        kind = integer_kind(column)
        return declared if kind is None else replace(declared, kind=kind)

    return contract.changed(tuple(as_azure(column) for column in contract.columns), contract.timezone)


def numeric(metric: str, sides: NumericSides) -> Measurement:
    """Measure drift of a number column; both sides hold at least one finite value."""
    baseline, production = sides.baseline, sides.production
    if metric == "normalized_wasserstein_distance":
        return _normalized_wasserstein(metric, sides)
    if metric == "two_sample_kolmogorov_smirnov_test":
        return _kolmogorov_smirnov(metric, sides)
    low = min(_known(baseline.minimum), _known(production.minimum))
    high = max(_known(baseline.maximum), _known(production.maximum))
    edges = equal_width_edges(low, high, min(baseline.n, production.n))
    b, p = (count_between(side.cells, edges, high) for side in (baseline, production))
    if not b.counts.sum() or not p.counts.sum():
        note = "Azure ML's last edge, as it rounds it, lies below every row of a side: it has no answer"
        return _result(metric, baseline, production, None, status=Status.ERROR, note=note)
    if metric == "jensen_shannon_distance":
        value = distances.jensen_shannon_distance(b.counts, p.counts)
        bound = _jensen_shannon_bound(b) + _jensen_shannon_bound(p)
        return _result(metric, baseline, production, value, bound=bound)
    value = float(_psi_term(_smoothed(b.counts, baseline.n), _smoothed(p.counts, production.n)).sum())
    bound = _psi_bound((b, baseline.n), (p, production.n), value)
    return _result(metric, baseline, production, value, bound=bound)


def categorical(metric: str, sides: CategoricalSides) -> Measurement:
    """Measure drift of a column of categories over the union of both sides' categories."""
    baseline, production = sides.baseline, sides.production
    names = sorted({*baseline.counts, *production.counts})
    b = np.array([baseline.counts.get(name, 0) for name in names], dtype=np.float64)
    p = np.array([production.counts.get(name, 0) for name in names], dtype=np.float64)
    if metric == "jensen_shannon_distance":
        return _result(metric, baseline, production, distances.jensen_shannon_distance(b, p))
    if metric == "population_stability_index":
        return _result(
            metric, baseline, production, distances.population_stability_index(b, p, prior=LAPLACE)
        )
    if metric == "chebyshev_distance":
        return _result(metric, baseline, production, distances.chebyshev_distance(b, p))
    test = evidence.goodness_of_fit(p, distances.shares(b) * p.sum())
    return _result(metric, baseline, production, test.p_value, p_value=test.p_value, statistic=test.statistic)


def _normalized_wasserstein(metric: str, sides: NumericSides) -> Measurement:
    baseline, production = sides.baseline, sides.production
    distance, doubt = wasserstein(sides.pair)
    deviation = baseline.standard_deviation(ddof=1)
    scale = max(deviation, SMALLEST_SCALE)
    value = distance / scale
    bound = (doubt + value * _deviation_doubt(baseline)) / scale
    return _result(metric, baseline, production, value, bound=bound)


def _kolmogorov_smirnov(metric: str, sides: NumericSides) -> Measurement:
    baseline, production = sides.baseline, sides.production
    if max(baseline.n, production.n) >= KS_REFUSED_FROM:
        note = f"Azure ML refuses this test from {KS_REFUSED_FROM} rows on; robust/v1 has no such limit"
        return _result(metric, baseline, production, None, status=Status.ERROR, note=note)
    statistic, p_value, bound = sides.kolmogorov_smirnov
    return _result(metric, baseline, production, p_value, p_value=p_value, statistic=statistic, bound=bound)


def _jensen_shannon_bound(side: BinnedCounts) -> float:
    """Return how far moving the uncertain rows can carry one distribution.

    The distance is a metric whose square is at most the total variation, so the triangle inequality bounds
    it.
    """
    total = float(side.counts.sum())
    return math.sqrt(min(1.0, float(side.uncertain.sum()) / 2 / total))


def _smoothed(counts: FloatArray, rows: int) -> FloatArray:
    """Return shares by Laplace's rule; Azure ML divides by all rows, those beyond its last edge too."""
    return (counts + LAPLACE) / (rows + LAPLACE * counts.size)


def _psi_bound(
    baseline: tuple[BinnedCounts, int], production: tuple[BinnedCounts, int], value: float
) -> float:
    """Return how far the index can move when each share moves within its uncertainty."""
    (p_low, p_high), (q_low, q_high) = (
        (
            _smoothed(np.maximum(side.counts - side.uncertain, 0), rows),
            _smoothed(side.counts + side.uncertain, rows),
        )
        for side, rows in (baseline, production)
    )
    highest = np.maximum(_psi_term(p_low, q_high), _psi_term(p_high, q_low))
    apart = np.where(p_high < q_low, _psi_term(p_high, q_low), 0.0)
    lowest = np.where(q_high < p_low, _psi_term(p_low, q_high), apart)
    return max(float(highest.sum()) - value, value - float(lowest.sum()), 0.0)


def _psi_term(p: FloatArray, q: FloatArray) -> AnyArray:
    return np.asarray((q - p) * np.log(q / p))


def _deviation_doubt(distribution: NumericDistribution) -> float:
    """Return how far the standard deviation can be off: the root mean square width of the cells."""
    lower, upper = distribution.cells.edges()
    width = upper - lower
    top = float(width.max())
    if top == 0:
        return 0.0
    weight = distribution.cells.counts / distribution.n
    return top * math.sqrt(float(np.sum(weight * (width / top) ** 2)))


def _known(value: float | None) -> float:
    if value is None:
        raise AssertionError("a distribution with rows has a minimum and a maximum")
    return value


def _result(
    metric: str,
    baseline: NumericDistribution | CategoricalDistribution,
    production: NumericDistribution | CategoricalDistribution,
    value: float | None,
    *,
    p_value: float | None = None,
    statistic: float | None = None,
    bound: float = 0.0,
    status: Status = Status.OK,
    note: str = "",
) -> Measurement:
    return Measurement(
        metric=metric,
        definition=AZUREML,
        value=value,
        status=status,
        p_value=p_value,
        n_baseline=baseline.n,
        n_production=production.n,
        statistic=statistic,
        bound=bound,
        note=note,
    )

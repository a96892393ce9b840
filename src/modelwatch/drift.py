"""Drift of one column under either definition, with a status for everything that can be wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwatch import azureml, robust
from modelwatch.metrics import AZUREML, Metric
from modelwatch.results import Measurement, Status
from modelwatch.sides import CategoricalSides, NumericSides

if TYPE_CHECKING:
    from modelwatch.distributions import Distribution
    from modelwatch.sides import Sides


def measure_drift(metric: Metric, sides: Sides, definition: str) -> Measurement:
    """Measure one drift metric, of the drift family, between the two sides of one column."""
    baseline, production = sides.baseline, sides.production
    if baseline is None or production is None:
        return _without_value(
            metric,
            definition,
            baseline,
            production,
            Status.SCHEMA_ERROR,
            "the column holds nothing comparable",
        )
    empty = [side for side, held in (("baseline", baseline.n), ("production", production.n)) if not held]
    if empty:
        note = f"no value in {' and '.join(empty)}"
        return _without_value(metric, definition, baseline, production, Status.NO_DATA, note)
    kinds = metric.azureml_kinds if definition == AZUREML else metric.kinds
    if baseline.kind not in kinds:
        note = f"not defined for a {baseline.kind} column under {definition}"
        return _without_value(metric, definition, baseline, production, Status.ERROR, note)
    if isinstance(sides, NumericSides):
        return (azureml.numeric if definition == AZUREML else robust.numeric)(metric.id, sides)
    if isinstance(sides, CategoricalSides):
        return (azureml.categorical if definition == AZUREML else robust.categorical)(metric.id, sides)
    note = f"baseline is {baseline.kind}, production {production.kind}"
    return _without_value(metric, definition, baseline, production, Status.SCHEMA_ERROR, note)


def _without_value(  # noqa: PLR0917
    metric: Metric,
    definition: str,
    baseline: Distribution | None,
    production: Distribution | None,
    status: Status,
    note: str,
) -> Measurement:
    return Measurement(
        metric=metric.id,
        definition=definition,
        value=None,
        status=status,
        n_baseline=baseline.n if baseline else 0,
        n_production=production.n if production else 0,
        note=note,
    )

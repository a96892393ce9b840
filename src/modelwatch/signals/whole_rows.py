"""What needs whole rows, importances or logs: attribution, multivariate drift, skew, operations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch.attribution import attribution_drift
from modelwatch.column_contracts import Role
from modelwatch.inputs import as_table
from modelwatch.multivariate import ROWS_PER_SIDE, domain_classifier_auc
from modelwatch.operations import operational_signals, throughput
from modelwatch.schema import absence
from modelwatch.signals.common import absent, not_there, unread
from modelwatch.skew import training_serving_skew

if TYPE_CHECKING:
    from modelwatch.declared_signals import Signal
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor
    from modelwatch.results import Measurement


def attribution(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare importances then and now."""
    given = inputs.extras.get("importances")
    if not given:
        return [absent(monitor, "normalized_discounted_cumulative_gain", "no importances were given")]
    return [attribution_drift(*given, definition=monitor.baseline.definition)]


def multivariate(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Let a classifier tell the two sides apart."""
    if inputs.baseline_rows is None or inputs.production_rows is None:
        return [absent(monitor, "domain_classifier_auc", "the baseline's rows are needed, not its profile")]
    features = [
        name
        for name in inputs.contract.with_role(Role.FEATURE)
        if not isinstance(signal.features, tuple) or name in signal.features
    ]
    unknown = not_there(monitor, signal, inputs, (Role.FEATURE,))
    if unknown and not features:
        return unknown
    missing = [note for name in features if (note := absence(name, inputs.production))]
    before, after = (
        rows.sampled(features, ROWS_PER_SIDE, profiled.rows)
        for rows, profiled in (
            (inputs.baseline_rows, inputs.baseline),
            (inputs.production_rows, inputs.production),
        )
    )
    result = domain_classifier_auc(before, after, features=features, definition=monitor.baseline.definition)
    if missing and len(missing) == len(features):
        result = replace(result, status=unread(inputs), note="")
    return [*unknown, result.noting("; ".join(missing))]


def skew(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare rows served with the same rows in training."""
    given = inputs.extras.get("training_rows")
    if given is None or inputs.production_rows is None:
        return [absent(monitor, "training_serving_skew_rate", "no training rows were given")]
    features, key = inputs.contract.with_role(Role.FEATURE), monitor.data.correlation_id
    training = as_table(given)
    if key not in training.column_names or key not in inputs.production_rows:
        return [absent(monitor, "training_serving_skew_rate", f"a side has no row id {key!r}")]
    serving = inputs.production_rows.having(key, training.column(key), features)
    return training_serving_skew(
        training, serving, key, features=features, definition=monitor.baseline.definition
    )


def operations(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Read latency, throughput and errors from a request log."""
    requests, definition = inputs.extras.get("requests"), monitor.baseline.definition
    if requests is not None:
        return operational_signals(as_table(requests), window=inputs.window, definition=definition)
    if inputs.window is None:
        return [absent(monitor, "error_rate", "no request log was given")]
    # What was collected tells how much was asked, if not how fast it was answered.
    return [
        throughput(inputs.production.rows, inputs.window, definition).noting("rows of production"),
        absent(monitor, "error_rate", "no request log was given"),
    ]

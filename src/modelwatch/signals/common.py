"""What the signals share: columns by their roles, and what is said of those that are not there."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from modelwatch.column_contracts import Role
from modelwatch.results import Measurement, Status
from modelwatch.schema import absence, blank

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.declared_signals import Signal
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor


FIRST_METRIC = {
    "data_drift": "population_stability_index",
    "prediction_drift": "population_stability_index",
    "data_quality": "null_value_rate",
    "feature_attribution_drift": "normalized_discounted_cumulative_gain",
    "model_performance": "accuracy",
    "estimated_performance": "estimated_accuracy",
    "fairness": "selection_rate_gap",
    "multivariate_drift": "domain_classifier_auc",
    "training_serving_skew": "training_serving_skew_rate",
    "operations": "error_rate",
}


def column(inputs: Inputs, table: Any, role: Role) -> Any:
    """Return the first column of a role in ``table``, None where there is none."""
    names = inputs.contract.with_role(role)
    if table is None or not names or names[0] not in table.column_names:
        return None
    return table.column(names[0])


def not_there(monitor: Monitor, signal: Signal, inputs: Inputs, roles: tuple[Role, ...]) -> list[Measurement]:
    """Return a schema error for each feature asked for by name that is none of the contract's."""
    asked: Iterable[str] = inputs.baseline.duplicate_names
    if isinstance(signal.features, tuple):
        asked = signal.features
    known = [column.name for column in inputs.contract.columns if column.role in roles]
    results = []
    for name in dict.fromkeys(asked):
        column = inputs.contract.get(name)
        # What the contract knows is compared below, or is not asked for.
        if name in known or (column is not None and not isinstance(signal.features, tuple)):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        note = f"no column is called {name!r}" + (f"; the nearest is {near[0]!r}" if near else "")
        if name in inputs.baseline.duplicate_names:
            note = f"column {name!r} occurs more than once in the baseline"
        elif column is not None:
            note = f"column {name!r} has the role {column.role.value}, which this signal does not compare"
        elif name in inputs.baseline.columns:
            note = f"column {name!r} holds nothing comparable in the baseline"
        error = Measurement(
            FIRST_METRIC[signal.type], monitor.baseline.definition, None, Status.SCHEMA_ERROR, feature=name,
            note=note,
        )  # fmt: skip
        results.append(error)
    return results


def without(monitor: Monitor, inputs: Inputs, name: str, role: Role) -> Measurement:
    """Return the measurement of a metric whose column is not there: asked for in vain, or never declared."""
    declared = inputs.contract.with_role(role)
    note = absence(declared[0], inputs.production) if declared and role is not Role.TARGET else ""
    if not note:
        return absent(monitor, name, f"no column has the role {role.value}")
    definition = monitor.baseline.definition
    return Measurement(name, definition, None, unread(inputs), feature=declared[0], note=note)


def unread(inputs: Inputs) -> Status:
    """Return the status of what a missing column would have told."""
    return Status.NO_DATA if blank(inputs.production) else Status.SCHEMA_ERROR


def absent(monitor: Monitor, name: str, note: str) -> Measurement:
    """Return the measurement of a metric for which nothing was given."""
    return Measurement(name, monitor.baseline.definition, None, Status.NO_DATA, note=note)

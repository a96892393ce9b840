"""Performance, its estimate without labels, and fairness: what predictions are worth."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from modelwatch.column_contracts import Role
from modelwatch.estimation import estimated_from_reference, estimated_performance
from modelwatch.failures import attempted
from modelwatch.fairness import fairness_gaps
from modelwatch.inputs import PREDICTED_AT
from modelwatch.metrics import METRICS, Family
from modelwatch.performance import classes_of, label_coverage, label_lag, performance
from modelwatch.results import Measurement, Status
from modelwatch.schema import absence
from modelwatch.signals.common import absent, column, unread, without
from modelwatch.sources.windows import parse_duration, utc_times

if TYPE_CHECKING:
    from modelwatch.declared_signals import Signal
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor
    from modelwatch.performance import LabelledRows


_PERFORMANCE_FAMILIES = (Family.CLASSIFICATION, Family.PROBABILITY, Family.REGRESSION)


def model_performance(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare predictions with labels, where there are enough of them."""
    wanted = [name for name in signal.bounds if METRICS[name].family in _PERFORMANCE_FAMILIES] or ["accuracy"]
    if inputs.unlabelled:
        return [replace(absent(monitor, name, inputs.unlabelled), status=unread(inputs)) for name in wanted]
    table, joined = _judged_rows(signal, inputs)
    if table is None or (joined is None and column(inputs, table, Role.TARGET) is None):
        return [absent(monitor, name, "no labels were given") for name in wanted]
    about = [] if joined is None else _about_labels(monitor, joined)
    results = [
        result
        for name in wanted
        for result in attempted(
            partial(_against_baseline, monitor, signal, inputs, table, name),
            [name],
            monitor.baseline.definition,
        )
    ]
    share = about[0].value if about else 1.0
    if share is not None and share < signal.minimum_coverage:
        note = f"label coverage {share:.1%} is below {signal.minimum_coverage:.1%}"
        results = [
            replace(result, status=Status.INSUFFICIENT).noting(note) if result.status is Status.OK else result
            for result in results
        ]
    return [*about, *results]


def estimated(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Estimate performance from scores alone, calibrated by the baseline's labels."""
    names = inputs.contract.with_role
    production, baseline = (
        None if rows is None else rows.table([*names(Role.PROBABILITY), *names(Role.TARGET)])
        for rows in (inputs.production_rows, inputs.baseline_rows)
    )
    scores = column(inputs, production, Role.PROBABILITY)
    if scores is None:
        return [without(monitor, inputs, "estimated_accuracy", Role.PROBABILITY)]
    truth = column(inputs, baseline, Role.TARGET)
    reference = column(inputs, baseline, Role.PROBABILITY)
    options: dict[str, Any] = {"threshold": signal.decision, "definition": monitor.baseline.definition}
    if truth is None or reference is None:
        note = "scores are taken as calibrated: the baseline's labels are not at hand"
        return [result.noting(note) for result in estimated_performance(scores, **options)]
    return estimated_from_reference(
        scores,
        truth,
        reference,
        positive=signal.positive,
        known_classes=_known_classes(inputs),
        minimum=signal.minimum_labels,
        **options,
    )


def fairness(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    """Compare rates between groups."""
    table, _ = _judged_rows(signal, inputs)
    groups = signal.by or inputs.contract.with_role(Role.SEGMENT)
    predicted = column(inputs, table, Role.PREDICTION)
    if table is None or not groups:
        return [absent(monitor, "selection_rate_gap", "a group and a prediction column are needed")]
    if predicted is None:
        return [without(monitor, inputs, "selection_rate_gap", Role.PREDICTION)]
    truth = column(inputs, table, Role.TARGET)
    definition = monitor.baseline.definition

    def gaps(by: str) -> list[Measurement]:
        if by not in table.column_names:
            note = absence(by, inputs.production) or f"column {by!r} is not at hand"
            return [
                Measurement(
                    "selection_rate_gap", definition, None, Status.SCHEMA_ERROR, feature=by, note=note
                )
            ]
        return fairness_gaps(
            table.column(by),
            predicted,
            truth,
            positive=signal.positive,
            known_classes=_known_classes(inputs),
            by=by,
            definition=definition,
        )

    return [
        result.noting(inputs.unlabelled)
        for by in groups
        for result in attempted(partial(gaps, by), ["selection_rate_gap"], definition, feature=by)
    ]


def _judged_rows(signal: Signal, inputs: Inputs) -> tuple[Any, LabelledRows | None]:
    """Return the rows to judge predictions by: joined to labels, else those that carry the truth."""
    joined = inputs.labelled.get(parse_duration(signal.label_lag))
    if joined is not None:
        return joined.table, joined
    roles = (Role.TARGET, Role.PREDICTION, Role.PROBABILITY, Role.SEGMENT)
    names = [name for role in roles for name in inputs.contract.with_role(role)]
    rows = inputs.production_rows
    return (None if rows is None else rows.table([*names, *signal.by])), None


def _about_labels(monitor: Monitor, joined: LabelledRows) -> list[Measurement]:
    """Return how many predictions have a label and, where labels carry a time, how late they came."""
    definition = monitor.baseline.definition
    about = [label_coverage(joined, definition=definition)]
    if PREDICTED_AT in joined.table.column_names and monitor.data.event_time is not None:
        predicted, labelled = (
            utc_times(joined.table.column(name), timezone=monitor.data.timezone, name=name)
            for name in (PREDICTED_AT, monitor.data.event_time)
        )
        about.append(label_lag(predicted, labelled, definition=definition))
    return about


def _one_performance(monitor: Monitor, signal: Signal, inputs: Inputs, table: Any, name: str) -> Measurement:
    truth = column(inputs, table, Role.TARGET)
    probabilities = METRICS[name].family is Family.PROBABILITY
    predicted = column(inputs, table, Role.PROBABILITY if probabilities else Role.PREDICTION)
    if truth is None or predicted is None:
        role = Role.TARGET if truth is None else Role.PROBABILITY if probabilities else Role.PREDICTION
        return without(monitor, inputs, name, role)
    options: dict[str, Any] = {}
    if probabilities or signal.average == "binary":
        options = {"positive": signal.positive, "known_classes": _known_classes(inputs)}
    if METRICS[name].family is Family.CLASSIFICATION:
        options["average"] = signal.average
    return performance(
        name,
        truth,
        predicted,
        definition=monitor.baseline.definition,
        minimum_rows=signal.minimum_labels,
        **options,
    )


def _against_baseline(
    monitor: Monitor, signal: Signal, inputs: Inputs, table: Any, name: str
) -> list[Measurement]:
    """Measure performance, with the baseline's value of the same metric where the bound is relative to it."""
    result = _one_performance(monitor, signal, inputs, table, name)
    bound = signal.bounds.get(result.metric)
    if bound is None or not bound.above_baseline or inputs.baseline_rows is None:
        return [result]
    names = inputs.contract.with_role
    columns = [*names(Role.TARGET), *names(Role.PREDICTION), *names(Role.PROBABILITY)]
    table = inputs.baseline_rows.table(columns)
    before = _one_performance(monitor, signal, inputs, table, result.metric)
    if before.status is not Status.OK:
        return [result]
    details = {**result.details, "baseline_value": before.value, "baseline_interval": before.interval}
    return [replace(result, n_baseline=before.n_production, details=details)]


def _known_classes(inputs: Inputs) -> list[str]:
    """Return the classes of the baseline's labels: a window may happen to hold one only."""
    return [
        name
        for target in inputs.contract.with_role(Role.TARGET)[:1]
        for name in classes_of(inputs.baseline.columns.get(target))
    ]

"""One function a signal type: from a window's inputs to its measurements."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from modelwatch.attribution import attribution_drift, importance_of
from modelwatch.column_contracts import Role
from modelwatch.comparing import DRIFT_METRICS, compare
from modelwatch.errors import UsageError, WatchError
from modelwatch.estimation import estimated_from_reference, estimated_performance
from modelwatch.failures import attempted, reason
from modelwatch.fairness import fairness_gaps
from modelwatch.inputs import PREDICTED_AT, as_table
from modelwatch.judging import corrected, judged
from modelwatch.metrics import METRICS, Family, metric
from modelwatch.monitor import Top
from modelwatch.multivariate import ROWS_PER_SIDE, domain_classifier_auc
from modelwatch.operations import operational_signals, throughput
from modelwatch.performance import classes_of, label_coverage, label_lag, performance
from modelwatch.profiles import Profile
from modelwatch.quality import PROFILED_QUALITY
from modelwatch.refining import remeasured, uncertain
from modelwatch.resampling import held_out_null, time_blocks
from modelwatch.results import Measurement, Status
from modelwatch.schema import absence, blank
from modelwatch.skew import training_serving_skew
from modelwatch.sources.windows import parse_duration, utc_times
from modelwatch.table_quality import table_quality

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor, Signal
    from modelwatch.performance import LabelledRows

# Importances and request logs have no segments.
UNSEGMENTED = frozenset({"feature_attribution_drift", "operations"})
_PREDICTIONS = (Role.PREDICTION, Role.PROBABILITY)


def evaluate(
    monitor: Monitor, name: str, signal: Signal, inputs: Inputs, *, segment: str | None = None
) -> list[Measurement]:
    """Measure and judge one signal; whatever is wrong with its data becomes a measurement that says so."""
    measured = attempted(
        lambda: _SIGNALS[signal.type](monitor, signal, inputs),
        signal.bounds or [_FIRST_METRIC[signal.type]],
        monitor.baseline.definition,
    )
    if not measured:
        measured = [
            _absent(monitor, _FIRST_METRIC[signal.type], "no column to measure: see roles and features")
        ]
    named = [replace(measurement, signal=name, segment=segment) for measurement in measured]
    return [_judge(measurement, signal) for measurement in corrected(named)]


def _judge(measurement: Measurement, signal: Signal) -> Measurement:
    bound = signal.bounds.get(measurement.metric)
    if bound is None:
        return measurement
    threshold = bound.value
    if bound.above_baseline:
        reference = measurement.details.get("baseline_rate", measurement.details.get("baseline_value"))
        if reference is None:
            return _unbound(measurement)
        threshold += float(reference)
    return judged(measurement, threshold, alpha=signal.alpha)


def _unbound(measurement: Measurement) -> Measurement:
    """Return a measurement whose bound is relative to a baseline that has no such value."""
    if measurement.status is not Status.OK:
        return measurement
    note = "the bound is relative to the baseline, which has no rows with labels and predictions"
    return replace(measurement, status=Status.INSUFFICIENT).noting(note)


def _drift(monitor: Monitor, signal: Signal, inputs: Inputs, roles: tuple[Role, ...]) -> list[Measurement]:
    columns = [column for column in inputs.contract.columns if column.role in roles]
    results = _not_there(monitor, signal, inputs, roles)
    if isinstance(signal.features, tuple):
        columns = [column for column in columns if column.name in signal.features]
    given = inputs.extras.get("importances")
    if isinstance(signal.features, Top) and given:
        weights = importance_of(given[0])
        columns.sort(key=lambda column: -abs(weights.get(column.name, 0.0)))
        columns = columns[: signal.features.top]
    for kind in ("numerical", "categorical"):
        names = [column.name for column in columns if column.compared_as == kind]
        asked = [name for name in signal.bounds if name in DRIFT_METRICS and kind in metric(name).kinds]
        wanted = list(dict.fromkeys([*signal.metrics_for(kind), *asked]))
        results += _compared(monitor, inputs, wanted, names)
    if isinstance(signal.features, Top) and not given:
        results = [result.noting("no importances were given: no feature is left out") for result in results]
    results = _enough(monitor, inputs, _refined(inputs, results))
    names = [column.name for column in columns]
    return _held_out(monitor, inputs, results, names) if signal.evidence == "held_out" else results


def _not_there(
    monitor: Monitor, signal: Signal, inputs: Inputs, roles: tuple[Role, ...]
) -> list[Measurement]:
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
            _FIRST_METRIC[signal.type], monitor.baseline.definition, None, Status.SCHEMA_ERROR, feature=name,
            note=note,
        )  # fmt: skip
        results.append(error)
    return results


def _compared(
    monitor: Monitor, inputs: Inputs, metrics: list[str], names: list[str] | None = None
) -> list[Measurement]:
    """Compare columns (by default all), one by one if that fails, so that none takes another down."""
    definition = monitor.baseline.definition

    def compared(only: list[str] | None) -> list[Measurement]:
        before, after, contract = inputs.baseline, inputs.production, inputs.contract
        if only is not None:
            before, after, contract = _only(before, only), _only(after, only), contract.only(only)
        return compare(before, after, definition=definition, metrics=metrics, contract=contract)

    try:
        return compared(names)
    except WatchError:
        raise
    except Exception:  # noqa: BLE001  (which column it is, and what, is told below)
        everything = [*inputs.baseline.columns, *inputs.production.columns]
        return [
            result
            for name in (dict.fromkeys(everything) if names is None else names)
            for result in attempted(partial(compared, [name]), metrics, definition, feature=name)
        ]


def _refined(inputs: Inputs, results: list[Measurement]) -> list[Measurement]:
    """Measure from the rows what cells leave open, or say that it stays open."""
    before, after = inputs.baseline_rows, inputs.production_rows
    if before is not None and after is not None:
        try:
            return remeasured(results, before.column, after.column)
        except Exception as error:  # noqa: BLE001  (what profiles told is known, and its bound too)
            why = f"it could not be measured again: {reason(error)}"
    else:
        why = f"the rows of {'baseline' if before is None else 'production'} are not at hand"
    return [
        result.noting(f"known within {result.bound:.2g}: {why}") if uncertain(result) else result
        for result in results
    ]


def _enough(monitor: Monitor, inputs: Inputs, results: list[Measurement]) -> list[Measurement]:
    """Hold back what fewer rows than the monitor asks for would say."""
    needed = monitor.data.min_rows
    if needed == "auto" or inputs.production.rows >= needed:
        return results
    note = f"{needed} rows are needed, the window has {inputs.production.rows}"
    return [
        replace(result, status=Status.INSUFFICIENT).noting(note) if result.status is Status.OK else result
        for result in results
    ]


def _held_out(
    monitor: Monitor, inputs: Inputs, results: list[Measurement], names: list[str]
) -> list[Measurement]:
    """Replace the closed laws' p-values by those of the baseline's own blocks of the window's size."""
    event_time, rows = monitor.data.event_time, inputs.baseline_rows
    if event_time is None or rows is None or event_time not in rows:
        return [
            result.noting("held-out evidence needs the baseline's rows and event time") for result in results
        ]
    table = rows.table([event_time, *names])
    blocks = time_blocks(
        table,
        event_time,
        max(1, inputs.production.rows),
        contract=inputs.contract,
        timezone=monitor.data.timezone or inputs.contract.timezone,
    )
    wanted = list(dict.fromkeys(result.metric for result in results))
    try:
        null = held_out_null(
            blocks, metrics=wanted, definition=monitor.baseline.definition, contract=inputs.contract
        )
    except UsageError as error:
        return [result.noting(str(error)) for result in results]
    return null.applied(results)


def _only(profile: Profile, names: Collection[str]) -> Profile:
    kept = {name: profile.columns[name] for name in names if name in profile.columns}
    return Profile(profile.rows, kept, tuple(name for name in profile.duplicate_names if name in names))


def _data_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    return _drift(monitor, signal, inputs, (Role.FEATURE, Role.SEGMENT))


def _prediction_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    return _drift(monitor, signal, inputs, _PREDICTIONS)


def _data_quality(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    wanted = [*PROFILED_QUALITY, "schema_change"]
    results = _compared(monitor, inputs, wanted)
    whole = attempted(lambda: table_quality(monitor, inputs), ["volume_ratio"], monitor.baseline.definition)
    return [*results, *whole]


def _attribution(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    given = inputs.extras.get("importances")
    if not given:
        return [_absent(monitor, "normalized_discounted_cumulative_gain", "no importances were given")]
    return [attribution_drift(*given, definition=monitor.baseline.definition)]


def _performance(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    wanted = [name for name in signal.bounds if METRICS[name].family in _PERFORMANCE_FAMILIES] or ["accuracy"]
    if inputs.unlabelled:
        return [replace(_absent(monitor, name, inputs.unlabelled), status=_unread(inputs)) for name in wanted]
    table, joined = _judged_rows(signal, inputs)
    if table is None or (joined is None and _column(inputs, table, Role.TARGET) is None):
        return [_absent(monitor, name, "no labels were given") for name in wanted]
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
    truth = _column(inputs, table, Role.TARGET)
    probabilities = METRICS[name].family is Family.PROBABILITY
    predicted = _column(inputs, table, Role.PROBABILITY if probabilities else Role.PREDICTION)
    if truth is None or predicted is None:
        role = Role.TARGET if truth is None else Role.PROBABILITY if probabilities else Role.PREDICTION
        return _without(monitor, inputs, name, role)
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


def _estimated(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    names = inputs.contract.with_role
    production, baseline = (
        None if rows is None else rows.table([*names(Role.PROBABILITY), *names(Role.TARGET)])
        for rows in (inputs.production_rows, inputs.baseline_rows)
    )
    scores = _column(inputs, production, Role.PROBABILITY)
    if scores is None:
        return [_without(monitor, inputs, "estimated_accuracy", Role.PROBABILITY)]
    truth = _column(inputs, baseline, Role.TARGET)
    reference = _column(inputs, baseline, Role.PROBABILITY)
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


def _fairness(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    table, _ = _judged_rows(signal, inputs)
    groups = signal.by or inputs.contract.with_role(Role.SEGMENT)
    predicted = _column(inputs, table, Role.PREDICTION)
    if table is None or not groups:
        return [_absent(monitor, "selection_rate_gap", "a group and a prediction column are needed")]
    if predicted is None:
        return [_without(monitor, inputs, "selection_rate_gap", Role.PREDICTION)]
    truth = _column(inputs, table, Role.TARGET)
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


def _multivariate(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    if inputs.baseline_rows is None or inputs.production_rows is None:
        return [_absent(monitor, "domain_classifier_auc", "the baseline's rows are needed, not its profile")]
    features = [
        name
        for name in inputs.contract.with_role(Role.FEATURE)
        if not isinstance(signal.features, tuple) or name in signal.features
    ]
    unknown = _not_there(monitor, signal, inputs, (Role.FEATURE,))
    if unknown and not features:
        return unknown
    absent = [note for name in features if (note := absence(name, inputs.production))]
    before, after = (
        rows.sampled(features, ROWS_PER_SIDE, profiled.rows)
        for rows, profiled in (
            (inputs.baseline_rows, inputs.baseline),
            (inputs.production_rows, inputs.production),
        )
    )
    result = domain_classifier_auc(before, after, features=features, definition=monitor.baseline.definition)
    if absent and len(absent) == len(features):
        result = replace(result, status=_unread(inputs), note="")
    return [*unknown, result.noting("; ".join(absent))]


def _skew(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    given = inputs.extras.get("training_rows")
    if given is None or inputs.production_rows is None:
        return [_absent(monitor, "training_serving_skew_rate", "no training rows were given")]
    features, key = inputs.contract.with_role(Role.FEATURE), monitor.data.correlation_id
    training = as_table(given)
    if key not in training.column_names or key not in inputs.production_rows:
        return [_absent(monitor, "training_serving_skew_rate", f"a side has no row id {key!r}")]
    serving = inputs.production_rows.having(key, training.column(key), features)
    return training_serving_skew(
        training, serving, key, features=features, definition=monitor.baseline.definition
    )


def _operations(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    requests, definition = inputs.extras.get("requests"), monitor.baseline.definition
    if requests is not None:
        return operational_signals(as_table(requests), window=inputs.window, definition=definition)
    if inputs.window is None:
        return [_absent(monitor, "error_rate", "no request log was given")]
    # What was collected tells how much was asked, if not how fast it was answered.
    return [
        throughput(inputs.production.rows, inputs.window, definition).noting("rows of production"),
        _absent(monitor, "error_rate", "no request log was given"),
    ]


def _known_classes(inputs: Inputs) -> list[str]:
    """Return the classes of the baseline's labels: a window may happen to hold one only."""
    return [
        name
        for target in inputs.contract.with_role(Role.TARGET)[:1]
        for name in classes_of(inputs.baseline.columns.get(target))
    ]


def _column(inputs: Inputs, table: Any, role: Role) -> Any:
    names = inputs.contract.with_role(role)
    if table is None or not names or names[0] not in table.column_names:
        return None
    return table.column(names[0])


def _without(monitor: Monitor, inputs: Inputs, name: str, role: Role) -> Measurement:
    """Return the measurement of a metric whose column is not there: asked for in vain, or never declared."""
    declared = inputs.contract.with_role(role)
    note = absence(declared[0], inputs.production) if declared and role is not Role.TARGET else ""
    if not note:
        return _absent(monitor, name, f"no column has the role {role.value}")
    definition = monitor.baseline.definition
    return Measurement(name, definition, None, _unread(inputs), feature=declared[0], note=note)


def _unread(inputs: Inputs) -> Status:
    """Return the status of what a missing column would have told."""
    return Status.NO_DATA if blank(inputs.production) else Status.SCHEMA_ERROR


def _absent(monitor: Monitor, name: str, note: str) -> Measurement:
    return Measurement(name, monitor.baseline.definition, None, Status.NO_DATA, note=note)


_PERFORMANCE_FAMILIES = (Family.CLASSIFICATION, Family.PROBABILITY, Family.REGRESSION)
_SIGNALS: dict[str, Callable[[Monitor, Signal, Inputs], list[Measurement]]] = {
    "data_drift": _data_drift,
    "prediction_drift": _prediction_drift,
    "data_quality": _data_quality,
    "feature_attribution_drift": _attribution,
    "model_performance": _performance,
    "estimated_performance": _estimated,
    "fairness": _fairness,
    "multivariate_drift": _multivariate,
    "training_serving_skew": _skew,
    "operations": _operations,
}
_FIRST_METRIC = {
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

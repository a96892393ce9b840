"""One function a signal type: from a window's inputs to its measurements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwatch.attribution import attribution_drift
from modelwatch.comparing import DRIFT_METRICS, compare
from modelwatch.contract import Role
from modelwatch.errors import UsageError, WatchError
from modelwatch.estimation import calibrator, estimated_performance
from modelwatch.fairness import fairness_gaps
from modelwatch.judging import corrected, judged
from modelwatch.metrics import METRICS, Family, metric
from modelwatch.monitor import Top
from modelwatch.multivariate import domain_classifier_auc
from modelwatch.operations import operational_signals
from modelwatch.performance import label_coverage, performance
from modelwatch.profiles import Profile
from modelwatch.quality import PROFILED_QUALITY
from modelwatch.resampling import held_out_null, time_blocks
from modelwatch.results import Measurement, Status
from modelwatch.skew import training_serving_skew
from modelwatch.table_quality import table_quality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelwatch.monitor import Monitor, Signal
    from modelwatch.running import Inputs

SEGMENTED = frozenset(
    {"data_drift", "prediction_drift", "data_quality", "model_performance", "estimated_performance"}
)
_PREDICTIONS = (Role.PREDICTION, Role.PROBABILITY)


def evaluate(
    monitor: Monitor, name: str, signal: Signal, inputs: Inputs, *, segment: str | None = None
) -> list[Measurement]:
    """Measure and judge one signal; whatever is wrong with its data becomes a measurement that says so."""
    try:
        measured = _SIGNALS[signal.type](monitor, signal, inputs)
    except WatchError as error:
        definition = monitor.baseline.definition
        return [
            Measurement(
                _FIRST_METRIC[signal.type], definition, None, Status.ERROR, signal=name, note=str(error)
            )
        ]
    named = [replace(measurement, signal=name, segment=segment) for measurement in measured]
    return [_judge(measurement, signal) for measurement in corrected(named)]


def _judge(measurement: Measurement, signal: Signal) -> Measurement:
    bound = signal.bounds.get(measurement.metric)
    if bound is None:
        return measurement
    threshold = bound.value
    if bound.above_baseline:
        threshold += float(measurement.details.get("baseline_rate", 0.0))
    return judged(measurement, threshold, alpha=signal.alpha)


def _drift(monitor: Monitor, signal: Signal, inputs: Inputs, roles: tuple[Role, ...]) -> list[Measurement]:
    columns = [column for column in inputs.contract.columns if column.role in roles]
    if isinstance(signal.features, tuple):
        columns = [column for column in columns if column.name in signal.features]
    if isinstance(signal.features, Top) and inputs.extras.get("importances"):
        weights = dict(inputs.extras["importances"][0])
        columns.sort(key=lambda column: -abs(float(weights.get(column.name, 0.0))))
        columns = columns[: signal.features.top]
    results: list[Measurement] = []
    for kind in ("numerical", "categorical"):
        names = [column.name for column in columns if column.compared_as == kind]
        asked = [name for name in signal.bounds if name in DRIFT_METRICS and kind in metric(name).kinds]
        wanted = list(dict.fromkeys([*signal.metrics_for(kind), *asked]))
        results += compare(
            _only(inputs.baseline, names),
            _only(inputs.production, names),
            definition=monitor.baseline.definition,
            metrics=wanted,
            contract=inputs.contract,
        )
    return _held_out(monitor, inputs, results) if signal.evidence == "held_out" else results


def _held_out(monitor: Monitor, inputs: Inputs, results: list[Measurement]) -> list[Measurement]:
    """Replace the closed laws' p-values by those of the baseline's own blocks of the window's size."""
    event_time, rows = monitor.data.event_time, inputs.baseline_rows
    if event_time is None or rows is None or event_time not in rows.column_names:
        return [
            result.noting("held-out evidence needs the baseline's rows and event time") for result in results
        ]
    blocks = time_blocks(rows, event_time, max(1, inputs.production.rows), contract=inputs.contract)
    wanted = list(dict.fromkeys(result.metric for result in results))
    try:
        null = held_out_null(
            blocks, metrics=wanted, definition=monitor.baseline.definition, contract=inputs.contract
        )
    except UsageError as error:
        return [result.noting(str(error)) for result in results]
    return null.applied(results)


def _only(profile: Profile, names: Iterable[str]) -> Profile:
    return Profile(profile.rows, {name: profile.columns[name] for name in names if name in profile.columns})


def _data_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    return _drift(monitor, signal, inputs, (Role.FEATURE, Role.SEGMENT))


def _prediction_drift(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    return _drift(monitor, signal, inputs, _PREDICTIONS)


def _data_quality(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    results = compare(
        inputs.baseline,
        inputs.production,
        definition=monitor.baseline.definition,
        metrics=[*PROFILED_QUALITY, "schema_change"],
        contract=inputs.contract,
    )
    return [*results, *table_quality(monitor, inputs)]


def _attribution(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    given = inputs.extras.get("importances")
    if not given:
        return [_absent(monitor, "normalized_discounted_cumulative_gain", "no importances were given")]
    return [attribution_drift(*given, definition=monitor.baseline.definition)]


def _performance(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    wanted = [name for name in signal.bounds if METRICS[name].family in _PERFORMANCE_FAMILIES] or ["accuracy"]
    if inputs.joined is None:
        target = inputs.contract.with_role(Role.TARGET)
        rows = inputs.production_rows
        if rows is None or not target or target[0] not in rows.column_names:
            return [_absent(monitor, name, "no labels were given") for name in wanted]
        table, coverage = rows, []
    else:
        table = inputs.joined.table
        coverage = [label_coverage(inputs.joined, definition=monitor.baseline.definition)]
    share = coverage[0].value if coverage else 1.0
    results = [_one_performance(monitor, signal, inputs, table, name) for name in wanted]
    if share is not None and share < signal.minimum_coverage:
        note = f"label coverage {share:.1%} is below {signal.minimum_coverage:.1%}"
        results = [
            replace(result, status=Status.INSUFFICIENT).noting(note) if result.status is Status.OK else result
            for result in results
        ]
    return [*coverage, *results]


def _one_performance(monitor: Monitor, signal: Signal, inputs: Inputs, table: Any, name: str) -> Measurement:
    truth = _column(inputs, table, Role.TARGET)
    probabilities = METRICS[name].family is Family.PROBABILITY
    predicted = _column(inputs, table, Role.PROBABILITY if probabilities else Role.PREDICTION)
    if truth is None or predicted is None:
        missing = "target" if truth is None else "probability" if probabilities else "prediction"
        return _absent(monitor, name, f"no column has the role {missing}")
    options: dict[str, Any] = {"positive": signal.positive} if probabilities else {}
    if METRICS[name].family is Family.CLASSIFICATION and signal.average == "binary":
        options = {"positive": signal.positive, "average": "binary"}
    return performance(
        name,
        truth,
        predicted,
        definition=monitor.baseline.definition,
        minimum_rows=signal.minimum_labels,
        **options,
    )


def _estimated(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    scores = _column(inputs, inputs.production_rows, Role.PROBABILITY)
    if scores is None:
        return [_absent(monitor, "estimated_accuracy", "no column has the role probability")]
    truth = _column(inputs, inputs.baseline_rows, Role.TARGET)
    reference = _column(inputs, inputs.baseline_rows, Role.PROBABILITY)
    fitted = None
    if truth is not None and reference is not None:
        fitted = calibrator(truth, reference, positive=signal.positive)
    return estimated_performance(
        scores, threshold=signal.decision, calibration=fitted, definition=monitor.baseline.definition
    )


def _fairness(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    table = inputs.joined.table if inputs.joined is not None else inputs.production_rows
    groups = signal.by or inputs.contract.with_role(Role.SEGMENT)
    predicted = _column(inputs, table, Role.PREDICTION)
    if table is None or predicted is None or not groups:
        return [_absent(monitor, "selection_rate_gap", "a group and a prediction column are needed")]
    truth = _column(inputs, table, Role.TARGET)
    results: list[Measurement] = []
    for by in groups:
        results += fairness_gaps(
            table.column(by),
            predicted,
            truth,
            positive=signal.positive,
            by=by,
            definition=monitor.baseline.definition,
        )
    return results


def _multivariate(monitor: Monitor, signal: Signal, inputs: Inputs) -> list[Measurement]:
    if inputs.baseline_rows is None or inputs.production_rows is None:
        return [_absent(monitor, "domain_classifier_auc", "the baseline's rows are needed, not its profile")]
    features = [
        name
        for name in inputs.contract.with_role(Role.FEATURE)
        if not isinstance(signal.features, tuple) or name in signal.features
    ]
    return [
        domain_classifier_auc(
            inputs.baseline_rows,
            inputs.production_rows,
            features=features,
            definition=monitor.baseline.definition,
        )
    ]


def _skew(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    from modelwatch.running import as_table  # noqa: PLC0415  (it imports this module)

    given = inputs.extras.get("training_rows")
    if given is None or inputs.production_rows is None:
        return [_absent(monitor, "training_serving_skew_rate", "no training rows were given")]
    features = inputs.contract.with_role(Role.FEATURE)
    return training_serving_skew(
        as_table(given), inputs.production_rows, monitor.data.correlation_id, features=features
    )


def _operations(monitor: Monitor, _signal: Signal, inputs: Inputs) -> list[Measurement]:
    from modelwatch.running import as_table  # noqa: PLC0415  (it imports this module)

    requests = inputs.extras.get("requests")
    if requests is None:
        return [_absent(monitor, "error_rate", "no request log was given")]
    return operational_signals(
        as_table(requests), window=inputs.window, definition=monitor.baseline.definition
    )


def _column(inputs: Inputs, table: Any, role: Role) -> Any:
    names = inputs.contract.with_role(role)
    if table is None or not names or names[0] not in table.column_names:
        return None
    return table.column(names[0])


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

"""Azure ML's own monitors: what of a ``monitor.yaml`` they can express, and a list of what they cannot.

They have one bound a metric, no memory of the last run and definitions of their own, so most of a monitor is
lost on them. Nothing is dropped silently: each loss has a place, a reason and what to do instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from azure.ai.ml import Input
from azure.ai.ml.constants import AssetTypes, MonitorDatasetContext
from azure.ai.ml.entities import (
    AlertNotification,
    BaselineDataRange,
    CategoricalDriftMetrics,
    DataDriftMetricThreshold,
    DataDriftSignal,
    DataQualityMetricsCategorical,
    DataQualityMetricsNumerical,
    DataQualityMetricThreshold,
    DataQualitySignal,
    MonitorDefinition,
    MonitorFeatureFilter,
    MonitoringTarget,
    MonitorSchedule,
    NumericalDriftMetrics,
    PredictionDriftMetricThreshold,
    PredictionDriftSignal,
    ProductionData,
    ReferenceData,
    ServerlessSparkCompute,
)

from modelwatch.declared_signals import Top
from modelwatch.metrics import AZUREML, CATEGORICAL, METRICS, NUMERICAL
from pipelines.monitoring import INSTANCE_TYPE, RUNTIME, recurrence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.settings import Environment
    from mlops.usecase import UseCase
    from modelwatch import Monitor
    from modelwatch.alerts.rules import Rule
    from modelwatch.declared_signals import Signal

__all__ = ["Loss", "compile_monitor"]

_INSTEAD: Final = "run it as a job: mlops monitor compile --target spark, or mlops monitor run"
_QUALITY: Final = ("null_value_rate", "data_type_error_rate", "out_of_bounds_rate")
_EXPRESSIBLE: Final = ("data_drift", "prediction_drift", "data_quality")
# What their public components do with these (Azure/azureml-assets 4b41f8c), measured.
_BROKEN: Final = {
    "model_performance": "their alert on accuracy, precision and recall is the wrong way round",
    "feature_attribution_drift": "their pipeline has no bound for it, and writes NaN, which always breaches",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the target cannot express.

    Attributes
    ----------
    where
        Path in ``monitor.yaml``.
    what, instead
        What is lost, and what to do about it.
    """

    where: str
    what: str
    instead: str = _INSTEAD

    def to_dict(self) -> dict[str, str]:
        """Return plain values."""
        return {"where": self.where, "what": self.what, "instead": self.instead}


def compile_monitor(
    settings: Environment,
    usecase: UseCase,
    monitor: Monitor,
    *,
    baseline: str,
    production: str,
    emails: tuple[str, ...] = (),
) -> tuple[MonitorSchedule | None, list[Loss]]:
    """Return the schedule of a native monitor, and what of the declaration it does not hold.

    Parameters
    ----------
    settings, usecase, monitor
        What is monitored, and where.
    baseline, production
        Data assets, ``azureml:name:version``.
    emails
        Who is told by Azure ML itself.

    Returns
    -------
    MonitorSchedule or None
        None when nothing at all can be expressed.
    """
    losses = [*_of_monitor(monitor), *(loss for rule in monitor.rules for loss in _of_rule(rule))]
    reference = ReferenceData(
        input_data=Input(type=AssetTypes.MLTABLE, path=baseline),
        data_context=MonitorDatasetContext.TRAINING,
    )
    signals: dict[str, Any] = {}
    for name, signal in monitor.signals.items():
        losses += _of_signal(name, signal)
        data = _production(monitor, signal, production)
        for suffix, made in _signals(signal, data, reference, alert=bool(emails)):
            signals[f"{name}{suffix}"] = made
    if not signals:
        return None, losses
    names = settings.names
    definition = MonitorDefinition(
        compute=ServerlessSparkCompute(instance_type=INSTANCE_TYPE, runtime_version=RUNTIME),
        monitoring_target=MonitoringTarget(
            ml_task="classification", endpoint_deployment_id=f"azureml:{names.endpoint(usecase.name)}:blue"
        ),
        monitoring_signals=signals,
        alert_notification=AlertNotification(emails=list(emails)) if emails else None,
    )
    schedule = MonitorSchedule(
        name=f"{usecase.name}-{settings.name}-native-monitor",
        trigger=recurrence(monitor, usecase),
        create_monitor=definition,
        description=monitor.description,
    )
    return schedule, losses


def _production(monitor: Monitor, signal: Signal, address: str) -> ProductionData:
    predictions = signal.type == "prediction_drift"
    return ProductionData(
        input_data=Input(type=AssetTypes.URI_FOLDER, path=address),
        data_context=MonitorDatasetContext.MODEL_OUTPUTS
        if predictions
        else MonitorDatasetContext.MODEL_INPUTS,
        data_window=BaselineDataRange(
            lookback_window_size=monitor.data.window, lookback_window_offset=monitor.data.offset
        ),
    )


def _signals(
    signal: Signal, data: ProductionData, reference: ReferenceData, *, alert: bool
) -> Iterator[tuple[str, Any]]:
    """Yield native signals and what tells them apart: of several metrics in one only the first is sent."""
    if signal.type == "data_quality":
        rates = {name: signal.bounds[name].value for name in _QUALITY if name in signal.bounds}
        if rates:
            yield (
                "",
                DataQualitySignal(
                    production_data=data,
                    reference_data=reference,
                    features=_features(signal),
                    metric_thresholds=DataQualityMetricThreshold(
                        numerical=DataQualityMetricsNumerical(**rates),
                        categorical=DataQualityMetricsCategorical(**rates),
                    ),
                    alert_enabled=alert,
                ),
            )
        return
    if signal.type not in _EXPRESSIBLE:
        return
    pairs = zip_longest(_drift(signal, NUMERICAL), _drift(signal, CATEGORICAL))
    for number, (numeric, categorical) in enumerate(pairs, start=1):
        bounds = {
            "numerical": NumericalDriftMetrics(**dict([numeric])) if numeric else None,
            "categorical": CategoricalDriftMetrics(**dict([categorical])) if categorical else None,
        }
        suffix = "" if number == 1 else f"-{number}"
        common = {"production_data": data, "reference_data": reference, "alert_enabled": alert}
        if signal.type == "prediction_drift":
            yield (
                suffix,
                PredictionDriftSignal(metric_thresholds=PredictionDriftMetricThreshold(**bounds), **common),
            )
        else:
            thresholds = DataDriftMetricThreshold(**bounds)
            yield suffix, DataDriftSignal(features=_features(signal), metric_thresholds=thresholds, **common)


def _drift(signal: Signal, kind: str) -> list[tuple[str, float]]:
    """Return the metrics of one kind of feature that Azure ML computes, with bounds that it keeps."""
    named = dict.fromkeys([*signal.metrics_for(kind), *signal.bounds])
    return [
        (name, signal.bounds[name].value)
        for name in named
        if name in signal.bounds
        and kind in METRICS[name].azureml_kinds
        and name != "chebyshev_distance"
        and signal.bounds[name].value
    ]


def _features(signal: Signal) -> Any:
    if isinstance(signal.features, Top):
        return MonitorFeatureFilter(top_n_feature_importance=signal.features.top)
    return "all_features" if signal.features == "all" else list(signal.features)


def _of_monitor(monitor: Monitor) -> Iterator[Loss]:
    if monitor.baseline.definition != AZUREML:
        what = f"Azure ML measures {AZUREML}, not {monitor.baseline.definition}: other bins, other numbers"
        yield Loss("baseline.definition", what)
    if monitor.segments:
        yield Loss("segments", "segments by the values of a column")
    if monitor.data.lateness != "PT0S":
        yield Loss("data.lateness", "waiting for late rows", "set data.offset instead")


def _of_signal(name: str, signal: Signal) -> Iterator[Loss]:
    where = f"signals.{name}"
    if signal.type not in _EXPRESSIBLE:
        yield Loss(where, _BROKEN.get(signal.type, f"a signal of type {signal.type}"))
        return
    if signal.evidence == "held_out":
        yield Loss(f"{where}.evidence", "evidence from the baseline's own blocks of time")
    for metric, bound in signal.bounds.items():
        at = f"{where}.{metric}"
        if signal.type == "data_quality":
            if metric not in _QUALITY:
                yield Loss(at, f"the metric {metric}")
            elif not bound.above_baseline:
                yield Loss(at, "a bound by itself: theirs is added to the baseline's rate")
        elif metric == "chebyshev_distance":
            yield Loss(at, "the metric chebyshev_distance: documented, and in no component")
        elif not bound.value:
            yield Loss(at, "a bound of 0, which the SDK does not send")


def _of_rule(rule: Rule) -> Iterator[Loss]:
    where = f"rules.{rule.id}"
    lost: Mapping[str, bool] = {
        f"for: {rule.persistence}, since a run knows nothing of the last": rule.out_of > 1,
        "evidence beside the effect": rule.evidence is not None,
        "hysteresis between fire and clear": rule.clear is not None,
        "muting by another rule": bool(rule.inhibited_by),
        "severity by value": bool(rule.levels),
    }
    for what, is_lost in lost.items():
        if is_lost:
            yield Loss(where, what)

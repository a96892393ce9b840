"""One signal of one window: measured by its type, judged by its bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch.failures import attempted
from modelwatch.judging import corrected, judged
from modelwatch.results import Measurement, Status
from modelwatch.signals.common import FIRST_METRIC, absent
from modelwatch.signals.distributions import data_drift, data_quality, prediction_drift
from modelwatch.signals.outcomes import estimated, fairness, model_performance
from modelwatch.signals.whole_rows import attribution, multivariate, operations, skew

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.declared_signals import Signal
    from modelwatch.inputs import Inputs
    from modelwatch.monitor import Monitor


# Importances and request logs have no segments.
UNSEGMENTED = frozenset({"feature_attribution_drift", "operations"})


SIGNALS: dict[str, Callable[[Monitor, Signal, Inputs], list[Measurement]]] = {
    "data_drift": data_drift,
    "prediction_drift": prediction_drift,
    "data_quality": data_quality,
    "feature_attribution_drift": attribution,
    "model_performance": model_performance,
    "estimated_performance": estimated,
    "fairness": fairness,
    "multivariate_drift": multivariate,
    "training_serving_skew": skew,
    "operations": operations,
}


def evaluate(
    monitor: Monitor, name: str, signal: Signal, inputs: Inputs, *, segment: str | None = None
) -> list[Measurement]:
    """Measure and judge one signal; whatever is wrong with its data becomes a measurement that says so."""
    measured = attempted(
        lambda: SIGNALS[signal.type](monitor, signal, inputs),
        signal.bounds or [FIRST_METRIC[signal.type]],
        monitor.baseline.definition,
    )
    if not measured:
        measured = [
            absent(monitor, FIRST_METRIC[signal.type], "no column to measure: see roles and features")
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

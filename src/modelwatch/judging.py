"""From numbers to verdicts: thresholds, evidence across features, and whether data sufficed to tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch.evidence import adjusted_p_values, rows_needed
from modelwatch.metrics import METRICS, ROBUST
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALPHA = 0.05


def corrected(measurements: Sequence[Measurement], *, method: str = "bh") -> list[Measurement]:
    """Return measurements with q-values: p-values corrected over the features of each metric and segment."""
    families: dict[tuple[str, str, str | None], list[int]] = defaultdict(list)
    for position, measurement in enumerate(measurements):
        if measurement.p_value is not None:
            families[measurement.signal, measurement.metric, measurement.segment].append(position)
    result = list(measurements)
    for positions in families.values():
        p_values = [p for i in positions if (p := measurements[i].p_value) is not None]
        for position, q in zip(positions, adjusted_p_values(p_values, method), strict=True):
            result[position] = replace(measurements[position], q_value=float(q))
    return result


def judged(measurement: Measurement, threshold: float | None, *, alpha: float = ALPHA) -> Measurement:
    """Return the measurement with its threshold, and whether it breaches it.

    Under ``robust/v1`` a breach needs effect and evidence: a value beyond the threshold, and a q-value
    (p-value before correction) below ``alpha`` where there is one. A distance that fewer rows than needed
    cannot hold below its threshold without drift is `insufficient`, unless the evidence is there all the
    same.
    """
    value = measurement.value
    if threshold is None or value is None or measurement.status is not Status.OK:
        return replace(measurement, threshold=threshold)
    metric = METRICS[measurement.metric]
    measurement = replace(measurement, threshold=threshold)
    beyond = metric.breaches(value, threshold)
    if measurement.definition != ROBUST:
        return replace(measurement, status=Status.BREACH if beyond else Status.OK)
    evidence = measurement.q_value if measurement.q_value is not None else measurement.p_value
    if beyond and (evidence is None or metric.p_valued or evidence < alpha):
        return replace(measurement, status=Status.BREACH)
    if measurement.metric not in ("population_stability_index", "jensen_shannon_distance"):
        return measurement
    needed = rows_needed(
        measurement.metric,
        threshold,
        n_baseline=measurement.n_baseline,
        bins=len(measurement.details.get("buckets", ())),
        alpha=alpha,
    )
    if needed is not None and measurement.n_production >= needed:
        return measurement
    note = (
        "no number of production rows suffices with this baseline"
        if needed is None
        else f"{needed} production rows are needed for this threshold"
    )
    return replace(measurement, status=Status.INSUFFICIENT).noting(note)


def judge_all(
    measurements: Sequence[Measurement],
    thresholds: Mapping[str, float],
    *,
    alpha: float = ALPHA,
    method: str = "bh",
) -> list[Measurement]:
    """Correct and judge measurements by the threshold of their metric."""
    return [
        judged(measurement, thresholds.get(measurement.metric), alpha=alpha)
        for measurement in corrected(measurements, method=method)
    ]

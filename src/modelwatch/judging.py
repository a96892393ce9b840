"""From numbers to verdicts: thresholds, evidence across features, and whether data sufficed to tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch.evidence import adjusted_p_values, effect_upper_bound, rows_needed
from modelwatch.metrics import METRICS, ROBUST
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALPHA = 0.05
# In the details of a count of rows that a contract rules out which somebody has declared.
FORBIDDEN = "forbidden_by_contract"


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
    (p-value before correction) below ``alpha`` where there is one. A distance that lies beyond its threshold
    without evidence, where drift-free data of so few rows would too, is `insufficient`. One within it is not,
    since chance adds to a distance; nor is one that lies within it when what chance adds is taken off.

    Rows that a contract rules out are no sample of anything: where the threshold tolerates none, one is a
    breach, and has no p-value.
    """
    value = measurement.value
    if threshold is None or value is None or measurement.status is not Status.OK:
        known = measurement.threshold == threshold
        return measurement if known else replace(measurement, threshold=threshold)
    metric = METRICS[measurement.metric]
    measurement = replace(measurement, threshold=threshold)
    beyond = metric.breaches(value, threshold)
    if measurement.definition != ROBUST:
        return replace(measurement, status=Status.BREACH if beyond else Status.OK)
    if beyond and threshold == 0 and measurement.details.get(FORBIDDEN):
        broken = replace(measurement, status=Status.BREACH, p_value=None, q_value=None)
        return broken.noting("none is tolerated: a single case is a breach, evidence is not asked for")
    evidence = measurement.q_value if measurement.q_value is not None else measurement.p_value
    if beyond and (evidence is None or metric.p_valued or evidence < alpha):
        return replace(measurement, status=Status.BREACH)
    if not beyond or measurement.metric not in ("population_stability_index", "jensen_shannon_distance"):
        return measurement
    return _conclusive(measurement, value, threshold, alpha)


def _conclusive(measurement: Measurement, value: float, threshold: float, alpha: float) -> Measurement:
    """Return a distance beyond its threshold without evidence, `insufficient` unless chance explains it."""
    size, n, m = len(measurement.details.get("buckets", ())), measurement.n_baseline, measurement.n_production
    needed = rows_needed(measurement.metric, threshold, n_baseline=n, bins=size, alpha=alpha)
    if needed is not None and m >= needed:
        return measurement
    most = effect_upper_bound(measurement.metric, value, n_baseline=n, n_production=m, bins=size)
    if most <= threshold:
        return measurement.noting(f"chance in so few rows explains it: without it at most {most:.2g}")
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

"""Results of many windows, made without data: fast, and with every state in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from mlops.reporting import Subject, Timeline
from modelwatch.alerts.advancing import advance
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import History
from modelwatch.alerts.store import AlertStore
from modelwatch.monitor import Monitor

START = datetime(2026, 8, 28, tzinfo=UTC)
HOSTILE = '</script><b onclick="x">&amp;"\'`${{%'
BINS = ["[-inf, 12)", "[12, 17.5)", "[17.5, 23)", "[23, 31)", "[31, inf)", "__null__"]


def row(signal: str, metric: str, value: float | None, **more: Any) -> dict[str, Any]:
    """One measurement of ``results.json``."""
    return {
        "signal": signal, "metric": metric, "definition": "robust/v1", "feature": None, "segment": None,
        "value": value, "p_value": None, "q_value": None, "n_baseline": 18_432, "n_production": 4_120,
        "status": "ok", "threshold": None, "note": "", **more,
    }  # fmt: skip


def name_of(position: int) -> str:
    """Feature names as they are in real tables."""
    known = ["income", "plan", "age_years", "visits_last_90d", "region", "tenure_months", HOSTILE]
    return known[position] if position < len(known) else f"feature_{position:03d}"


def results(windows: int, features: int, *, seed: int = 5, segments: bool = True) -> list[dict[str, Any]]:
    """Daily windows: `income` drifts near the end, `plan` has a gap and an error, performance decays."""
    random = np.random.default_rng(seed)
    noise = random.gamma(2.0, 0.012, (windows, features))
    made = []
    for window in range(windows):
        start = START + timedelta(days=window)
        late = max(0.0, (window - 0.8 * windows) / max(1, windows))
        measured: list[dict[str, Any]] = []
        for position in range(features):
            measured += _feature(position, (window, windows), float(noise[window, position]), late, random)
        measured += _performance(window, late, random)
        if segments:
            measured += _segments(late)
        made.append(
            {
                "monitor": "credit-default",
                "window": {
                    "start": start.isoformat(),
                    "end": (start + timedelta(days=1)).isoformat(),
                },
                "measurements": measured,
                "alerts": [],
            }
        )
    return made


def _feature(
    position: int, at: tuple[int, int], noise: float, late: float, random: np.random.Generator
) -> list[dict[str, Any]]:
    window, windows = at
    name = name_of(position)
    value = noise + (3.0 * late if position == 0 else 0.0)
    value += 0.17 if position == 3 and window % 9 == 4 else 0.0
    evidence = float(np.exp(-40 * value)) if value > 0.06 else float(random.uniform(0.1, 1))
    status = "breach" if value > 0.2 and evidence < 0.05 else "ok"
    shift = min(0.5, late * 3) if position == 0 else 0.0
    before = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.0]) * 18_432
    after = np.array([0.2 - 0.3 * shift, 0.2 - 0.2 * shift, 0.2, 0.2, 0.2 + 0.5 * shift, 0.01]) * 4_120
    details: dict[str, Any] = {
        "buckets": BINS, "baseline": before.astype(int).tolist(), "production": after.astype(int).tolist(),
    }  # fmt: skip
    if position in (1, 4):
        details = {
            "buckets": ["basic", "plus, family", "none", "__new__"],
            "baseline": [9_000, 6_000, 3_432, 0],
            "production": [1_900, 1_400, 800, 20],
        }
    note = "likely cause: unit change, larger by x1000 (milli or kilo)" if status == "breach" else ""
    psi = row(
        "inputs", "population_stability_index", value, feature=name, threshold=0.2, p_value=evidence,
        q_value=evidence, status=status, details=details, note=note,
    )  # fmt: skip
    if position == 1 and windows > 4 and windows // 2 <= window < windows // 2 + 3:
        gone: dict[str, Any] = {"value": None, "p_value": None, "q_value": None, "details": {}}
        psi |= {**gone, "status": "schema_error", "note": f"column {name!r} is missing in production"}
    if position == 5 and window % 6 == 0:
        psi |= {"status": "insufficient", "note": "390 production rows are needed for this threshold"}
    nulls = 0.002 + (0.09 if position == 4 and late else 0.0)
    quality = row(
        "quality", "null_value_rate", nulls, feature=name, threshold=0.052, p_value=0.4, q_value=0.6,
        interval=[max(0.0, nulls - 0.002), nulls + 0.004], count=round(nulls * 4_120),
        status="breach" if nulls > 0.052 else "ok", details={"baseline_rate": 0.002},
    )  # fmt: skip
    zero = row("quality", "data_type_error_rate", 0.0, feature=name, details={"baseline_rate": 0.0})
    return [psi, quality, zero]


def _performance(window: int, late: float, random: np.random.Generator) -> list[dict[str, Any]]:
    auc = 0.83 + float(random.normal(0, 0.008)) - late * 0.6
    few = window % 30 == 7
    measured = row(
        "performance", "roc_auc", None if few else auc, threshold=0.78,
        interval=None if few else [auc - 0.02, auc + 0.02], n_production=25 if few else 1_310,
        status="insufficient" if few else "breach" if auc < 0.78 else "ok",
        note="30 labels are needed" if few else "",
    )  # fmt: skip
    coverage = row("performance", "label_coverage", 0.32, count=1_310, interval=[0.3, 0.34])
    volume = row("quality", "volume_ratio", 0.22 + float(random.normal(0, 0.01)), count=4_120)
    return [measured, coverage, volume]


def _segments(late: float) -> list[dict[str, Any]]:
    rows = []
    for name, auc in (("region=north", 0.84), ("region=south", 0.82 - late), ("region=west", 0.83)):
        south = name == "region=south"
        rows.append(
            row(
                "performance", "roc_auc", auc, segment=name, threshold=0.78,
                interval=[auc - 0.04, auc + 0.04], status="breach" if auc < 0.78 else "ok", n_production=420,
            )
        )  # fmt: skip
        rows.append(
            row(
                "inputs", "population_stability_index", 0.02 + late * south, feature="income", segment=name,
                threshold=0.2, q_value=0.001, p_value=0.001,
                status="breach" if late > 0.18 and south else "ok",
            )
        )  # fmt: skip
    details = {
        "rates": {"north": 0.71, "south": 0.64},
        "highest": "north",
        "lowest": "south",
        "intervals": {"north": [0.67, 0.75], "south": [0.59, 0.69]},
    }
    gap = row(
        "fairness", "true_positive_rate_gap", 0.07, feature="region", threshold=0.1, interval=[0.02, 0.13],
        p_value=0.03, q_value=0.03, details=details,
    )  # fmt: skip
    return [*rows, gap]


MONITOR = {
    "monitor": "credit-default",
    "owner": "team-risk",
    "description": "Default within 12 months, scored at application.",
    "baseline": {"asset": "azureml:train:7"},
    "signals": {
        "inputs": {"type": "data_drift", "psi": 0.2},
        "quality": {"type": "data_quality", "null_rate": "+0.05"},
        "performance": {"type": "model_performance", "auc": {"min": 0.78}},
        "fairness": {"type": "fairness", "by": ["region"]},
    },
    "rules": [
        {
            "id": "input-drift", "when": "inputs.psi", "fire": 0.2, "clear": 0.1, "for": "2 of 3",
            "severity": {0.2: "warning", 0.5: "critical"}, "runbook": "runbooks/input-drift.md",
            "route": "ag-risk", "action": "request_retraining", "inhibited_by": ["missing"],
        },
        {
            "id": "performance", "when": "performance.auc", "fire": 0.78, "clear": 0.8, "for": "2 of 3",
            "evidence": None, "severity": "critical", "runbook": "runbooks/labels.md", "route": "ag-risk",
        },
        {
            "id": "missing", "when": "quality.null_rate", "fire": 0.05, "for": "1 of 1", "severity": "info",
            "evidence": None, "group_by": ["feature"], "runbook": "runbooks/missing.md", "route": "ag-data",
        },
    ],
}  # fmt: skip


def monitor(**more: Any) -> Monitor:
    """The declaration that fits `results`."""
    return Monitor.parse({**MONITOR, **more})


def recorded(store: AlertStore, made: list[dict[str, Any]], declared: Monitor) -> None:
    """Take windows into a store as a run does, all at once."""
    now = START + timedelta(days=400)
    with store.transaction():
        for result in made:
            store.record(result, now=now)
        advance(store, declared, now=now)


def subject(windows: int, features: int, **more: Any) -> Subject:
    """What a page is made from, without a store and so without incidents."""
    made = results(windows, features, **more)
    history = History.of(made)
    evaluation = evaluate(monitor(), history)
    return Subject(Timeline.of_history(history, made[-1]), monitor(), [], evaluation.alerts())

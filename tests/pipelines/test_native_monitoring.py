"""Native monitors: what reaches the service of a declaration, and that the rest is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import MonitorSchedule

from mlops.cli.application import run
from mlops.settings import ROOT, load
from mlops.usecase import load_usecase
from modelwatch import AZUREML, Monitor
from pipelines.native_monitoring import Loss, compile_monitor

PLAIN = {
    "monitor": "visits",
    "owner": "ml-platform",
    "baseline": {"asset": "azureml:train:7", "definition": AZUREML},
    "data": {"window": "P7D"},
    "signals": {
        "inputs": {"type": "data_drift", "numeric": ["psi", "ks"], "psi": 0.2, "ks": 0.01, "jsd": 0.1},
        "quality": {"type": "data_quality", "null_rate": "+0.02"},
    },
}


def compiled(**changes: Any) -> tuple[MonitorSchedule | None, list[Loss]]:
    return compile_monitor(
        load("dev"), load_usecase("classical", ROOT), Monitor.parse({**PLAIN, **changes}),
        baseline="azureml:train:7", production="azureml:collected:1", emails=("ml@example.com",),
    )  # fmt: skip


def sent(schedule: MonitorSchedule | None) -> dict[str, Any]:
    assert schedule is not None
    definition = schedule._to_rest_object().properties.action.monitor_definition
    return {
        name: [(each.data_type if hasattr(each, "data_type") else None, each.metric, each.threshold.value)
               for each in signal.metric_thresholds]
        for name, signal in definition.signals.items()
    }  # fmt: skip


def test_every_bound_reaches_the_service() -> None:
    schedule, losses = compiled()
    found = sent(schedule)
    assert losses == []
    drift = {
        (kind, metric, value)
        for name in ("inputs", "inputs-2", "inputs-3")
        for kind, metric, value in found[name]
    }
    assert {(str(kind).lower(), str(metric).lower(), value) for kind, metric, value in drift} == {
        ("numerical", "populationstabilityindex", 0.2),
        ("numerical", "twosamplekolmogorovsmirnovtest", 0.01),
        ("numerical", "jensenshannondistance", 0.1),
        ("categorical", "jensenshannondistance", 0.1),
        ("categorical", "populationstabilityindex", 0.2),
    }
    assert {value for _, _, value in found["quality"]} == {0.02}


def test_alerts_are_on_where_somebody_is_told() -> None:
    schedule, _ = compiled()
    assert schedule is not None
    assert all(signal.alert_enabled for signal in schedule.create_monitor.monitoring_signals.values())


def test_the_schedule_survives_the_round_trip() -> None:
    schedule, _ = compiled()
    assert schedule is not None
    again = MonitorSchedule._from_rest_object(schedule._to_rest_object())
    assert set(again.create_monitor.monitoring_signals) == {"inputs", "inputs-2", "inputs-3", "quality"}
    assert (again.trigger.frequency.lower(), again.trigger.interval) == ("day", 7)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"baseline": {"definition": "robust/v1"}}, "baseline.definition"),
        ({"segments": [{"by": "plan"}]}, "segments"),
        ({"data": {"window": "P1D", "lateness": "PT2H"}}, "data.lateness"),
        ({"signals": {"i": {"type": "data_drift", "chebyshev": 0.3}}}, "signals.i.chebyshev_distance"),
        ({"signals": {"i": {"type": "data_drift", "psi": 0.0}}}, "signals.i.population_stability_index"),
        ({"signals": {"q": {"type": "data_quality", "null_rate": 0.02}}}, "signals.q.null_value_rate"),
        ({"signals": {"q": {"type": "data_quality", "outliers": "+0.02"}}}, "signals.q.outlier_rate"),
        ({"signals": {"p": {"type": "model_performance", "accuracy": 0.9}}}, "signals.p"),
        ({"signals": {"a": {"type": "feature_attribution_drift", "ndcg": 0.9}}}, "signals.a"),
        ({"signals": {"m": {"type": "multivariate_drift"}}}, "signals.m"),
        ({"rules": [{"id": "r", "when": "inputs.psi", "fire": 0.2, "runbook": "r.md"}]}, "rules.r"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_be_lost_is_said(changes: dict[str, Any], where: str) -> None:
    _, losses = compiled(**changes)
    assert where in [loss.where for loss in losses]


def test_nothing_is_made_of_a_monitor_of_which_nothing_is_left() -> None:
    schedule, losses = compiled(signals={"m": {"type": "multivariate_drift"}})
    assert schedule is None
    assert len(losses) == 1


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "drift.md").write_text("# Drift\n")
    rules = [{"id": "drift", "when": "inputs.psi", "fire": 0.2, "runbook": "drift.md"}]
    (tmp_path / "monitor.yaml").write_text(json.dumps({**PLAIN, "rules": rules}))
    return tmp_path / "monitor.yaml"


@pytest.mark.parametrize(
    ("target", "code"),
    [("local", 0), ("spark", 0), ("azure-monitor", 0), ("azureml", 1), ("azureml --lossy", 0)],
)
def test_a_target_that_loses_something_fails(
    declared: Path, target: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["monitor", "compile", "--target", *target.split(), "--monitor", str(declared)]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["definition"]
    assert bool(document["lost"]) is target.startswith("azureml")


def test_an_owner_whom_nobody_calls_is_said(declared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declared.write_text(declared.read_text().replace("ml-platform", "nobody"))
    assert run(["monitor", "compile", "--target", "azure-monitor", "--monitor", str(declared)]) == 1
    assert "no action group" in capsys.readouterr().err

"""``mlops monitor plan``, ``mlops alerts power`` and ``backtest`` on files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops.cli.application import run

MONITOR = """\
monitor: loans
owner: team-risk
signals:
  inputs: {type: data_drift}
  schema: {type: data_quality, null_rate: +0.02}
rules: default
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(7)
    frame = pd.DataFrame({"age": random.normal(50, 10, 3_000), "plan": random.choice(["a", "b", "c"], 3_000)})
    frame.loc[:150, "age"] = np.nan
    frame.to_parquet(tmp_path / "baseline.parquet")
    (tmp_path / "monitor.yaml").write_text(MONITOR, encoding="utf-8")
    (tmp_path / "runbooks").mkdir()
    for name in ("drift", "data-quality"):
        (tmp_path / "runbooks" / f"{name}.md").write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


def plan(folder: Path, *more: str) -> int:
    monitor, baseline = (str(folder / name) for name in ("monitor.yaml", "baseline.parquet"))
    return run(["monitor", "plan", "--monitor", monitor, "--baseline", baseline, *more])


def test_shipped_rules_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(folder, "--rows", "1000", "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    drift, nulls = (
        next(entry for entry in planned["entries"] if (entry["rule"], entry["feature"]) == (rule, "age"))
        for rule in ("inputs-drift", "schema-null-value-rate")
    )
    assert 0.2 < drift["shift_80"] < drift["shift_95"] < 0.3
    assert drift["days_80"] == 3
    # `+0.02`, written without quotes, is two points above the baseline's own rate.
    assert nulls["fire"] == pytest.approx(151 / 3_000 + 0.02)
    assert planned["alarms_month"] < 0.01
    assert planned["refusals"] == []


def test_a_useless_rule_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = "rules: [{id: jsd, when: inputs.jsd, fire: 0.01, runbook: runbooks/drift.md}]"
    (folder / "monitor.yaml").write_text(MONITOR.replace("rules: default", rule), encoding="utf-8")
    assert plan(folder, "--rows", "1000") == 1
    captured = capsys.readouterr()
    assert "refused: jsd" in captured.err
    assert "rows" in captured.out
    assert plan(folder) == 2
    assert "--rows N" in capsys.readouterr().err


def test_a_broken_feature_is_noticed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor, rows = (str(folder / name) for name in ("monitor.yaml", "baseline.parquet"))
    files = ["--monitor", monitor, "--baseline", rows, "--production", rows]
    assert run(["alerts", "power", *files, "--repeats", "1", "--windows", "3", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert ("times 1,000", "age", "inputs-drift") in {
        (row["change"], row["feature"], row["rule"]) for row in found["detections"]
    }
    assert "stream 1 of 1" in captured.err


def test_a_history_is_held_to_its_incidents(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modelwatch import Monitor
    from modelwatch.alerts.store import AlertStore
    from modelwatch.alerts.testing import Case, results_of

    monitor = folder / "monitor.yaml"
    series = {"inputs.psi{feature=age}": "0.01x4 0.3x3 0.01x4"}
    case = Case.model_validate({"name": "c", "series": series, "expect": [{"at": 1, "alerts": []}]})
    store = folder / "alerts.sqlite"
    with AlertStore(store) as opened:
        for result in results_of(case, Monitor.load(monitor)):
            opened.record(result, now=datetime(2026, 2, 1, tzinfo=UTC))
    incidents = folder / "incidents.yaml"
    incidents.write_text("incidents: [{start: 2026-01-05T00:00Z, end: 2026-01-08T00:00Z, note: unit}]\n")
    options = ["--monitor", str(monitor), "--store", str(store), "--incidents", str(incidents)]
    assert run(["alerts", "backtest", *options]) == 0
    assert "recall      100%" in capsys.readouterr().out
    incidents.write_text("incidents: []\n")
    assert run(["alerts", "backtest", *options, "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["precision"] == 0
    assert "budget" in captured.err
    assert run(["alerts", "backtest", *options[:2], "--store", "nowhere", *options[4:]]) == 2

"""``mlops monitor``: files in, `results.json` and a page out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mlops.cli.application import run
from mlops.settings import ROOT

MONITOR = """
monitor: demo
signals:
  inputs: {type: data_drift, psi: 0.2}
  quality: {type: data_quality, null_rate: +0.05}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A monitor, a baseline and two windows, one of them shifted."""
    random = np.random.default_rng(7)
    rows = 3000
    frame = pd.DataFrame(
        {"age": random.normal(50, 10, rows), "plan": random.choice(["a", "b"], rows), "hour": range(rows)}
    )
    later = frame.sample(frac=1, random_state=1)
    frame.to_parquet(tmp_path / "baseline.parquet")
    later.to_parquet(tmp_path / "same.parquet")
    later.assign(age=later["age"] + 20).to_parquet(tmp_path / "shifted.parquet")
    (tmp_path / "monitor.yaml").write_text(MONITOR, encoding="utf-8")
    return tmp_path


def monitor_run(folder: Path, production: str, *more: str) -> int:
    named = {
        "--monitor": "monitor.yaml", "--baseline": "baseline.parquet", "--production": production,
        "--out": "out",
    }  # fmt: skip
    options = [word for option, file in named.items() for word in (option, str(folder / file))]
    return run(["monitor", "run", *options, *more])


def test_a_window_like_the_baseline_is_fine(folder: Path) -> None:
    assert monitor_run(folder, "same.parquet") == 0
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["monitor"] == "demo"
    assert {row["status"] for row in results["measurements"]} == {"ok"}
    assert results["alerts"] == []


def test_a_shift_is_named_in_results_page_and_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert monitor_run(folder, "shifted.parquet", "--json") == 1
    results = json.loads(capsys.readouterr().out)
    assert results == json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    breaches = [row for row in results["measurements"] if row["status"] == "breach"]
    assert [(row["feature"], row["metric"]) for row in breaches] == [("age", "population_stability_index")]
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "1 of" in page
    assert "population_stability_index" in page


def test_a_page_tells_the_windows_before_it(folder: Path) -> None:
    day = pd.date_range("2026-11-02", periods=3000, freq=pd.Timedelta(days=1) / 3000, tz="UTC")
    frame = pd.read_parquet(folder / "same.parquet").assign(at=day)
    later = frame.assign(at=frame["at"] + pd.Timedelta(days=1), age=frame["age"] * 1000)
    pd.concat([frame, later]).to_parquet(folder / "stream.parquet")
    frame.assign(at=frame["at"] - pd.Timedelta(days=9)).to_parquet(folder / "baseline.parquet")
    rule = (
        "\nowner: team\ndata: {event_time: at, timezone: UTC}\n"
        "rules: [{id: drift, when: inputs.psi, fire: 0.2, for: 1 of 1, runbook: monitor.yaml}]\n"
    )
    (folder / "monitor.yaml").write_text(MONITOR + rule, encoding="utf-8")
    times = [f"2026-11-0{number}T00:00Z" for number in (2, 3, 4)]
    for start, end, code in zip(times, times[1:], (0, 1), strict=False):
        assert monitor_run(folder, "stream.parquet", "--start", start, "--end", end) == code
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "A warning incident is open since 3 Nov: age (PSI" in page.replace("\u00a0", " ")
    assert "unit change, larger by x1000" in page
    assert '"windows":["2 Nov 2026","3 Nov 2026"]' in page
    # The profiles of both sides are at hand: a real histogram, with medians.
    assert re.search(r"median then 49\.\d, now 49\D\d{3}", page)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (("monitor.yaml", "monitor: demo\nsignals: {inputs: {type: data_drift, psy: 0.2}}"), ["psy"]),
        (("monitor.yaml", "monitor: demo\nsignals: {inputs: {type: drift}}"), ["data_drift"]),
        (("same.parquet", "no parquet"), ["same.parquet"]),
    ],
)
def test_a_mistake_is_explained(
    folder: Path, spoil: tuple[str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / spoil[0]).write_text(spoil[1], encoding="utf-8")
    assert monitor_run(folder, "same.parquet") == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in words:
        assert word in error


def test_a_missing_file_and_half_a_window_are_explained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert monitor_run(folder, "nowhere.parquet") == 2
    assert "nowhere.parquet" in capsys.readouterr().err
    assert monitor_run(folder, "same.parquet", "--start", "2026-11-20") == 2
    assert "--end" in capsys.readouterr().err


def test_a_window_needs_to_know_the_time_of_a_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = ["--start", "2026-11-20T00:00Z", "--end", "2026-11-21T00:00Z"]
    assert monitor_run(folder, "same.parquet", *window) == 2
    error = capsys.readouterr().err
    assert "data.event_time" in error
    assert "age, plan, hour" in error


def test_times_that_cannot_be_read_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = "monitor: m\ndata: {event_time: plan}\nsignals: {inputs: {type: data_drift}}\n"
    (folder / "monitor.yaml").write_text(quick, encoding="utf-8")
    window = ["--start", "2026-11-20T00:00Z", "--end", "2026-11-21T00:00Z"]
    assert monitor_run(folder, "same.parquet", *window) == 1
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    told = next(row for row in results["measurements"] if row["signal"] == "window")
    assert (told["feature"], told["status"], told["count"]) == ("plan", "schema_error", 3000)
    assert "3000 of 3000 rows" in told["note"]


def broken(folder: Path, kind: str) -> Path:
    """Production that cannot be read."""
    path = folder / f"{kind}.csv"
    if kind == "partition":
        path = folder / "parts"
        for key in ("a", "b"):
            (path / f"g={key}").mkdir(parents=True)
            shutil.copy(folder / "same.parquet", path / f"g={key}" / "rows.parquet")
        (path / "g=b" / "rows.parquet").write_text("no parquet")
    elif kind == "overwritten":
        path = folder / "half.parquet"
        whole = (folder / "same.parquet").read_bytes()
        path.write_bytes(whole[:4] + bytes(400) + whole[404:])
    elif kind == "latin":
        path.write_bytes("age,plan\n1,a\n2,caf\xe9\n".encode("latin-1"))
    elif kind == "header":
        path.write_bytes("age,pl\xe4n\n1,a\n".encode("latin-1"))
    elif kind == "late":
        path.write_bytes(b"age,plan\n" + b"1,a\n" * 1_100_000 + "2,caf\xe9\n".encode("latin-1"))
    elif kind == "lines":
        path = folder / "lines.jsonl"
        path.write_bytes(b'{"age": 1}\n{"plan": "\xe9"}\n')
    return path


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("partition", "g=b/rows.parquet"),
        ("overwritten", "half.parquet"),
        ("latin", "latin.csv:3"),
        ("header", "header.csv:1"),
        ("late", "late.csv:1100002"),
        ("lines", "lines.jsonl:2"),
    ],
)
def test_a_broken_file_is_explained(
    folder: Path, kind: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = broken(folder, kind)
    assert monitor_run(folder, path.name) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in (place, "expected:", "next:"):
        assert word in error
    assert run(["monitor", "contract", "--baseline", str(path)]) == 2
    assert place in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_explained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("here already", encoding="utf-8")
    assert monitor_run(folder, "same.parquet", "--out", str(folder / "file")) == 2
    assert "--out FOLDER" in capsys.readouterr().err
    (folder / "taken" / "results.json").mkdir(parents=True)
    assert monitor_run(folder, "same.parquet", "--out", str(folder / "taken")) == 2
    assert "cannot be written" in capsys.readouterr().err
    baseline = ["monitor", "contract", "--baseline", str(folder / "baseline.parquet")]
    assert run([*baseline, "--out", str(folder / "nowhere" / "c.yaml")]) == 2
    assert "nowhere/c.yaml" in capsys.readouterr().err
    assert run([*baseline, "--role", "age=foo"]) == 2
    assert "one of feature" in capsys.readouterr().err


def test_a_contract_is_drafted_with_roles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--baseline", str(folder / "baseline.parquet"), "--role", "plan=segment"]
    assert run(["monitor", "contract", *options]) == 0
    drafted = yaml.safe_load(capsys.readouterr().out)
    plan = next(column for column in drafted["columns"] if column["name"] == "plan")
    assert (plan["role"], plan["allowed"]) == ("segment", ["a", "b"])
    assert run(["monitor", "contract", *options, "--role", "nope=target"]) == 2
    assert "nope" in capsys.readouterr().err


def test_a_run_tells_people_and_asks_for_action_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    rule = {"id": "drift", "when": "inputs.psi", "fire": 0.2, "for": "1 of 1", "runbook": "drift.md"}
    declared = yaml.safe_load(MONITOR) | {
        "owner": "data-science",
        "rules": [rule | {"action": "request_retraining"}],
        "data": {"event_time": "at", "timezone": "UTC"},
    }
    for name in ("baseline", "shifted"):
        day = pd.Timestamp("2026-11-20" if name == "shifted" else "2026-10-01", tz="UTC")
        path = folder / f"{name}.parquet"
        pd.read_parquet(path).assign(at=day).to_parquet(path)
    (folder / "drift.md").write_text("# Drift\n", encoding="utf-8")
    (folder / "monitor.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    shutil.copy(ROOT / "pipelines" / "classical" / "usecase.yaml", folder)
    window = ["--start", "2026-11-20T00:00Z", "--end", "2026-11-21T00:00Z"]
    said = []
    for _ in range(2):
        assert monitor_run(folder, "shifted.parquet", *window) == 1
        said.append(capsys.readouterr().err)
    assert "incident" in said[0]
    assert "asked for: retraining of classical" in said[0]
    assert "incident" not in said[1]
    assert "asked for" not in said[1]
    declared["rules"][0]["action"] = "request_annotation"
    (folder / "monitor.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    assert monitor_run(folder, "shifted.parquet", "--store", str(folder / "other.sqlite"), *window) == 1
    (queued,) = (folder / "home" / "annotations" / "classical.jsonl").read_text("utf-8").splitlines()
    assert json.loads(queued)["assets"] == [str(folder / "shifted.parquet")]
    told = (folder / "home" / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["incident"]["alerts"][0]["feature"] for line in told] == ["age"]

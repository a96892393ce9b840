"""What cannot be measured says so: empty windows, unknown features, unreadable times, missing columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import ColumnContract, Contract, Role, Window, compare, profile, run

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
RANDOM = np.random.default_rng(5)
BASELINE = pd.DataFrame({"x": RANDOM.normal(size=400), "s": RANDOM.choice(["a", "b"], 400)})
MONITOR: dict[str, Any] = {
    "monitor": "m",
    "data": {"event_time": "event_time"},
    "signals": {"drift": {"type": "data_drift", "psi": 0.2}, "quality": {"type": "data_quality"}},
}


def rows_of(monitor: dict[str, Any], production: Any, window: Window | None = None, **more: Any) -> Any:
    return run(monitor, more.pop("baseline", BASELINE), production, window, **more)["measurements"]


def collected(folder: Path) -> Path:
    """A collector's folder whose only event lies a month before the window."""
    hour = folder / "model_inputs" / (START - timedelta(days=30)).strftime("%Y/%m/%d/%H")
    hour.mkdir(parents=True)
    event = {"time": (START - timedelta(days=30)).isoformat(), "correlationid": "1", "data": [{"x": 1.0}]}
    (hour / "i.jsonl").write_text(json.dumps(event) + "\n")
    return folder


@pytest.mark.parametrize("kind", ["collector", "bytes", "frame"])
@pytest.mark.parametrize("segments", [[], [{"by": "s"}]])
def test_an_empty_window_is_no_data_in_every_format(tmp_path: Path, kind: str, segments: Any) -> None:
    production: Any = pd.DataFrame({"x": [], "s": [], "event_time": pd.to_datetime([], utc=True)})
    if kind == "collector":
        production = collected(tmp_path)
    elif kind == "bytes":
        production = tmp_path / "nothing.jsonl"
        production.touch()
    monitor = {**MONITOR, "segments": segments}
    signals = {
        **MONITOR["signals"],
        "fair": {"type": "fairness", "by": ["s"]},
        "all": {"type": "multivariate_drift"},
        "perf": {"type": "model_performance"},
    }
    contract = Contract(
        columns=(
            *Contract.infer(profile(BASELINE)).columns,
            ColumnContract(name="pred", type="integer", role=Role.PREDICTION),
        )
    )
    labels = pd.DataFrame({"correlationid": ["1"], "y": [1]})
    for more in ({}, {"contract": contract}, {"labels": labels}):
        if kind == "frame" and more:
            continue
        rows = rows_of({**monitor, "signals": signals}, production, DAY, **more)
        statuses = {row["status"] for row in rows if row["metric"] != "schema_change"}
        assert statuses == {"no_data"}, [row for row in rows if row["status"] != "no_data"]
        assert {row["status"] for row in rows} <= {"no_data", "ok"}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("kind", ["frame", "lines", "contract"])
def test_freshness_reads_clock_times_in_their_zone(tmp_path: Path, zone: str, kind: str) -> None:
    local = pd.date_range(START, periods=1440, freq="min").tz_convert(zone).tz_localize(None)
    frame = pd.DataFrame({"x": RANDOM.normal(size=1440), "event_time": local})
    production: Any = frame
    if kind == "lines":
        production = tmp_path / "rows.jsonl"
        texts = frame.assign(event_time=[moment.isoformat() for moment in local])
        texts.to_json(production, orient="records", lines=True)
    data = {"event_time": "event_time", "timezone": zone}
    contract = None
    if kind == "contract":
        data = {"event_time": "event_time"}
        columns = (
            ColumnContract(name="x", type="number"),
            ColumnContract(name="event_time", type="time", role=Role.EVENT_TIME),
        )
        contract = Contract(columns=columns, timezone=zone)
    rows = rows_of({**MONITOR, "data": data}, production, DAY, contract=contract)
    (fresh,) = (row for row in rows if row["metric"] == "freshness_seconds")
    assert (fresh["value"], fresh["note"]) == (60, "")


def test_an_overlap_is_found_across_zones() -> None:
    moments = pd.date_range(START, periods=400, freq="min")
    before = BASELINE.assign(event_time=moments.tz_convert("Asia/Tokyo").tz_localize(None))
    data = {"event_time": "event_time", "timezone": "Asia/Tokyo"}
    same = BASELINE.assign(event_time=moments[-1] + pd.to_timedelta(np.arange(400), "min"))
    rows = rows_of({**MONITOR, "data": data}, same, baseline=before)
    assert {row["status"] for row in rows} == {"error"}
    later = same.assign(event_time=same["event_time"] + pd.Timedelta(minutes=1))
    rows = rows_of({**MONITOR, "data": data}, later, baseline=before)
    assert "error" not in {row["status"] for row in rows}


def test_a_feature_nobody_knows_is_a_schema_error() -> None:
    contract = Contract.infer(profile(BASELINE.assign(id=range(400))), roles={"id": "identifier"})
    signals = {
        "drift": {"type": "data_drift", "features": ["xx", "s", "id"]},
        "all": {"type": "multivariate_drift", "features": ["zzz"]},
        "out": {"type": "prediction_drift"},
    }
    production = BASELINE.assign(id=range(400, 800))
    rows = rows_of({"monitor": "m", "signals": signals}, production, contract=contract)
    by = {(row["signal"], row["feature"]): row for row in rows}
    assert by["drift", "s"]["status"] == "ok"
    assert {key for key, row in by.items() if row["status"] == "schema_error"} == {
        ("drift", "xx"), ("drift", "id"), ("all", "zzz")
    }  # fmt: skip
    assert "nearest is 'x'" in by["drift", "xx"]["note"]
    assert "role identifier" in by["drift", "id"]["note"]
    assert by["out", None]["status"] == "no_data"


@pytest.mark.parametrize("kind", ["frame", "parquet", "lines"])
def test_rows_without_a_time_are_counted(tmp_path: Path, kind: str) -> None:
    texts = [
        None if row % 100 == 0 else "soon" if row % 10 == 0 else (START + timedelta(minutes=row)).isoformat()
        for row in range(400)
    ]
    frame = BASELINE.assign(event_time=pd.Series(texts))
    production: Any = frame
    if kind == "parquet":
        production = tmp_path / "rows.parquet"
        frame.to_parquet(production)
    elif kind == "lines":
        production = tmp_path / "rows.jsonl"
        frame.to_json(production, orient="records", lines=True)
    rows = rows_of(MONITOR, production, DAY)
    (told,) = (row for row in rows if row["signal"] == "quality" and row.get("count") == 40)
    assert (told["status"], told["feature"], told["value"]) == ("schema_error", "event_time", 0.1)
    assert "40 of 400 rows" in told["note"]
    seldom = frame.assign(event_time=pd.Series([texts[1]] * 399 + ["never"]))
    alone = {**MONITOR, "signals": {"drift": {"type": "data_drift"}}}
    (told,) = (row for row in rows_of(alone, seldom, DAY) if row["signal"] == "window")
    assert (told["status"], told["count"]) == ("ok", 1)


def test_a_column_of_the_contract_that_no_side_has_is_a_schema_error() -> None:
    columns = (
        *Contract.infer(profile(BASELINE)).columns,
        ColumnContract(name="gone", type="number"),
        ColumnContract(name="y", type="integer", role=Role.TARGET),
        ColumnContract(name="old", type="text", role=Role.IGNORED),
    )
    contract = Contract(columns=columns)
    for rows in (
        [m.to_dict() for m in compare(profile(BASELINE), profile(BASELINE), contract=contract)],
        rows_of({**MONITOR, "data": {}}, BASELINE, contract=contract),
    ):
        lacking = [row for row in rows if row["status"] == "schema_error"]
        assert {row["feature"] for row in lacking} == {"gone"}
        assert {"population_stability_index", "null_value_rate", "schema_change"} <= {
            row["metric"] for row in lacking
        }
        assert all("'gone' of the contract" in row["note"] for row in lacking)


def test_a_repeated_name_says_which_side_repeats_it() -> None:
    twice = pa.table([BASELINE["x"], BASELINE["x"], BASELINE["s"]], names=["x", "x", "s"])
    for before, after, side in ((twice, BASELINE, "baseline"), (BASELINE, twice, "production")):
        rows = [m for m in compare(profile(before), profile(after)) if m.feature == "x"]
        assert {m.status.value for m in rows} == {"schema_error"}
        assert {"population_stability_index", "schema_change"} <= {m.metric for m in rows}
        assert all("more than once in" in m.note and side in m.note for m in rows)
        monitor = {"monitor": "m", "signals": {"drift": {"type": "data_drift"}}}
        (row,) = (row for row in rows_of(monitor, after, baseline=before) if row["feature"] == "x")
        assert row["status"] == "schema_error"


def test_labels_that_cannot_be_joined_leave_the_other_signals() -> None:
    contract = Contract(
        columns=(
            *Contract.infer(profile(BASELINE)).columns,
            ColumnContract(name="p", type="integer", role=Role.PREDICTION),
            ColumnContract(name="y", type="integer", role=Role.TARGET),
        )
    )
    signals = {
        **MONITOR["signals"],
        "perf": {"type": "model_performance", "accuracy": 0.5, "f1": 0.5},
        "fair": {"type": "fairness", "by": ["s"]},
    }
    labels = pd.DataFrame({"correlationid": ["1"], "y": [1]})
    production = BASELINE.assign(p=[0, 1] * 200)
    rows = rows_of({"monitor": "m", "signals": signals}, production, contract=contract, labels=labels)
    by = {(row["signal"], row["metric"]): row for row in rows}
    for name in ("accuracy", "f1"):
        assert by["perf", name]["status"] == "schema_error"
        assert "'correlationid' is missing in production" in by["perf", name]["note"]
    assert by["drift", "population_stability_index"]["status"] == "ok"
    assert by["fair", "selection_rate_gap"]["status"] == "ok"
    assert "labels cannot be joined" in by["fair", "selection_rate_gap"]["note"]

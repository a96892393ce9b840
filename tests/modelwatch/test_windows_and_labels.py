"""Windows, labels and importances that break monitoring tools, each with the outcome it must have."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import (
    METRICS,
    ColumnContract,
    Contract,
    Measurement,
    Role,
    Status,
    Window,
    measure,
    profile,
    run,
)
from modelwatch.attribution import attribution_drift
from modelwatch.declared_signals import Threshold
from modelwatch.errors import ContractError, SourceError, UsageError
from modelwatch.monitor import Monitor
from modelwatch.sources.windows import within

GENERATOR = np.random.default_rng(11)
NORMAL = GENERATOR.standard_normal(2_000)


def test_windows_are_half_open_in_utc() -> None:
    start, end = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    table = pa.table(
        {"t": pa.array([start, end - timedelta(microseconds=1), end, start - timedelta(seconds=1)])}
    )
    kept = within(table, Window(start, end), "t", timezone=None)
    assert kept.num_rows == 2


def test_a_day_of_daylight_saving_has_23_hours() -> None:
    local = pa.table({"t": pa.array([datetime(2026, 3, 29, 0, 30), datetime(2026, 3, 29, 3, 30)])})  # noqa: DTZ001
    day = Window.before(datetime.fromisoformat("2026-03-30T00:00:00+02:00"), timedelta(hours=23))
    assert within(local, day, "t", timezone="Europe/Berlin").num_rows == 2
    assert day.start == datetime.fromisoformat("2026-03-29T00:00:00+01:00")


def test_naive_times_need_a_zone_and_mixed_zones_are_one_time() -> None:
    naive = pa.table({"t": pa.array([datetime(2026, 1, 1)])})  # noqa: DTZ001
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(SourceError, match="timezone"):
        within(naive, window, "t", timezone=None)
    mixed = pa.table(
        {"t": ["2026-01-01T23:30:00+00:00", "2026-01-02T00:30:00+01:00", "2026-01-02T00:30:00Z", "?"]}
    )
    assert within(mixed, window, "t", timezone=None).num_rows == 2


MONITOR = {
    "monitor": "m",
    "data": {"event_time": "t", "correlation_id": "id"},
    "signals": {
        "quality": {"type": "data_quality"},
        "perf": {"type": "model_performance", "accuracy": {"min": 0.5}, "minimum_coverage": 0.5},
    },
}
CONTRACT = Contract(
    columns=(
        ColumnContract(name="id", type="text", role=Role.IDENTIFIER),
        ColumnContract(name="t", type="time", role=Role.EVENT_TIME),
        ColumnContract(name="x", type="number"),
        ColumnContract(name="p", type="integer", role=Role.PREDICTION),
        ColumnContract(name="y", type="integer", role=Role.TARGET),
    )
)


def rows(day: int, n: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"{day}-{i}" for i in range(n)],
            "t": pd.Timestamp("2026-01-01", tz="UTC")
            + pd.to_timedelta(day * 24 + np.arange(n) / 2, unit="h"),
            "x": NORMAL[:n],
            "p": np.arange(n) % 2,
        }
    )


def day_window(day: int) -> Window:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    return Window(start, start + timedelta(days=1))


def test_late_and_doubled_labels() -> None:
    production = pd.concat([rows(3), rows(3).iloc[:5]])
    labels = pd.DataFrame({"id": ["3-0", "3-0", "3-1", "9-9"], "y": [0, 1, 1, 1]})
    result = run(MONITOR, rows(0), production, day_window(3), contract=CONTRACT, labels=labels)
    by = {m["metric"]: m for m in result["measurements"]}
    assert by["label_coverage"]["count"] == 2
    assert by["label_coverage"]["n_production"] == 40
    assert "5 duplicate predictions" in by["label_coverage"]["note"]
    assert "1 duplicate labels" in by["label_coverage"]["note"]
    assert by["accuracy"]["status"] == "insufficient"
    everything = pd.DataFrame({"id": [f"3-{i}" for i in range(40)], "y": np.arange(40) % 2})
    later = run(MONITOR, rows(0), production, day_window(3), contract=CONTRACT, labels=everything)
    assert {m["metric"]: m for m in later["measurements"]}["accuracy"]["value"] == 1.0


def test_labels_that_have_not_come_yet_break_no_schema() -> None:
    baseline = rows(0).assign(y=np.arange(40) % 2)
    result = run(MONITOR, baseline, rows(3), day_window(3), contract=CONTRACT)
    assert {m["status"] for m in result["measurements"] if m["signal"] == "quality"} == {"ok"}
    assert {m["status"] for m in result["measurements"] if m["signal"] == "perf"} == {"no_data"}
    # A feature that is missing does.
    result = run(MONITOR, baseline, rows(3).drop(columns="x"), day_window(3), contract=CONTRACT)
    broken = {m["feature"] for m in result["measurements"] if m["status"] == "schema_error"}
    assert broken == {"x"}


def test_one_class_only_is_defined_and_flagged() -> None:
    precision = measure("precision", [0, 0, 1, 1], [0, 0, 0, 0])
    assert precision.value == 0.25
    assert "never predicted: 1" in precision.note
    assert precision.details["by_class"] == {"0": 0.5, "1": 0.0}
    assert measure("recall", [1, 1], [1, 1]).value == 1.0
    assert measure("roc_auc", [1, 1], [0.2, 0.8]).status is Status.INSUFFICIENT
    assert measure("r2", [3.0, 3.0], [1.0, 2.0]).status is Status.INSUFFICIENT


def test_strange_importances() -> None:
    negative = attribution_drift({"a": -3.0, "b": 1.0}, {"a": 3.0, "b": -1.0})
    assert negative.value == pytest.approx(1.0)
    unequal = attribution_drift({"a": 3.0, "b": 1.0}, {"b": 2.0, "c": 5.0})
    assert unequal.n_baseline == 3
    assert unequal.value is not None
    assert unequal.value < 0.9
    assert "no numbers" in attribution_drift([1.0, math.nan], [1.0, 2.0]).note
    assert attribution_drift([0.0, 0.0], [1.0, 2.0]).status is Status.NO_DATA
    assert attribution_drift([1.0, 2.0], [0.0, 0.0]).status is Status.NO_DATA


def test_a_baseline_that_overlaps_production_is_an_error_naming_the_interval() -> None:
    monitor = {**MONITOR, "signals": {"drift": {"type": "data_drift"}}}
    result = run(monitor, rows(3), rows(3), day_window(3), contract=CONTRACT)
    (only,) = result["measurements"]
    assert only["status"] == "error"
    assert "overlaps production from 2026-01-04T00:00:00+00:00" in only["note"]


def test_the_same_window_twice_gives_the_same_results() -> None:
    labels = pd.DataFrame({"id": [f"3-{i}" for i in range(40)], "y": np.arange(40) % 2})
    first, second = (
        run(MONITOR, rows(0), rows(3), day_window(3), contract=CONTRACT, labels=labels) for _ in range(2)
    )
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_future_stamps_are_outside_the_window_and_said() -> None:
    result = run(MONITOR, rows(0), pd.concat([rows(3), rows(30)]), day_window(3), contract=CONTRACT)
    volume = next(m for m in result["measurements"] if m["metric"] == "volume_ratio")
    assert volume["count"] == 40
    fresh = next(m for m in result["measurements"] if m["metric"] == "freshness_seconds")
    assert fresh["value"] == pytest.approx(4.5 * 3600)


def test_not_a_number_is_neither_compared_nor_written() -> None:
    with pytest.raises(UsageError, match="finite"):
        METRICS["jensen_shannon_distance"].breaches(math.nan, 0.1)
    broken = Measurement("accuracy", "robust/v1", math.nan, threshold=math.inf)
    assert broken.status is Status.ERROR
    assert json.loads(json.dumps(broken.to_dict(), allow_nan=False))["value"] is None


RELATIVE = {
    "monitor": "m",
    "signals": {"perf": {"type": "model_performance", "brier": "+0.02", "auc": {"below_baseline": 0.1}}},
}


def scored(calibrated: bool, n: int = 400) -> pd.DataFrame:
    truth = (np.arange(n) % 4 > 0).astype(int)
    return pd.DataFrame({"p": np.where(truth, 0.8, 0.7) - (0 if calibrated else 0.6), "y": truth})


def test_performance_is_held_to_what_the_baseline_scored() -> None:
    contract = Contract(
        columns=(
            ColumnContract(name="p", type="number", role=Role.PROBABILITY),
            ColumnContract(name="y", type="integer", role=Role.TARGET),
        )
    )
    same, worse = (
        {
            m["metric"]: m
            for m in run(RELATIVE, scored(True), scored(calibrated), contract=contract)["measurements"]
        }
        for calibrated in (True, False)
    )
    baseline = measure("brier_score", scored(True)["y"], scored(True)["p"]).value
    assert baseline is not None
    assert same["brier_score"]["threshold"] == pytest.approx(baseline + 0.02)
    assert same["brier_score"]["n_baseline"] == 400
    assert (same["brier_score"]["status"], worse["brier_score"]["status"]) == ("ok", "breach")
    # Ranking is as good as before, only the level is wrong.
    assert same["roc_auc"]["threshold"] == pytest.approx(0.9)
    assert worse["roc_auc"]["status"] == "ok"


def test_a_relative_bound_without_a_labelled_baseline_says_so() -> None:
    contract = Contract.infer(profile(scored(True)), roles={"p": Role.PROBABILITY, "y": Role.TARGET})
    result = run(RELATIVE, profile(scored(True), contract=contract), scored(False), contract=contract)
    for measurement in result["measurements"]:
        assert (measurement["status"], measurement["threshold"]) == ("insufficient", None)
        assert "relative to the baseline" in measurement["note"]


@pytest.mark.parametrize(
    ("metric", "written"), [("brier", {"below_baseline": 0.02}), ("auc", "+0.02"), ("auc", {"max": 0.6})]
)
def test_a_bound_on_the_good_side_is_refused(metric: str, written: object) -> None:
    with pytest.raises(ContractError, match="contradicts"):
        run({**RELATIVE, "signals": {"perf": {"type": "model_performance", metric: written}}}, {}, {})


def test_a_plus_in_a_file_means_above_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("monitor: m\nsignals: {quality: {type: data_quality, null_rate: +0.02, outliers: 0.1}}\n")
    bounds = Monitor.load(file).signals["quality"].bounds
    assert bounds["null_value_rate"] == Threshold(value=0.02, above_baseline=True)
    assert bounds["outlier_rate"] == Threshold(value=0.1)

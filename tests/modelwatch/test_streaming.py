"""Windows, joins and rows on demand: what is read of a source, and that nothing is lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelwatch import ColumnContract, Contract, Role, Window, profile, run
from modelwatch.errors import ProfileError, SourceError
from modelwatch.rows import Condition, Rows
from modelwatch.segments import profile_segments
from modelwatch.sources.base import BatchSource, ReadAgain, read_table
from modelwatch.sources.collector import Collection, CollectorSource, DeploymentSource
from modelwatch.sources.opening import open_source
from modelwatch.sources.windowed import windowed
from modelwatch.sources.windows import within

GENERATOR = np.random.default_rng(21)
START = datetime(2026, 4, 1, tzinfo=UTC)
N = 24_000
TABLE = pa.table(
    {
        "t": pa.array([START + timedelta(minutes=i) for i in range(N)]),
        "x": GENERATOR.standard_normal(N),
        "s": pa.array(GENERATOR.choice(["a", "b", "c"], N)),
        "i": GENERATOR.integers(0, 50, N),
    }
)
WINDOW = Window(START + timedelta(days=3, hours=5), START + timedelta(days=9))


def written(folder: Path, table: pa.Table = TABLE, suffix: str = "parquet") -> Path:
    path = folder / f"x.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path, row_group_size=1_000)
    elif suffix == "csv":
        table.to_pandas().to_csv(path, index=False)
    else:
        rows = ({**row, "t": row["t"].isoformat()} for row in table.to_pylist())
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_window_of_a_file_is_the_window_of_its_rows(tmp_path: Path, suffix: str) -> None:
    expected = profile(within(TABLE, WINDOW, "t", timezone=None))
    source = windowed(open_source(written(tmp_path, suffix=suffix)), WINDOW, "t", timezone=None)
    found = profile(source)
    assert found.rows == expected.rows
    # JSON has no times: without a contract they are texts.
    for name in ("x", "s", "i") if suffix == "jsonl" else TABLE.column_names:
        assert found.columns[name].cells == expected.columns[name].cells
        assert found.columns[name].categories == expected.columns[name].categories
    contract = Contract(columns=(ColumnContract(name="t", type="time"),))
    assert profile(source, contract=contract).columns["t"].cells == expected.columns["t"].cells


def test_row_groups_outside_a_window_are_not_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    first = pq.read_metadata(path).row_group(0)
    with path.open("r+b") as file:
        # Whoever decodes the first group stumbles.
        file.seek(first.column(1).data_page_offset)
        file.write(b"\xff" * 64)
    assert profile(windowed(open_source(path), WINDOW, "t", timezone=None)).rows == 8_340
    with pytest.raises(SourceError, match="cannot be read"):
        profile(path)


def test_shuffled_and_naive_times_need_a_look_at_each_row(tmp_path: Path) -> None:
    order = GENERATOR.permutation(N)
    naive = TABLE.take(order).set_column(0, "t", TABLE["t"].take(pa.array(order)).cast(pa.timestamp("us")))
    path = written(tmp_path, naive)
    found = profile(windowed(open_source(path), WINDOW, "t", timezone="UTC"))
    assert found.columns["x"] == profile(within(TABLE, WINDOW, "t", timezone=None)).columns["x"]
    with pytest.raises(SourceError, match="zone"):
        windowed(open_source(path), WINDOW, "t", timezone=None)
    with pytest.raises(SourceError, match="missing"):
        windowed(open_source(path), WINDOW, "nowhere", timezone="UTC")


def test_batches_and_shares_of_a_window_hold_its_rows(tmp_path: Path) -> None:
    source = windowed(open_source(written(tmp_path)), WINDOW, "t", timezone=None)
    expected = within(TABLE, WINDOW, "t", timezone=None)
    assert sum(batch.num_rows for batch in source.batches(["x"])) == expected.num_rows
    assert read_table(source, ["s", "x"]).equals(expected.select(["s", "x"]).combine_chunks())


def test_keys_and_types_that_come_late_in_json_lines_are_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    early = [{"a": 1, "late": None}] * 200_000
    path.write_text("".join(json.dumps(r) + "\n" for r in [*early, {"a": 2.5, "late": "x", "new": 7}]))
    found = profile(path)
    assert found.rows == 200_001
    assert (found.columns["a"].type, found.columns["a"].maximum) == ("double", 2.5)
    assert found.columns["late"].category_names == ["x"]
    assert (found.columns["new"].missing, found.columns["new"].maximum) == (200_000, 7)
    with pytest.raises(SourceError, match="missing"):
        profile(path, columns=["nowhere"])


def collected(folder: Path, hours: int, *, late: bool = True) -> Path:
    """Write a deployment whose answers are filed an hour later on the hour; one request has none."""
    for hour in range(hours):
        moment = START + timedelta(hours=hour, minutes=59, seconds=59)
        answered = moment + timedelta(seconds=2 if late else 0)
        pairs = [(f"c{hour}", {"x": float(hour)}, {"p": hour % 2})]
        for collection, at, position in (("model_inputs", moment, 1), ("model_outputs", answered, 2)):
            path = folder / collection / at.strftime("%Y/%m/%d/%H") / "instance.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [
                {"time": at.isoformat(), "correlationid": pair[0], "data": [pair[position]]} for pair in pairs
            ]
            if collection == "model_outputs" and hour == 5:
                lines = []
            with path.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
    return folder


def test_answers_are_joined_across_hours_and_missing_ones_are_null(tmp_path: Path) -> None:
    folder = collected(tmp_path / "modelDataCollector" / "e" / "d", 48)
    window = Window(START, START + timedelta(hours=24))
    source = open_source(tmp_path / "modelDataCollector")
    assert isinstance(source, DeploymentSource)
    table = read_table(source.within(window))
    assert sorted(table.column("x").to_pylist()) == [float(hour) for hour in range(24)]
    by = dict(zip(table.column("x").to_pylist(), table.column("p").to_pylist(), strict=True))
    assert by.pop(5.0) is None
    assert all(answer == hour % 2 for hour, answer in by.items())
    assert profile(source).columns["p"].missing == 1
    assert profile(CollectorSource(Collection(folder / "model_inputs"))).rows == 48


MONITOR: dict[str, Any] = {
    "monitor": "m",
    "data": {"event_time": "t", "correlation_id": "id"},
    "signals": {"inputs": {"type": "data_drift", "ks": 0.001}, "quality": {"type": "data_quality"}},
}


def crowded(n: int, scale: float, day: int) -> pd.DataFrame:
    """Values in two crowds, of which cells leave the one far from zero no room."""
    far = np.where(np.arange(n) % 5 == 0, 1_000.0, 0.0)
    times = pd.Timestamp(START) + pd.Timedelta(days=day) + pd.to_timedelta(np.arange(n), unit="ms")
    return pd.DataFrame({"t": times, "x": far + GENERATOR.standard_normal(n) * scale})


def test_a_run_measures_again_what_cells_leave_open(tmp_path: Path) -> None:
    sides = crowded(60_000, 1, 0), crowded(60_000, 1.02, 1)
    for name, side in zip(("baseline", "production"), sides, strict=True):
        side.to_parquet(tmp_path / f"{name}.parquet", index=False)
    paths = tmp_path / "baseline.parquet", tmp_path / "production.parquet"
    window = Window(START + timedelta(days=1), START + timedelta(days=2))
    monitor = {**MONITOR, "signals": {"inputs": {"type": "data_drift", "numeric": ["ks"]}}}
    (exact,) = (m for m in run(monitor, *paths, window)["measurements"] if m["feature"] == "x")
    assert exact["bound"] == 0
    assert "again" in exact["note"]
    stored = run(monitor, profile(paths[0]), paths[1], window)["measurements"]
    (open_,) = (m for m in stored if m["feature"] == "x")
    assert open_["bound"] > 0.005
    assert "rows of baseline" in open_["note"]
    assert abs(open_["statistic"] - exact["statistic"]) <= open_["bound"]


def test_a_stream_of_batches_is_enough_for_a_whole_run() -> None:
    n = 2_000
    table = TABLE.slice(0, n).append_column("id", pa.array([str(i) for i in range(n)]))
    table = table.append_column("p", pa.array(np.arange(n) % 2))
    contract = Contract(
        columns=(
            ColumnContract(name="t", type="time", role=Role.EVENT_TIME),
            ColumnContract(name="x", type="number"),
            ColumnContract(name="s", type="text", role=Role.SEGMENT),
            ColumnContract(name="p", type="integer", role=Role.PREDICTION),
            ColumnContract(name="y", type="integer", role=Role.TARGET),
        )
    )
    monitor = {
        **MONITOR,
        "segments": [{"by": "s", "min_rows": 100}],
        "signals": {
            **MONITOR["signals"],
            "perf": {"type": "model_performance", "accuracy": {"min": 0.9}},
            "joint": {"type": "multivariate_drift"},
        },
    }
    labels = pa.table({"id": [str(i) for i in range(n)], "y": np.arange(n) % 2})
    window = Window(START, START + timedelta(days=1))
    earlier = TABLE.set_column(0, "t", pa.array([START - timedelta(minutes=i + 1) for i in range(N)]))

    def evaluated(production: Any) -> list[dict[str, Any]]:
        found = run(monitor, earlier, production, window, contract=contract, labels=labels)
        rows: list[dict[str, Any]] = found["measurements"]
        return rows

    streamed = evaluated(table.to_reader(max_chunksize=77))
    assert streamed == evaluated(table)
    by = {(m["signal"], m["metric"], m["segment"]): m for m in streamed}
    assert by["perf", "accuracy", None]["n_production"] == 1_440
    parts = [by["perf", "label_coverage", f"s={value}"]["count"] for value in "abc"]
    assert sum(parts) == 1_440
    assert by["joint", "domain_classifier_auc", "s=a"]["n_production"] > 300


def test_segments_that_vanish_are_said() -> None:
    monitor = {**MONITOR, "data": {}, "segments": [{"by": "s"}]}
    before = TABLE.select(["x", "s"])
    after = before.filter(pa.compute.not_equal(before["s"], "b"))
    found = run(monitor, before, after)["measurements"]
    gone = [m for m in found if m["segment"] == "s=b"]
    assert [(m["status"], m["n_production"]) for m in gone] == [("no_data", 0)]
    assert {m["segment"] for m in found} == {None, "s=a", "s=b", "s=c"}


def test_segments_without_rows_or_without_their_column_take_nothing_down() -> None:
    numbers = TABLE.select(["x"])
    for production, status, said in (
        (profile(TABLE.select(["x", "s"])), "error", "not its profile"),
        (numbers, "schema_error", "missing"),
    ):
        monitor = {**MONITOR, "data": {}, "segments": [{"by": "s"}]}
        found = run(monitor, numbers, production)["measurements"]
        (segment,) = (m for m in found if m["signal"] == "segments")
        assert (segment["status"], segment["segment"]) == (status, "s")
        assert said in segment["note"]
        assert any(m["status"] == "ok" for m in found)


def test_segments_are_profiled_as_their_rows_are() -> None:
    found = profile_segments(open_source(TABLE), "i", [str(i) for i in range(20)], contract=None)
    assert len(found) == 20
    assert found["7"] == profile(TABLE.filter(pa.compute.equal(TABLE["i"], 7)))


def test_labels_that_come_later_judge_earlier_predictions() -> None:
    days = [
        pa.table(
            {
                "t": pa.array([START + timedelta(days=day, minutes=i) for i in range(60)]),
                "id": [f"{day}-{i}" for i in range(60)],
                "p": [1] * 60,
            }
        )
        for day in range(4)
    ]
    labels = pa.table(
        {
            "t": pa.array([START + timedelta(days=3, minutes=i) for i in range(60)]),
            "id": [f"1-{i}" for i in range(60)],
            "y": [1] * 45 + [0] * 15,
        }
    )
    contract = Contract(
        columns=(
            ColumnContract(name="t", type="time", role=Role.EVENT_TIME),
            ColumnContract(name="p", type="integer", role=Role.PREDICTION),
            ColumnContract(name="y", type="integer", role=Role.TARGET),
        )
    )
    signal = {"type": "model_performance", "accuracy": {"min": 0.5}, "label_lag": "P2D"}
    window = Window(START + timedelta(days=3), START + timedelta(days=4))
    found = run(
        {**MONITOR, "signals": {"perf": signal}},
        profile(days[0], contract=contract),
        pa.concat_tables(days),
        window,
        contract=contract,
        labels=labels,
    )
    by = {m["metric"]: m for m in found["measurements"]}
    assert by["label_coverage"]["value"] == 1.0
    assert by["accuracy"]["value"] == 0.75
    assert by["label_lag_seconds"]["value"] == timedelta(days=2).total_seconds()


@pytest.mark.parametrize("kind", ["text", "integer"])
def test_identifiers_that_repeat_are_counted_without_a_baseline(kind: str) -> None:
    n = 40_000
    numbers = np.arange(n)
    ids = pa.array(numbers) if kind == "integer" else pa.array([f"id-{i}" for i in numbers])
    contract = Contract(
        columns=(
            ColumnContract(name="x", type="number"),
            ColumnContract(name="id", type=kind, role=Role.IDENTIFIER),
        )
    )
    rows = pa.table({"id": ids, "x": np.ones(n)})
    monitor = {**MONITOR, "data": {}, "signals": {"quality": {"type": "data_quality", "duplicates": 0.01}}}

    def rate(table: pa.Table) -> dict[str, Any]:
        found = run(monitor, profile({"x": [1.0] * 50}), table, contract=contract)["measurements"]
        (only,) = (m for m in found if m["metric"] == "duplicate_rate")
        return dict(only)

    assert (rate(rows)["count"], rate(rows)["status"]) == (0, "ok")
    doubled = rate(pa.concat_tables([rows, rows.slice(0, n // 4)]))
    assert doubled["value"] == pytest.approx(0.2, abs=0.02)
    assert doubled["status"] == "breach"
    with pytest.raises(ProfileError, match="kinds"):
        profile({"id": [1, 2]}).merge(
            profile({"id": [1, 2]}, contract=Contract(columns=(ColumnContract(
                name="id", type="integer", role=Role.IDENTIFIER),)))
        )  # fmt: skip


def test_a_minimum_of_rows_and_a_column_that_must_not_be_null() -> None:
    contract = Contract(columns=(ColumnContract(name="x", type="number", nullable=False),))
    monitor = {**MONITOR, "data": {"min_rows": 500}}
    found = run(monitor, {"x": GENERATOR.standard_normal(900)}, {"x": [1.0, None] * 60}, contract=contract)
    by = {m["metric"]: m for m in found["measurements"]}
    assert by["population_stability_index"]["status"] == "insufficient"
    assert "500 rows" in by["population_stability_index"]["note"]
    assert "the contract allows none" in by["null_value_rate"]["note"]


def test_a_stream_is_read_once_and_a_sample_is_spread_evenly() -> None:
    stream = open_source(TABLE.to_reader())
    assert isinstance(stream, BatchSource)
    list(stream.batches())
    with pytest.raises(SourceError, match="once"):
        list(stream.batches())
    rows = Rows(open_source(TABLE), tuple(TABLE.column_names))
    taken = rows.where(Condition("s", "a")).sampled(
        ["x"], 100, TABLE.filter(pa.compute.equal(TABLE["s"], "a")).num_rows
    )
    assert taken.num_rows == 100
    assert set(taken["x"].to_pylist()) <= set(TABLE["x"].to_pylist())


def test_a_csv_column_that_breaks_late_is_read_again_by_everyone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 1_100_000 + "oops,3\n")
    with pytest.raises(ReadAgain):
        list(open_source(path).batches(["a"]))
    table = read_table(open_source(path), ["a"])
    assert table.column("a").to_pylist()[-2:] == ["1", "oops"]

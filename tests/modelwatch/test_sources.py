"""Every kind of source gives the same profile; windows read no more than they must."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from modelwatch import ColumnContract, Contract, Profile, Window, profile
from modelwatch.errors import ProfileError, SourceError, UsageError
from modelwatch.sources.collector import CORRELATION_ID, Collection, read_collector
from modelwatch.sources.opening import open_source

N = 3_000
GENERATOR = np.random.default_rng(2)
FRAME = pd.DataFrame(
    {
        "number": np.where(GENERATOR.random(N) < 0.1, np.nan, GENERATOR.standard_normal(N)),
        "whole": GENERATOR.integers(0, 9, N),
        "text": pd.Series(GENERATOR.choice(["a", "b,c", 'say "x"', "é"], N)).mask(
            GENERATOR.random(N) < 0.1, None
        ),
        "truth": GENERATOR.random(N) < 0.3,
    }
)
EXPECTED = profile(FRAME)


def parts(folder: Path, suffix: str) -> Path:
    for number, part in enumerate(np.array_split(np.arange(N), 3)):
        frame, path = FRAME.iloc[part], folder / f"part-{number}.{suffix}"
        if suffix == "parquet":
            frame.to_parquet(path, index=False, row_group_size=400)
        elif suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            # pandas writes fifteen digits; a double needs seventeen.
            rows = json.loads(frame.to_json(orient="records"))
            for row, value in zip(rows, frame["number"], strict=True):
                row["number"] = None if np.isnan(value) else value
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "_SUCCESS").touch()
    return folder


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_files_and_folders(tmp_path: Path, suffix: str) -> None:
    folder = parts(tmp_path, suffix)
    assert profile(folder) == EXPECTED
    assert profile(sorted(folder.glob(f"*.{suffix}"))) == EXPECTED
    assert profile(str(folder), columns=["whole"]).columns["whole"] == EXPECTED.columns["whole"]


def test_arrow_tables_readers_and_mappings() -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    assert profile(table) == EXPECTED
    assert profile(table.to_reader(max_chunksize=77)) == EXPECTED
    assert profile(iter(table.to_batches(max_chunksize=500))) == EXPECTED
    assert profile({name: FRAME[name] for name in FRAME}) == EXPECTED
    assert profile(FRAME.convert_dtypes(dtype_backend="pyarrow")).columns["text"] == EXPECTED.columns["text"]


def test_strings_of_pandas_3_are_strings() -> None:
    modern = pd.DataFrame({"text": pd.Series(FRAME["text"].tolist(), dtype=pd.StringDtype(na_value=np.nan))})
    assert str(modern["text"].dtype) in ("str", "string")
    assert profile(modern).columns["text"].categories == EXPECTED.columns["text"].categories


def test_partitioned_parquet(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME.assign(day=["x", "y"] * (N // 2)), preserve_index=False)
    ds.write_dataset(table, tmp_path, format="parquet", partitioning=ds.partitioning(
        pa.schema([("day", pa.string())]), flavor="hive"))  # fmt: skip
    found = profile(tmp_path)
    assert found.columns["number"] == EXPECTED.columns["number"]
    assert found.columns["day"].categories is not None
    assert found.columns["day"].categories.counts == {"x": N // 2, "y": N // 2}


def test_a_csv_column_that_breaks_late_is_text_throughout(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("a,b\n" + "1,2\n" * 1_100_000 + "oops,3\n")
    assert profile(path).columns["a"].type == "string"
    contract = Contract(
        columns=(ColumnContract(name="a", type="integer"), ColumnContract(name="b", type="text"))
    )
    found = profile(path, contract=contract)
    assert (found.columns["a"].type_errors, found.columns["a"].valid) == (1, 1_100_000)
    assert found.columns["b"].category_names == ["2", "3"]


def test_an_empty_csv_field_is_null_and_a_quoted_one_is_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('a,b\n,""\nx,NA\n')
    found = profile(tmp_path / "x.csv")
    assert found.columns["a"].missing == 1
    assert found.columns["b"].missing == 0


def test_json_lines_whose_types_vary(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": "x", "b": true}\n{"b": null}\n')
    found = profile(path)
    assert (found.columns["a"].rows, found.columns["a"].missing) == (3, 1)
    path.write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(SourceError, match=r"x\.jsonl"):
        profile(path)


@pytest.mark.parametrize("bad", ["missing.csv", "x.xlsx", ""])
def test_what_cannot_be_read_is_said(tmp_path: Path, bad: str) -> None:
    (tmp_path / "x.xlsx").touch()
    with pytest.raises(SourceError):
        profile(tmp_path / bad)
    with pytest.raises(SourceError, match="int"):
        open_source(3)
    with pytest.raises(SourceError, match="missing"):
        profile(FRAME, columns=["nowhere"])


START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    for hour in range(72):
        moment = START + timedelta(hours=hour)
        first, last = ((moment + timedelta(seconds=s)).isoformat() for s in (300, 3599))
        folder = tmp_path / "modelDataCollector/e/d/model_inputs" / moment.strftime("%Y/%m/%d/%H")
        folder.mkdir(parents=True)
        lines = [
            {"id": f"{hour}", "time": first, "correlationid": f"c{hour}",
             "data": [{"x": hour, "s": "a"}, {"x": hour + 0.5, "s": "b"}]},
            {"id": f"{hour}b", "time": last,
             "correlationid": f"d{hour}", "data": [{"x": -hour, "s": None, "correlationid": f"own-{hour}"}]},
        ]  # fmt: skip
        (folder / "instance.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "modelDataCollector"


def test_a_window_of_the_data_collector_reads_its_hours_alone(collected: Path) -> None:
    window = Window(START + timedelta(hours=24), START + timedelta(hours=48))
    hours = dict(Collection(collected).hours(window))
    assert (len(hours), min(hours)) == (25, "2026/01/02/00")
    outside = next(collected.rglob("2026/01/01/03/instance.jsonl"))
    outside.write_text("not read, or this would fail")
    table = read_collector(collected, window)
    assert table.num_rows == 24 * 3
    assert min(table.column("x").to_pylist()) == -47


def test_rows_of_one_line_have_ids_of_their_own(collected: Path) -> None:
    table = read_collector(collected, Window(START, START + timedelta(hours=1)))
    assert table.column(CORRELATION_ID).to_pylist() == ["c0_0", "c0_1", "own-0"]
    assert profile(collected).rows == 72 * 3


def test_windows_need_zones_and_an_order() -> None:
    with pytest.raises(UsageError, match="zone"):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001
    with pytest.raises(UsageError, match="before"):
        Window(START, START)
    lookback = Window.before(datetime(2024, 1, 31, 15, 15, tzinfo=UTC), timedelta(days=7))
    assert lookback.to_dict() == {"start": "2024-01-24T15:15:00Z", "end": "2024-01-31T15:15:00Z"}


def test_profiles_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline.profile"
    EXPECTED.save(path)
    first = path.read_bytes()
    assert Profile.load(path) == EXPECTED
    Profile.load(path).save(path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(first[:-9])
    with pytest.raises(ProfileError, match="damaged"):
        Profile.load(path)
    path.write_bytes(b"modelwatch profile 9\n" + first[21:])
    with pytest.raises(ProfileError, match="version"):
        Profile.load(path)
    with pytest.raises(ProfileError, match="read"):
        Profile.load(tmp_path / "nowhere")


def test_profiles_of_different_columns_do_not_merge() -> None:
    with pytest.raises(ProfileError, match="different columns"):
        EXPECTED.merge(profile({"other": [1]}))
    with pytest.raises(ProfileError, match="kinds"):
        profile({"x": [1]}).merge(profile({"x": ["a"]}))
    assert profile({"x": [1]}).merge(profile({"x": [1.5]})).columns["x"].type == "double"
    empty = profile(pa.table({"x": pa.nulls(3)}))
    assert empty.merge(profile({"x": ["a"]})) == profile({"x": ["a"]}).merge(empty)


def test_footers_and_values_give_the_same_extremes(tmp_path: Path) -> None:
    values = np.concatenate([GENERATOR.standard_normal(70_000), [np.inf, np.nan, -0.0]])
    zeros = np.abs(values).round(0)
    table = pa.table(
        {"x": pa.array(values), "z": pa.array(zeros), "i": pa.array(np.arange(values.size) * 1_000_003)}
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=65_536)
    assert profile(tmp_path / "x.parquet") == profile(table) == profile(table, threads=1)

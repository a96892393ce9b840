from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usecases.classical import validate
from usecases.declaration import Column, Contract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from usecases.classical.sample import Sample
    from usecases.declaration import Declaration

CONTRACT = Contract(
    columns=(
        Column("row_id", "integer", "id", minimum=0),
        Column("age", "number", "feature", minimum=0, maximum=120),
        Column("plan", "integer", "feature", allowed=(0, 1)),
        Column("city", "string", "feature", nullable=True),
        Column("visit", "integer", "target", allowed=(0, 1)),
    ),
    minimum_rows=4,
)


def rows(count: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row_id": range(count),
            "age": [20.5 + row for row in range(count)],
            "plan": [row % 2 for row in range(count)],
            "city": ["Dayton", None] * (count // 2),
            "visit": [0, 1] * (count // 2),
        }
    )


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = [value if i == row else v for i, v in enumerate(frame[column].tolist())]
        return frame.assign(**{column: pd.Series(values, index=frame.index)})

    return change


def test_data_that_holds_its_contract_has_no_findings() -> None:
    assert validate.check(rows(), CONTRACT) == []


@pytest.mark.parametrize(
    ("change", "column", "problem", "concerned", "said"),
    [
        (lambda f: f.drop(columns="age"), "age", "missing_column", 6, "row_id, plan"),
        (lambda f: f.assign(extra=1), "extra", "extra_column", 6, "'extra'"),
        (put("age", 2, "old"), "age", "wrong_type", 1, "(row 2: 'old'); expected a number"),
        (lambda f: f.assign(age=f["age"].astype(str)), "age", "wrong_type", 6, "(row 0: '20.5')"),
        (lambda f: f.assign(plan=f["plan"] == 1), "plan", "wrong_type", 6, "whole number"),
        (put("plan", 1, 0.5), "plan", "wrong_type", 1, "(row 1: 0.5)"),
        (put("age", 3, np.inf), "age", "wrong_type", 1, "row 3"),
        (put("city", 0, 7), "city", "wrong_type", 1, "expected text"),
        (put("age", 4, None), "age", "null", 1, "row 4: no value"),
        (put("age", 5, 121.0), "age", "out_of_range", 1, "(row 5: 121.0); expected 0 to 120"),
        (put("age", 0, -0.1), "age", "out_of_range", 1, "row 0"),
        (put("plan", 2, 3), "plan", "not_allowed", 1, "expected one of 0, 1"),
        (put("row_id", 3, 1), "row_id", "duplicate", 1, "row 3"),
        (lambda f: f.assign(visit=1), "visit", "single_class", 6, "nothing to learn"),
        (lambda f: f.iloc[:3], None, "too_few_rows", 3, "at least 4"),
    ],
)
def test_each_way_to_break_the_contract_is_named_with_column_rows_and_example(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    column: str | None,
    problem: str,
    concerned: int,
    said: str,
) -> None:
    (finding,) = validate.check(change(rows()), CONTRACT)
    assert (finding.column, finding.problem, finding.rows) == (column, problem, concerned)
    assert said in finding.message


def test_whole_numbers_may_be_stored_as_floats() -> None:
    assert validate.check(rows().assign(plan=[0.0, 1.0] * 3), CONTRACT) == []


def test_every_finding_is_reported_at_once() -> None:
    broken = put("age", 1, 500.0)(rows().drop(columns="plan").assign(zip_code=1))
    problems = {finding.problem for finding in validate.check(broken, CONTRACT)}
    assert problems == {"extra_column", "missing_column", "out_of_range"}


@settings(max_examples=40, deadline=None)
@given(row=st.integers(0, 19), value=st.one_of(st.floats(max_value=-1e-6), st.floats(min_value=120.001)))
def test_a_single_value_out_of_range_is_found_at_its_row(row: int, value: float) -> None:
    (finding,) = validate.check(put("age", row, value)(rows(20)), CONTRACT)
    assert finding.rows == 1
    assert f"(row {row}: " in finding.message


def test_the_real_sample_passes_from_either_format(
    written: Sample, declaration: Declaration, tmp_path: Path
) -> None:
    for name, source in (("csv", written.training_csv), ("parquet", written.training)):
        report = validate.run(source, declaration, tmp_path / name)
        assert report["rows"] == 8_076
        assert report["status"] == "pass"
    of_csv, of_parquet = (pd.read_parquet(tmp_path / n / "data.parquet") for n in ("csv", "parquet"))
    pd.testing.assert_frame_equal(of_csv, of_parquet)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"", "0 bytes"),
        ("data.parquet", b"", "0 bytes"),
        ("data.parquet", b"row_id,age\n1,2\n", "not readable as Parquet"),
        ("data.csv", b'a,b\n"1,2\n', "not readable as CSV"),
        ("data.csv", b"a,b\n1,2\n1,2,3\n", "not readable as CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(
    tmp_path: Path, declaration: Declaration, name: str, content: bytes, said: str
) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(validate.InvalidDataError, match=said):
        validate.run(source, declaration, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["status"] == "fail"
    assert not (tmp_path / "out" / "data.parquet").exists()


def test_a_header_without_rows_is_too_few(written: Sample, declaration: Declaration, tmp_path: Path) -> None:
    header = written.training_csv.read_text().splitlines()[0]
    (tmp_path / "data.csv").write_text(header + "\n")
    with pytest.raises(validate.InvalidDataError, match="0 rows, and the contract asks for at least 2000"):
        validate.run(tmp_path / "data.csv", declaration, tmp_path / "out")


def test_a_csv_with_a_missing_and_a_retyped_column_names_both(
    written: Sample, declaration: Declaration, tmp_path: Path
) -> None:
    frame = pd.read_csv(written.training_csv).drop(columns="hlthg")
    frame["disea"] = frame["disea"].astype(str).mask(frame.index == 41, "n/k")
    frame.to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(validate.InvalidDataError) as caught:
        validate.run(tmp_path / "data.csv", declaration, tmp_path / "out")
    assert "column 'hlthg' is missing" in str(caught.value)
    assert "column 'disea': 1 row whose value is not a number (row 41: 'n/k')" in str(caught.value)


@pytest.mark.parametrize("names", [[], ["a.csv", "b.csv"]])
def test_a_folder_must_hold_exactly_one_file(
    tmp_path: Path, declaration: Declaration, names: list[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("a\n1\n")
    with pytest.raises(validate.InvalidDataError, match=f"holds {len(names)} data files"):
        validate.run(folder, declaration, tmp_path / "out")

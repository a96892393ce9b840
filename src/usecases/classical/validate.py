"""Check a file against its contract before anything learns from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from usecases.declaration import Column, Contract, Declaration

__all__ = ["Finding", "InvalidDataError", "check", "read_table", "run"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which data breaks its contract.

    Parameters
    ----------
    column
        The column concerned, or None for the file as a whole.
    problem
        Stable name of the rule, such as ``missing_column`` or ``out_of_range``.
    rows
        How many rows are concerned.
    message
        What is wrong, with an example, and what would be right.
    """

    column: str | None
    problem: str
    rows: int
    message: str


class InvalidDataError(Exception):
    """Data breaks its contract; `findings` says how."""

    def __init__(self, source: str, findings: list[Finding]) -> None:
        self.findings = findings
        lines = [f"  - {finding.message}" for finding in findings]
        count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
        super().__init__("\n".join([f"{source} does not hold its contract ({count}):", *lines]))


def run(data: Path, declaration: Declaration, output: Path) -> dict[str, Any]:
    """Validate a file and write it, typed and in the contract's column order.

    Parameters
    ----------
    data
        A CSV or Parquet file, or a folder that holds exactly one.
    declaration
        The use case.
    output
        Folder for ``data.parquet`` and ``report.json``; the report is written in any case.

    Raises
    ------
    InvalidDataError
        The data breaks the contract.
    """
    source = _only_file(data)
    frame, findings = read_table(source)
    if frame is not None:
        findings = check(frame, declaration.contract)
    output.mkdir(parents=True, exist_ok=True)
    report = {
        "source": source.name,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else None,
        "rows": 0 if frame is None else len(frame),
        "status": "fail" if findings else "pass",
        "findings": [asdict(finding) for finding in findings],
    }
    (output / "report.json").write_text(
        json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    if frame is None or findings:
        raise InvalidDataError(source.name, findings)
    _typed(frame, declaration.contract).to_parquet(output / "data.parquet", index=False)
    return report


def read_table(path: Path) -> tuple[pd.DataFrame | None, list[Finding]]:
    """Read a CSV or Parquet file; what cannot be read is a finding, not an exception of the reader."""
    if not path.is_file():
        return None, [Finding(None, "missing_file", 0, f"there is no file {path.name}")]
    if path.stat().st_size == 0:
        return None, [Finding(None, "empty_file", 0, "the file is empty (0 bytes): the export wrote nothing")]
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path), []
        return pd.read_parquet(path), []
    except (ValueError, OSError) as error:  # pandas' parser errors and pyarrow's ArrowInvalid are ValueErrors
        reason = " ".join(str(error).split())
        kind = "CSV" if path.suffix == ".csv" else "Parquet"
        return None, [Finding(None, "unreadable", 0, f"the file is not readable as {kind}: {reason}")]


def check(frame: pd.DataFrame, contract: Contract) -> list[Finding]:
    """Return every way in which `frame` breaks `contract`; empty means that it holds."""
    findings = []
    if len(frame) < contract.minimum_rows:
        text = f"{len(frame)} rows, and the contract asks for at least {contract.minimum_rows}"
        findings.append(Finding(None, "too_few_rows", len(frame), text))
    for name in frame.columns:
        if name not in contract.names:
            text = f"column {name!r} is not in the contract; remove it, or declare it"
            findings.append(Finding(str(name), "extra_column", len(frame), text))
    for column in contract.columns:
        if column.name not in frame:
            text = f"column {column.name!r} is missing; the file has {', '.join(map(str, frame.columns))}"
            findings.append(Finding(column.name, "missing_column", len(frame), text))
        elif len(frame):
            findings += _check_column(frame[column.name], column)
    return findings


def _check_column(values: pd.Series[Any], column: Column) -> list[Finding]:
    null = values.isna()
    findings = []
    if not column.nullable and null.any():
        findings.append(_finding(column, "null", (null, values), "is missing", "a value in every row"))
    present = values[~null]
    if column.type == "string":
        wrong = ~present.map(lambda value: isinstance(value, str)).astype(bool)
        typed: pd.Series[Any] = present
    else:
        typed, wrong = _numbers(present, integer=column.type == "integer")
    if wrong.any():
        kind = {"integer": "a whole number", "number": "a number", "string": "text"}[column.type]
        findings.append(_finding(column, "wrong_type", (wrong, present), f"is not {kind}", kind))
        return findings
    if column.allowed is not None:
        outside = ~typed.isin(list(column.allowed))
        expected = f"one of {', '.join(map(str, column.allowed))}"
        if outside.any():
            findings.append(_finding(column, "not_allowed", (outside, typed), "is not allowed", expected))
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum
    if column.type != "string" and (beyond := (typed < low) | (typed > high)).any():
        findings.append(
            _finding(column, "out_of_range", (beyond, typed), "is out of range", f"{low} to {high}")
        )
    if column.role == "id" and (repeated := typed.duplicated(keep="first")).any():
        findings.append(_finding(column, "duplicate", (repeated, typed), "appears again", "each value once"))
    if column.role == "target" and typed.nunique() == 1:
        text = f"column {column.name!r} has the single value {typed.iloc[0]!r}: there is nothing to learn"
        findings.append(Finding(column.name, "single_class", len(typed), text))
    return findings


def _numbers(values: pd.Series[Any], *, integer: bool) -> tuple[pd.Series[Any], pd.Series[bool]]:
    """Return the values as numbers and which are none; text that looks like a number is none either."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = pd.to_numeric(values.astype("string"), errors="coerce").astype("float64")
        unreadable = np.isnan(numbers.to_numpy())
        # A whole column of digits as text was retyped upstream: every row is wrong, not none.
        wrong = unreadable if unreadable.any() else np.ones(len(values), dtype=bool)
        return numbers, pd.Series(wrong, index=values.index, dtype=bool)
    numbers = values.astype("float64")
    array = numbers.to_numpy()
    wrong = ~np.isfinite(array)
    if integer:
        wrong |= array != np.round(array)
    return numbers, pd.Series(wrong, index=values.index, dtype=bool)


def _finding(
    column: Column, problem: str, rows: tuple[pd.Series[bool], pd.Series[Any]], what: str, expected: str
) -> Finding:
    wrong, values = rows
    first = wrong[wrong].index[0]
    example = repr(values.loc[first]) if problem != "null" else "no value"
    example = example.removeprefix("np.float64(").removeprefix("np.int64(").removesuffix(")")
    count = int(wrong.sum())
    text = (
        f"column {column.name!r}: {count} row{'s' if count > 1 else ''} whose value {what} "
        f"(row {first}: {example}); expected {expected}"
    )
    return Finding(column.name, problem, count, text)


def _typed(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    dtypes = {
        column.name: {
            "integer": "Int64" if column.nullable else "int64",
            "number": "float64",
            "string": "string",
        }[column.type]
        for column in contract.columns
    }
    return frame[contract.names].astype(dtypes)


def _only_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix in {".csv", ".parquet"})
    if len(files) != 1:
        text = f"the folder holds {len(files)} data files; expected exactly one .csv or .parquet"
        raise InvalidDataError(path.name, [Finding(None, "missing_file", 0, text)])
    return files[0]

"""A bill of materials names everything that its lock installs, and is valid CycloneDX."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mlops.cli.application import run
from mlops.delivery.materials import bill_of_materials, read_lock
from mlops.errors import DataError

LOCKS = Path(__file__).resolve().parents[3] / "environments" / "locks"
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


@pytest.mark.parametrize("name", ["training", "serving"])
def test_bill_is_valid_and_whole(name: str) -> None:
    lock = LOCKS / f"{name}.txt"
    text = bill_of_materials(lock, at=NOW)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert len(bill["components"]) == lock.read_text().count("==") - lock.read_text().count("== '")
    assert sum(len(one["hashes"]) for one in bill["components"]) == lock.read_text().count("--hash=")
    assert bill["metadata"]["component"]["name"] == name
    assert bill_of_materials(lock, at=NOW) == text


def test_marker_is_kept(tmp_path: Path) -> None:
    lock = tmp_path / "a.txt"
    lock.write_text(f"Colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:{'0a' * 32}\n")
    (one,) = read_lock(lock)
    assert (one.name, one.version, one.marker) == ("colorama", "0.4.6", "sys_platform == 'win32'")
    (component,) = json.loads(bill_of_materials(lock, at=NOW))["components"]
    assert component["properties"] == [{"name": "python:marker", "value": "sys_platform == 'win32'"}]


@pytest.mark.parametrize("line", ["numpy>=2", "numpy==2.0", "-e .", "git+https://example.com/x"])
def test_what_is_not_pinned_is_no_bill(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "a.txt"
    lock.write_text(f"{line}\n")
    with pytest.raises(DataError, match="make lock"):
        read_lock(lock)
    assert run(["ci", "bill-of-materials", str(lock), "--out", str(tmp_path / "b.json")]) == 2
    assert not (tmp_path / "b.json").exists()

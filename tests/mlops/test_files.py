"""Atomic writes: the old content or the new, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.files import write_json, write_text


def test_a_refused_value_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a" / "result.json", {"value": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"value": float("nan")})
    assert path.read_text(encoding="utf-8") == '{\n  "value": 1\n}\n'
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_an_interrupted_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text(tmp_path / "file", "old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

"""Reading the collector's files while they grow, with mirrored requests among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops.cli.demo import collected
from mlops.cli.demo.collected import COLLECTIONS, Collected
from mlops.errors import DeploymentError


def write(folder: Path, deployment: str, identifier: str, *, torn: bool = False, value: int = 1) -> None:
    for name in COLLECTIONS:
        file = folder / deployment / name / "2026" / "01" / "05" / "10" / "instance.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"data": [{"correlationid": identifier, name: value}], "correlationid": "shared"})
        with file.open("a", encoding="utf-8") as stream:
            stream.write(line[: len(line) // 2] if torn else f"{line}\n")


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Collected, list[Any]]:
    """What is to be written before each download, in place of the client."""
    steps: list[Any] = []

    def download(*_: Any) -> None:
        if steps:
            steps.pop(0)()

    monkeypatch.setattr("azure.ai.ml._artifacts._artifact_utilities.download_artifact_from_aml_uri", download)
    monkeypatch.setattr(collected, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(collected, "_WAIT_SECONDS", 0.05)
    client: Any = type("Client", (), {"datastores": None})()
    return Collected(client, "endpoint", tmp_path), steps


def test_rows_come_from_the_deployment_that_was_heard(growing: tuple[Collected, list[Any]]) -> None:
    reader, steps = growing
    steps += [
        lambda: write(reader.folder, "green", "r_0", value=2),
        lambda: write(reader.folder, "blue", "r_0"),
    ]
    (row,) = reader.wait_for({"r_0": "blue"}).to_dict("records")
    assert row == {"correlationid": "r_0", "model_inputs": 1, "model_outputs": 1}
    assert reader.requests() == {"model_inputs": 2, "model_outputs": 2}


def test_half_a_line_is_read_when_it_is_whole(growing: tuple[Collected, list[Any]]) -> None:
    reader, steps = growing
    write(reader.folder, "blue", "r_0")
    write(reader.folder, "blue", "r_1", torn=True)

    def complete() -> None:
        for file in reader.folder.rglob("*.jsonl"):
            first = file.read_text(encoding="utf-8").splitlines()[0]
            file.write_text(f"{first}\n{first.replace('r_0', 'r_1')}\n", encoding="utf-8")

    steps += [lambda: None, complete]
    assert len(reader.wait_for({"r_0": "blue"})) == 1
    assert reader.wait_for({"r_1": "blue"})["correlationid"].tolist() == ["r_1"]


def test_an_answer_that_was_not_collected_is_named(growing: tuple[Collected, list[Any]]) -> None:
    reader, steps = growing
    steps.append(lambda: write(reader.folder, "green", "r_0"))
    with pytest.raises(DeploymentError, match="1 of 1 missing, such as r_0"):
        reader.wait_for({"r_0": "blue"})

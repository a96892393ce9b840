"""Fetching a job's model and verdict; admission itself is tested with the registry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from mlops.candidate import download_candidate
from mlops.errors import PipelineError, RegistryError

if TYPE_CHECKING:
    from pathlib import Path


class Jobs:
    """The `jobs` operations of a client: named outputs, as the SDK lays them out."""

    def __init__(self, status: str, outputs: dict[str, list[str]]) -> None:
        self.status = status
        self.outputs = outputs

    def get(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, status=self.status)

    def download(self, *, name: str, output_name: str, download_path: str) -> None:
        from pathlib import Path

        for file in self.outputs.get(output_name, []):
            path = Path(download_path) / "named-outputs" / output_name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)


def client(status: str = "Completed", **outputs: list[str]) -> SimpleNamespace:
    return SimpleNamespace(jobs=Jobs(status, outputs))


@pytest.mark.parametrize("nested", ["", "inner/"])
def test_the_model_and_the_verdict_are_found_wherever_they_lie(tmp_path: Path, nested: str) -> None:
    files = [f"{nested}MLmodel", f"{nested}data/MLmodel", f"{nested}gate.json"]
    found = download_candidate(client(gate=files), "job-1", tmp_path)
    assert (found.model / "MLmodel").read_text() == f"{nested}MLmodel"
    assert found.gate.read_text() == f"{nested}gate.json"
    assert found.path == "azureml://jobs/job-1/outputs/model"


@pytest.mark.parametrize("status", ["Failed", "Running", "Canceled"])
def test_a_job_that_did_not_complete_has_no_candidate(tmp_path: Path, status: str) -> None:
    with pytest.raises(RegistryError, match=f"job-1 is {status}"):
        download_candidate(client(status), "job-1", tmp_path)


def test_a_job_without_a_verdict_has_no_admissible_candidate(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="'gate'"):
        download_candidate(client(), "job-1", tmp_path)
    found = download_candidate(client(gate=["MLmodel"]), "job-2", tmp_path / "2")
    with pytest.raises(RegistryError, match=r"no gate\.json"):
        found.require_admissible()

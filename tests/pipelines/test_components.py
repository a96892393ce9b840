"""The components' files, and the steps run one after the other as the plain commands that they are."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.settings import ROOT
from pipelines import monitoring
from pipelines.training import STEPS
from usecases.classical import sample

COMPONENTS = ROOT / "pipelines" / "components"


def component(step: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((COMPONENTS / step / "component.yaml").read_text())
    return content


def test_every_component_is_a_step_of_the_pipeline() -> None:
    steps = {path.parent.name for path in COMPONENTS.glob("*/component.yaml")}
    assert steps == {*STEPS, *monitoring.STEPS}


@pytest.mark.parametrize("step", STEPS)
def test_the_command_passes_on_every_port_and_no_other(step: str) -> None:
    content = component(step)
    used = set(re.findall(r"\$\{\{((?:inputs|outputs)\.\w+)\}\}", content["command"]))
    declared = {f"{kind}.{name}" for kind in ("inputs", "outputs") for name in content[kind]}
    assert used == declared


@pytest.mark.parametrize("step", STEPS)
def test_optional_inputs_vanish_from_the_command_when_they_are_not_given(step: str) -> None:
    content = component(step)
    for name, port in content["inputs"].items():
        optional = bool(re.search(rf"\$\[\[[^]]*inputs\.{name}\}}\}}\]\]", content["command"]))
        assert optional == port.get("optional", False), name


@pytest.mark.parametrize("step", STEPS)
def test_what_a_component_includes_is_there(step: str) -> None:
    for include in component(step)["additional_includes"]:
        assert (COMPONENTS / step / include).is_dir()


def run_step(workspace: Path, step: str, **ports: object) -> subprocess.CompletedProcess[str]:
    """Take the snapshot that the SDK would upload, and run the component's own command in it."""
    content = component(step)
    snapshot = workspace / f"{step}-code"
    shutil.copytree(COMPONENTS / step, snapshot, dirs_exist_ok=True)
    for include in content["additional_includes"]:
        source = (COMPONENTS / step / include).resolve()
        shutil.copytree(source, snapshot / source.name, dirs_exist_ok=True)

    def optional(match: re.Match[str]) -> str:
        name = re.search(r"inputs\.(\w+)", match[1])
        return match[1] if name is not None and name[1] in ports else ""

    command = re.sub(r"\$\[\[(.*?)\]\]", optional, content["command"])
    command = re.sub(r"\$\{\{\w+\.(\w+)\}\}", lambda match: shlex.quote(str(ports[match[1]])), command)
    arguments = shlex.split(command)
    assert arguments[0] == "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    # The repository's own packages must not be found, only the snapshot's: as in the image.
    isolated = {**environment, "PYTHONPATH": "", "PYTHONSAFEPATH": ""}
    return subprocess.run(
        [sys.executable, *arguments[1:]],
        cwd=snapshot,
        env=isolated,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def defaults(step: str) -> dict[str, Any]:
    return {name: port["default"] for name, port in component(step)["inputs"].items() if "default" in port}


def test_bad_data_fails_its_step_with_findings_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("row_id,lncoins\n1,x\n")
    declaration = ROOT / "pipelines" / "classical" / "usecase.yaml"
    finished = run_step(
        tmp_path, "validate", declaration=declaration, data=tmp_path / "data.csv", validated=tmp_path / "out"
    )
    assert finished.returncode == 1
    assert "column 'lncoins': 1 row whose value is not a number (row 0: 'x')" in finished.stderr
    assert "column 'any_visit' is missing" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert json.loads((tmp_path / "out" / "report.json").read_text())["status"] == "fail"


@pytest.mark.e2e
def test_the_steps_as_plain_commands_end_in_a_model_that_passes(tmp_path: Path) -> None:
    declaration = ROOT / "pipelines" / "classical" / "usecase.yaml"
    data = sample.write(tmp_path / "sample").training_csv
    places = {
        name: tmp_path / name for name in ("validated", "training", "held_out", "model", "evaluation", "gate")
    }
    ports: dict[str, Any] = {
        "declaration": declaration,
        "data": data,
        "environment": "training:0123",
        **places,
    }
    for champion in (None, tmp_path / "champion"):
        if champion is not None:
            shutil.copytree(places["model"], champion)
            ports["champion"] = champion
        for step in STEPS:
            finished = run_step(tmp_path, step, **{**defaults(step), **ports})
            assert finished.returncode == 0, f"{step}: {finished.stderr}"
        verdict = json.loads((places["gate"] / "gate.json").read_text())
        assert verdict["verdict"] == "pass"
        assert ("comparison.log_loss" in {check["name"] for check in verdict["checks"]}) == bool(champion)
    lineage = json.loads((places["gate"] / "lineage.json").read_text())
    # Trained twice from the same data, code and image: the model's own bytes say so.
    assert lineage["champion_sha256"] == lineage["model_sha256"] == verdict["model_sha256"]

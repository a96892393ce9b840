"""The files that Pulumi reads before a program runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from infra.render import STACKS
from mlops.settings import ROOT

# Pulumi's own schema of project files, from its public repository.
SCHEMA = Path(__file__).with_name("pulumi-project.schema.json")
PROJECTS = ("bootstrap", "platform", "workload")


def project(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "infra" / name / "Pulumi.yaml").read_text("utf-8")))


@pytest.mark.parametrize("name", PROJECTS)
def test_each_project_is_valid_and_says_what_it_takes(name: str) -> None:
    document = project(name)
    jsonschema.validate(document, json.loads(SCHEMA.read_text("utf-8")))
    assert document["description"]
    assert (ROOT / "infra" / name / document["stackConfigDir"]).resolve() == ROOT / "environments/pulumi"
    assert document["runtime"] == {"name": "python", "options": {"virtualenv": "../../.venv"}}
    for key, declaration in document["config"].items():
        assert key.startswith(f"mlops-{name}:")
        assert {"type", "description", "default"} <= set(declaration)


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_has_its_configuration_and_only_keys_that_are_declared(stack: str) -> None:
    program = STACKS[stack]
    file = ROOT / "environments/pulumi" / f"Pulumi.{stack}.yaml"
    config = yaml.safe_load(file.read_text("utf-8"))["config"]
    assert set(config) <= set(project(Path(program.folder).name)["config"])


@pytest.mark.parametrize("name", PROJECTS)
def test_importing_a_program_declares_nothing_and_the_entry_point_is_thin(name: str) -> None:
    entry = (ROOT / "infra" / name / "__main__.py").read_text("utf-8")
    assert len([line for line in entry.splitlines() if line.strip()]) < 10
    assert f"from infra.{name}.program import build" in entry

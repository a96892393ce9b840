"""What Pulumi does with the programs over time: preview, up again, destroy, and what it refuses."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from infra.engine import Result, run
from infra.engine.properties import secret_texts
from infra.render import STACKS
from mlops.settings import ROOT
from tests.infra.stacks.conftest import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.stacks.conftest import Graph

pytestmark = pytest.mark.e2e


def operate(graphs: dict[str, Graph], stack: str, operation: Any, state: Path | None = None) -> Result:
    return run(
        ROOT / STACKS[stack].folder,
        stack,
        operation=operation,
        state=state,
        stack_references={"organization/mlops-platform/shared": dict(graphs["shared"].outputs)},
        config={"subjectPrefix": PREFIX} if stack != "shared" else None,
        python_path=(ROOT, ROOT / "src"),
    )


def deployed(graph: Graph, folder: Path) -> Path:
    """Return a copy of what the stack's first deployment left: its state, and the key of its secrets."""
    shutil.copytree(graph.state.parent, folder / "state")
    return folder / "state" / graph.state.name


@pytest.mark.parametrize("stack", ["shared", "dev", "staging", "prod", "bootstrap"])
def test_a_first_preview_knows_no_ids_and_succeeds(graphs: dict[str, Graph], stack: str) -> None:
    result = operate(graphs, stack, "preview").require()
    assert set(result.summary) <= {"create", "read"}
    assert len(result.resources) >= len(graphs[stack].documents) - 2


# Staging is prod's program with prod's kind of network.
@pytest.mark.parametrize("stack", ["shared", "dev", "prod", "bootstrap"])
def test_a_second_deployment_changes_nothing(graphs: dict[str, Graph], tmp_path: Path, stack: str) -> None:
    again = operate(graphs, stack, "up", deployed(graphs[stack], tmp_path)).require()
    assert not again.changed
    assert [item.urn for item in graphs[stack].result.resources] == [item.urn for item in again.resources]


@pytest.mark.parametrize("stack", ["shared", "dev", "staging", "prod", "bootstrap"])
def test_no_secret_lies_in_the_state_or_is_said(graphs: dict[str, Graph], stack: str) -> None:
    result = graphs[stack].result
    secrets = {
        text for one in result.resources for text in secret_texts([dict(one.inputs), dict(one.outputs)])
    }
    # An environment has the key and the connection string of its Application Insights.
    assert len(secrets) == (2 if stack in {"dev", "staging", "prod"} else 0)
    state = graphs[stack].state.read_text("utf-8")
    assert json.loads(state)
    said = state + str(result.outputs) + str(result.diagnostics)
    assert not [text for text in secrets if text in said]
    assert "InstrumentationKey=" not in said


def test_dev_goes_with_dependents_first(graphs: dict[str, Graph], tmp_path: Path) -> None:
    needs = {item.urn: item.needs() for item in graphs["dev"].result.resources}
    gone = operate(graphs, "dev", "destroy", deployed(graphs["dev"], tmp_path)).require()
    order = [step.urn for step in gone.steps if step.operation == "delete"]
    assert len(order) > 80
    position = {urn: index for index, urn in enumerate(order)}
    for urn, index in position.items():
        later = {other for other, wanted in needs.items() if urn in wanted} & position.keys()
        assert all(position[other] < index for other in later), urn


def test_prod_is_not_destroyed_by_mistake(graphs: dict[str, Graph], tmp_path: Path) -> None:
    result = operate(graphs, "prod", "destroy", deployed(graphs["prod"], tmp_path))
    assert result.failed
    assert "protect" in str(result.diagnostics)

"""What Pulumi does with the programs over time: preview, up again, destroy, and what it refuses."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from infra.engine import Result, run
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


def test_dev_stays_and_goes(graphs: dict[str, Graph], tmp_path: Path) -> None:
    state = deployed(graphs["dev"], tmp_path)
    again = operate(graphs, "dev", "up", state).require()
    assert not again.changed
    assert [item.urn for item in graphs["dev"].result.resources] == [item.urn for item in again.resources]

    text = state.read_text("utf-8")
    assert "InstrumentationKey=" not in text, "a secret lies in the state"
    assert json.loads(text)

    needs = {item.urn: item.needs() for item in again.resources}
    gone = operate(graphs, "dev", "destroy", state).require()
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

"""Every stack's whole graph, rendered once from the unmodified programs over Pulumi's own protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from infra.engine import run
from infra.render import STACKS, to_documents
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the graphs anew; known when this folder is named on the command line."""
    parser.addoption("--update-graphs", action="store_true", help="write the reviewed graphs anew")


PREFIX = "repo:octo-org@123456/octo-repo@456789"


@dataclass(frozen=True)
class Graph:
    """What one stack declares, as plain documents."""

    stack: str
    documents: tuple[dict[str, Any], ...]
    outputs: Mapping[str, Any]

    def of(self, type_token: str) -> list[dict[str, Any]]:
        """Return the resources of one type, such as ``storage:StorageAccount``."""
        return [item for item in self.documents if item["type"] == f"azure-native:{type_token}"]

    def one(self, type_token: str, name: str) -> dict[str, Any]:
        """Return one resource's inputs."""
        found = [item["inputs"] for item in self.of(type_token) if item["name"] == name]
        assert len(found) == 1, (type_token, name, [item["name"] for item in self.of(type_token)])
        return dict(found[0])

    @property
    def azure(self) -> list[dict[str, Any]]:
        """Return what is Azure's: no components, providers or references."""
        return [item for item in self.documents if item["type"].startswith("azure-native:")]


@pytest.fixture(scope="session")
def graphs() -> dict[str, Graph]:
    """Render bootstrap, shared, dev, staging and prod; the environments read the shared stack's outputs."""
    rendered: dict[str, Graph] = {}
    for stack, program in STACKS.items():
        references = {
            f"organization/mlops-platform/{read}": dict(rendered[read].outputs) for read in program.reads
        }
        result = run(
            ROOT / program.folder,
            program.stack,
            operation="up",
            stack_references=references,
            config={"subjectPrefix": PREFIX} if stack != "shared" else None,
            python_path=(ROOT, ROOT / "src"),
        ).require()
        rendered[stack] = Graph(stack, tuple(to_documents(result.resources)), result.outputs)
    return rendered


@pytest.fixture(scope="session")
def prod(graphs: dict[str, Graph]) -> Graph:
    """Return prod's graph."""
    return graphs["prod"]

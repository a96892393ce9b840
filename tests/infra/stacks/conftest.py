"""Every stack's whole graph, rendered once from the unmodified programs over Pulumi's own protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.engine import PolicyPack, Result, run
from infra.engine.program import HOST, Ended, child_environment, run_host
from infra.mlops_infra.tags import TAGGED
from infra.render import STACKS, to_documents
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the graphs anew; known when this folder is named on the command line."""
    parser.addoption("--update-graphs", action="store_true", help="write the reviewed graphs anew")


RunHost = Callable[[str, Mapping[str, str], float], Ended]
PREFIX = "repo:octo-org@123456/octo-repo@456789"
# In the other stacks policies only advise.
MANDATORY = ("bootstrap", "shared", "prod")


@dataclass(frozen=True)
class Graph:
    """What one stack declares, as plain documents."""

    stack: str
    documents: tuple[dict[str, Any], ...]
    outputs: Mapping[str, Any]
    result: Result
    state: Path

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
def warm_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunHost]:
    """Return what runs a program from a process that has imported what they all import: ``warm_host.py``."""
    if sys.platform != "linux":
        # Elsewhere a process that has loaded so much may not fork.
        yield run_host
        return
    folder = tmp_path_factory.mktemp("host")
    modules = sorted({token.split(":")[1] for token in TAGGED})
    command = [sys.executable, "-P", "-u", str(Path(__file__).with_name("warm_host.py")), str(HOST), *modules]
    numbers = count()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_environment()
    ) as server:
        assert server.stdin
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        requests = server.stdin

        def run_warm(description: str, environment: Mapping[str, str], timeout: float) -> Ended:
            own = folder / str(next(numbers))
            own.mkdir()
            output = [own / "out", own / "err"]
            ended = own / "ended"
            os.mkfifo(ended)
            request = {
                "description": description,
                "environment": dict(environment),
                "timeout": timeout,
                "output": list(map(str, output)),
                "ended": str(ended),
            }
            requests.write(json.dumps(request) + "\n")
            requests.flush()
            code = ended.read_text()  # waits until somebody writes
            printed, complained = (one.read_text() for one in output)
            return Ended(printed, complained, int(code) if code else None)

        yield run_warm
        requests.close()


@pytest.fixture(autouse=True)
def _warm(warm_host: RunHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use it in the tests of this folder; the engine's own start a process each."""
    monkeypatch.setattr("infra.engine.program.run_host", warm_host)


@pytest.fixture(scope="session")
def graphs(warm_host: RunHost, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graph]:
    """Deploy bootstrap, shared, dev, staging and prod; the environments read the shared stack's outputs.

    Each program runs once for all tests: its state is kept for what comes after a first deployment, and
    where policies are mandatory the pack says what it has to say while the stack comes to be.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.engine.program.run_host", warm_host)
        return _deployed(tmp_path_factory.mktemp("states"))


def _deployed(folder: Path) -> dict[str, Graph]:
    rendered: dict[str, Graph] = {}
    for stack, program in STACKS.items():
        references = {
            f"organization/mlops-platform/{read}": dict(rendered[read].outputs) for read in program.reads
        }
        state = folder / stack / "state.json"
        result = run(
            ROOT / program.folder,
            program.stack,
            operation="up",
            state=state,
            stack_references=references,
            config=_config(stack),
            policy_packs=[PolicyPack(ROOT / "infra" / "policy")] if stack in MANDATORY else (),
            python_path=(ROOT, ROOT / "src"),
            collect_violations=True,
        )
        refused = {str(one) for one in result.violations}
        if not all(one.message in refused for one in result.errors):
            result.require()
        rendered[stack] = Graph(stack, tuple(to_documents(result.resources)), result.outputs, result, state)
    return rendered


def _config(stack: str) -> dict[str, Any]:
    """Return what bootstrap changes in a stack's file: the reviewed graphs are the same before and after."""
    by_hand = {"createResourceGroup": stack not in {"staging", "prod"}}
    return by_hand if stack == "shared" else {"subjectPrefix": PREFIX, **by_hand}


@pytest.fixture(scope="session")
def prod(graphs: dict[str, Graph]) -> Graph:
    """Return prod's graph."""
    return graphs["prod"]

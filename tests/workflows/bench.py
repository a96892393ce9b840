"""What the scenarios have in common: a small repository, its GitHub environments, and events."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops.cli.delivery.imaging import images_of
from mlops.settings import load
from tests.workflows.node_service import ROOT
from tests.workflows.simulation.github_api import GitHubApi
from tests.workflows.simulation.machine import Machine
from tests.workflows.simulation.scenario import REPOSITORY, Environment, Scenario
from tests.workflows.simulation.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.workflows.node_service import NodeService
    from tests.workflows.simulation.scenario import WorkflowRun

__all__ = ["ALL_STACKS", "PASSED", "REFUSED", "Bench", "make_repository", "serving_commands", "step"]

ALL_STACKS = ("shared", "dev", "staging", "prod")
PASSED = (ROOT / "tests/workflows/data/trained_pass.json").read_text(encoding="utf-8")
REFUSED = (ROOT / "tests/workflows/data/trained_refused.json").read_text(encoding="utf-8")
_MONITOR = """
apiVersion: monitoring/v1
monitor: doctor-visits
owner: ml-platform
signals:
  inputs: {type: data_drift}
"""
# The base class of all resources takes any type, and spares each rendering the import of the SDK.
_PROGRAM = """
import pulumi
account = {"accountName": "lake", "resourceGroupName": "rg", "sku": {"name": "Standard_LRS"}}
pulumi.CustomResource("azure-native:storage:StorageAccount", "lake", account)
"""


def make_repository(folder: Path) -> Path:
    """Make a repository with this one's settings and two small programs, and one commit."""
    for name, source in (("bootstrap", ""), ("platform", ""), ("workload", _PROGRAM)):
        program = folder / "infra" / name
        program.mkdir(parents=True)
        (program / "Pulumi.yaml").write_text(f"name: mlops-{name}\nruntime: python\n")
        (program / "__main__.py").write_text(source)
    shutil.copy(ROOT / "infra" / "prices.yaml", folder / "infra")
    (folder / "environments").mkdir()
    for path in (ROOT / "environments").glob("*.yaml"):
        shutil.copy(path, folder / "environments")
    shutil.copytree(ROOT / "environments" / "releases", folder / "environments" / "releases")
    for name in ("training", "serving"):
        for file in (f"environments/locks/{name}.txt", f"pipelines/environments/{name}/Dockerfile"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    usecase = folder / "pipelines" / "classical"
    usecase.mkdir(parents=True)
    shutil.copy(ROOT / "pipelines/classical/usecase.yaml", usecase)
    (usecase / "monitor.yaml").write_text(_MONITOR)
    (usecase / "monitor_test.yaml").write_text("tests: []\n")
    (folder / ".gitignore").write_text(".venv/\nreport/\nreports/\nalerts/\npreviews/\n*.json\n")
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _commit(folder, "first")
    return folder


@contextmanager
def serving_commands(folder: Path) -> Iterator[Path]:
    """Start a server that runs `mlops`, and yield its socket."""
    socket = folder / "socket"
    server = [sys.executable, "-m", "tests.workflows.simulation.command_server", str(socket)]
    with subprocess.Popen(server, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield socket
        process.terminate()


def step(kind: str, name: str, *, type_: str = "storage:StorageAccount", **changes: Any) -> dict[str, Any]:
    """Return one step as `pulumi preview --json` tells it."""
    urn = f"urn:pulumi:dev::workload::azure-native:{type_}::{name}"
    old = {"inputs": {"accountName": name}, "protect": False}
    new = {"inputs": {"accountName": name, **changes}, "protect": False}
    return {
        "op": kind,
        "urn": urn,
        **({} if kind == "create" else {"oldState": old}),
        **({} if kind == "delete" else {"newState": new}),
        "detailedDiff": {key: {"kind": "update"} for key in changes},
    }


@dataclass(slots=True)
class Bench:
    """A runner, an API and a checkout for one test."""

    node: NodeService
    api: GitHubApi
    machine: Machine
    base: str
    head: str = ""
    cloud: Sequence[str] = ALL_STACKS
    environments: dict[str, Environment] = field(default_factory=dict)
    composite: bool = False
    runs: int = 100

    @classmethod
    def build(cls, node: NodeService, api: GitHubApi, repository: Path, folder: Path, socket: Path) -> Bench:
        """Copy the repository, and let every stack preview nothing."""
        workspace = folder / "workspace"
        shutil.copytree(repository, workspace)
        (folder / "simulation").mkdir()
        machine = Machine(workspace, folder / "simulation", socket, api.url)
        for stack in ALL_STACKS:
            machine.preview(stack, {"steps": []})
        base = _git(workspace, "rev-parse", "HEAD")
        bench = cls(node, api, machine, base, base)
        for stack in ALL_STACKS:
            bench.environments[stack] = bench.environment(f"deploy-{stack}", branches=("main",))
            bench.environments[f"{stack}-plan"] = bench.environment(f"plan-{stack}")
        for environment in ALL_STACKS[1:]:
            bench.registry(environment, full=True)
        return bench

    @staticmethod
    def environment(client: str, **options: Any) -> Environment:
        """Return an environment as bootstrap fills it."""
        variables = {
            "AZURE_CLIENT_ID": client,
            "AZURE_TENANT_ID": "tenant",
            "AZURE_SUBSCRIPTION_ID": "subscription",
            "PULUMI_BACKEND_URL": "azblob://state?storage_account=state",
        }
        return Environment(variables, **options)

    def registry(self, environment: str, *, full: bool = False) -> Path:
        """Make the environment's container registry anew, empty or with the images of the present files."""
        root = self.machine.workspace
        settings = load(environment, root)
        folder = self.machine.folder / "registries" / settings.names.container_registry
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for image in images_of(settings, root) if full else ():
            (folder / image.name).mkdir()
            for tag in (image.tag, image.definition_tag):
                (folder / image.name / tag).touch()
        return folder

    def review(
        self, stack: str, approval: str, meanwhile: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        """Let a stack's environment have reviewers, who do this."""
        self.environments[stack] = self.environment(
            f"deploy-{stack}", branches=("main",), approval=approval, meanwhile=meanwhile
        )

    def change(self, path: str, text: str) -> None:
        """Append text to a file, or make it, and commit."""
        file = self.machine.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)
        self.head = _commit(self.machine.workspace, path)

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace text in a file, and commit."""
        file = self.machine.workspace / path
        content = file.read_text()
        assert old in content
        file.write_text(content.replace(old, new))
        self.head = _commit(self.machine.workspace, path)

    def answer(self, *answers: Mapping[str, Any]) -> None:
        """Say what commands of `mlops` that need Azure, or minutes, print."""
        (self.machine.folder / "answers.json").write_text(json.dumps(answers))

    def run(self, workflow: str, event: str, **options: Any) -> WorkflowRun:
        """Run a workflow for an event, each time as a later run with a fresh checkout."""
        self.runs += 1
        self.machine.artifacts.clear()
        shutil.rmtree(self.machine.folder / "artifacts", ignore_errors=True)
        (self.machine.folder / "commands.log").write_text("")
        for name in ("report", "reports", "alerts", "previews"):
            shutil.rmtree(self.machine.workspace / name, ignore_errors=True)
        simulator = Simulator(
            self.node, self.machine, self.api, self.head, self.base, composite=self.composite
        )
        variables = {"CLOUD_STACKS": json.dumps(list(self.cloud))} if self.cloud else {}
        return simulator.run(
            workflow,
            Scenario(event, variables=variables, environments=self.environments, run=self.runs, **options),
        )

    def pull_request(
        self, workflow: str, *, action: str = "synchronize", labels: Sequence[str] = (), fork: bool = False
    ) -> WorkflowRun:
        """Run a workflow for pull request 7."""
        head = {"repo": {"full_name": "somebody/mlops" if fork else REPOSITORY}, "sha": self.head}
        payload = {
            "action": action,
            "pull_request": {
                "number": 7,
                "base": {"sha": self.base},
                "head": head,
                "labels": [{"name": name} for name in labels],
            },
        }
        return self.run(workflow, "pull_request", payload=payload, ref="refs/pull/7/merge")

    def push(self, workflow: str = "infra-deploy", **options: Any) -> WorkflowRun:
        """Run a workflow for a push to main."""
        files = _git(self.machine.workspace, "diff", "--name-only", self.base, self.head).splitlines()
        return self.run(workflow, "push", payload={"before": self.base}, files=files, **options)

    def called(self, beginning: str) -> list[str]:
        """Return the commands of the last run that begin so."""
        return [one for one in self.machine.commands() if one.startswith(beginning)]


def _commit(folder: Path, message: str) -> str:
    _git(folder, "add", ".")
    _git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", message)
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()

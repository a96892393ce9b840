"""Registration, rollout and scoring through the real client, against the real embedded control plane.

Real inference servers from the serving image's lock, the use case's own scoring script and model.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from azure.core.exceptions import AzureError

from mlops.assets import ensure_environment
from mlops.candidate import Candidate
from mlops.cli.local import instance_at, instance_config
from mlops.client import Home, connect
from mlops.errors import DeploymentError, RegistryError
from mlops.registry import Lineage, ModelRegistry, ModelVersion
from mlops.rollout import Bounds, Expectation, RolloutPolicy, RolloutResult, deploy, roll_back
from mlops.scoring import EndpointClient, batches, read_rows, score_batches
from mlops.settings import ROOT, Environment, load
from mlops.usecase import UseCase, load_usecase
from pipelines import scoring
from pipelines.environments import serving_environment
from usecases.classical import prepare, sample, train, validate
from usecases.declaration import Declaration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azureml_local.instance import Instance

pytestmark = [
    pytest.mark.e2e,
    # The instance is a process that is meant to outlive the one that started it.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

# Other tests run beside these: comparing milliseconds would be a matter of luck.
BOUNDS = Bounds(max_error_rate=0.02, max_p95_ms=10_000, minimum_requests=30, latency_slack_ms=5_000)
POLICY = RolloutPolicy(shadow_percent=20, canary_percent=50, bounds=BOUNDS)
LINEAGE = Lineage(usecase="classical", data="randhie:1", environment="training:1", code="test")


@dataclass
class Workspace:
    """A running control plane, a client for it, and a model that was trained for real."""

    instance: Instance
    home: Home
    settings: Environment
    usecase: UseCase
    client: Any
    model: Path
    stream: Path
    name: str = ""

    @property
    def endpoint(self) -> str:
        return self.settings.names.endpoint("classical")

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.client)

    def up(self) -> None:
        self.instance.up(instance_config(self.settings, self.home))

    def kill(self) -> None:
        pid = self.instance.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def candidate(self, job: str, model: Path | None = None) -> Candidate:
        folder = self.home.path / "jobs" / job
        shutil.copytree(model or self.model, folder / "model")
        check = {"name": "roc_auc", "status": "pass", "value": 0.62, "bound": 0.58}
        (folder / "gate.json").write_text(json.dumps({"verdict": "pass", "checks": [check]}))
        return Candidate(job, folder / "model", folder / "gate.json", str(folder / "model"))

    def registered(self, job: str, model: Path | None = None) -> ModelVersion:
        return self.registry.register(self.name, self.candidate(job, model), LINEAGE)

    def traffic(self) -> Iterator[Any]:
        """Yield the production stream, one row a request."""
        return (batch.body for batch in batches(read_rows(self.stream), size=1))

    def deploy(
        self, model: ModelVersion, traffic: Callable[[], Iterator[Any]] | None = None
    ) -> RolloutResult:
        return deploy(
            self.client,
            endpoint=scoring.endpoint(self.settings, self.usecase),
            deployment=lambda color: scoring.deployment(
                self.settings, self.usecase, model=model.reference, color=color
            ),
            policy=POLICY,
            sample=json.loads((ROOT / self.usecase.serving.sample_request).read_text()),
            expectation=Expectation(fields=("label", "correlationid")),
            traffic=traffic or self.traffic,
        )

    def routed(self) -> tuple[dict[str, int], dict[str, int]]:
        found = self.client.online_endpoints.get(self.endpoint)
        return (
            {name: share for name, share in found.traffic.items() if share},
            dict(found.mirror_traffic or {}),
        )

    def deployments(self) -> set[str]:
        return {str(found.name) for found in self.client.online_deployments.list(self.endpoint)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a model folder and the production stream."""
    folder = tmp_path_factory.mktemp("trained")
    declaration = Declaration.read(ROOT / "pipelines" / "classical" / "usecase.yaml")
    files = sample.write(folder / "sample")
    validate.run(files.training, declaration, folder / "validated")
    prepare.run(folder / "validated", declaration, folder / "training", folder / "held_out")
    train.run(folder / "training", declaration, train.Parameters(), "training:1", folder / "model")
    return folder / "model", files.stream


@pytest.fixture
def workspace(
    tmp_path: Path, trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A workspace of its own for each test, since each leaves an endpoint in a state."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # the client factory sets it; restored afterwards
    settings, home = load("local"), Home(tmp_path / "home")
    instance = instance_at(home)
    instance.up(instance_config(settings, home))
    try:
        model, stream = trained
        client = connect(settings, home)
        usecase = load_usecase("classical", ROOT)
        ensure_environment(client, serving_environment(settings))
        name = settings.names.model("classical")
        yield Workspace(instance, home, settings, usecase, client, model, stream, name)
    finally:
        instance.down()


def test_the_whole_life_of_two_models(workspace: Workspace) -> None:
    first, second = workspace.registered("job-1"), workspace.registered("job-2")
    assert [v.version for v in workspace.registry.versions(workspace.name)] == ["1", "2"]
    assert workspace.registry.register(workspace.name, workspace.candidate("job-1b"), LINEAGE).version == "3"
    result = workspace.deploy(first)
    assert (result.status, result.serving, result.model) == ("completed", "blue", f"{workspace.name}:1")
    workspace.registry.set_champion(workspace.name, "1")

    result = workspace.deploy(second)
    assert [(step.name, step.status) for step in result.steps] == [
        (name, "ok") for name in ("create", "smoke", "shadow", "canary", "full")
    ]
    assert (result.serving, result.model, result.previous) == ("green", f"{workspace.name}:2", "blue")
    champion = workspace.registry.set_champion(workspace.name, "2")
    assert champion.tags["previous_champion"] == "1"
    assert workspace.routed() == ({"green": 100}, {})
    assert workspace.deploy(second).status == "unchanged"

    rows = next(read_rows(workspace.stream)).head(500)
    scored = pd.concat(
        score_batches(
            EndpointClient(workspace.client, workspace.endpoint), batches([rows], size=50, id_column="row_id")
        )
    )
    assert scored["row_id"].tolist() == rows["row_id"].tolist()
    assert scored["problem"].isna().all()
    assert scored["deployment"].unique().tolist() == ["green"]
    assert scored["probability"].between(0, 1).all()

    result = roll_back(workspace.client, workspace.endpoint)
    assert (result.serving, result.model) == ("blue", f"{workspace.name}:1")
    assert workspace.routed() == ({"blue": 100}, {})
    assert roll_back(workspace.client, workspace.endpoint).status == "unchanged"


def test_roles_survive_in_the_registry(workspace: Workspace) -> None:
    for number in range(1, 12):
        workspace.registered(f"job-{number}")
    versions = workspace.registry.versions(workspace.name)
    assert [version.version for version in versions] == [str(number) for number in range(1, 12)]
    workspace.registry.set_champion(workspace.name, "9")
    workspace.registry.set_challenger(workspace.name, "10")
    workspace.registry.set_champion(workspace.name, "10")
    assert {v.version: v.role for v in workspace.registry.versions(workspace.name) if v.role} == {
        "10": "champion"
    }
    workspace.client.models.archive(workspace.name, version="11")
    assert workspace.registered("job-12").version == "12"
    with pytest.raises(RegistryError, match="archived"):
        workspace.registry.register(
            workspace.name, Candidate("job-11", *_parts(workspace, "job-11")), LINEAGE
        )


def _parts(workspace: Workspace, job: str) -> tuple[Path, Path, str]:
    folder = workspace.home.path / "jobs" / job
    return folder / "model", folder / "gate.json", str(folder / "model")


def test_a_model_that_does_not_load_leaves_the_champion_serving(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.deploy(workspace.registered("good")).ok
    broken = tmp_path / "broken"
    shutil.copytree(workspace.model, broken)
    next(broken.glob("*.skops")).write_bytes(b"not a model")
    result = workspace.deploy(workspace.registered("broken", broken))
    assert result.status == "rolled_back"
    assert [(step.name, step.status) for step in result.steps] == [("create", "failed")]
    assert result.logs is not None
    assert "init" in result.logs
    assert (result.serving, result.model) == ("blue", f"{workspace.name}:1")
    assert workspace.routed() == ({"blue": 100}, {})
    assert workspace.deployments() == {"blue"}
    body = next(workspace.traffic())
    assert EndpointClient(workspace.client, workspace.endpoint).send(body).ok

    result = workspace.deploy(ModelVersion(workspace.name, "99", "", ""))
    assert result.status == "rolled_back"
    assert "99" in result.steps[-1].message
    assert workspace.routed() == ({"blue": 100}, {})


def test_an_unknown_endpoint_is_told(workspace: Workspace) -> None:
    with pytest.raises(DeploymentError, match="no online endpoint"):
        EndpointClient(workspace.client, workspace.endpoint)
    with pytest.raises(DeploymentError, match="no online endpoint"):
        roll_back(workspace.client, workspace.endpoint)


def test_a_killed_control_plane_in_the_canary(workspace: Workspace) -> None:
    """The rollout cannot go on and cannot go back; after a restart the same command finishes."""
    assert workspace.deploy(workspace.registered("one")).ok
    second = workspace.registered("two")
    sent = itertools.count()

    def killing() -> Iterator[Any]:
        for body in workspace.traffic():
            if next(sent) == 50:  # 30 in the shadow, 20 in the canary
                workspace.kill()
            yield body

    with pytest.raises(AzureError) as caught:
        workspace.deploy(second, killing)
    assert "run the same command again" in caught.value.__notes__[0]
    workspace.up()
    assert workspace.routed() == ({"blue": 50, "green": 50}, {})
    result = workspace.deploy(second)
    assert result.status == "completed"
    assert [step.name for step in result.steps] == ["canary", "full"]
    assert workspace.routed() == ({"green": 100}, {})


def test_a_killed_control_plane_while_the_deployment_starts(workspace: Workspace) -> None:
    assert workspace.deploy(workspace.registered("one")).ok
    second = workspace.registered("two")
    pid = workspace.instance.status().pid
    assert pid is not None

    def kill_when_the_second_server_starts() -> None:
        deadline = time.monotonic() + 120
        while len(_children(pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        _kill(pid)

    killer = threading.Thread(target=kill_when_the_second_server_starts)
    killer.start()
    with pytest.raises(AzureError):
        workspace.deploy(second)
    killer.join()
    workspace.up()
    assert EndpointClient(workspace.client, workspace.endpoint).send(next(workspace.traffic())).ok
    result = workspace.deploy(second)
    assert result.status == "completed"
    assert workspace.routed() == ({"green": 100}, {})


def test_an_inference_server_that_keeps_dying_is_rolled_back(workspace: Workspace) -> None:
    assert workspace.deploy(workspace.registered("one")).ok
    plane = workspace.instance.status().pid
    assert plane is not None
    present = set(_children(plane))

    def killing() -> Iterator[Any]:
        for number, body in enumerate(workspace.traffic()):
            if number % 5 == 0:
                for supervisor in set(_children(plane)) - present:
                    for server in _children(supervisor):
                        _kill(server)
            yield body

    result = workspace.deploy(workspace.registered("two"), killing)
    assert result.status == "rolled_back"
    assert "error_rate" in result.steps[-1].message
    assert workspace.routed() == ({"blue": 100}, {})
    assert workspace.deployments() == {"blue"}
    assert EndpointClient(workspace.client, workspace.endpoint).send(next(workspace.traffic())).ok


def _children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`; `ps` where there is no /proc, and the other way round."""
    if Path("/proc/self/stat").exists():
        parents = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                # The name, in parentheses, may hold blanks; the parent is the second field after it.
                parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    else:
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
        parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.stdout.splitlines()}
    return [child for child, parent in parents.items() if parent == pid]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

"""A model's way from dev to staging to prod, by the real commands and client, on the embedded control plane.

Three workspaces of one instance and its registry stand for the three environments; the verdict is the gate's
own on a model that was trained for real, and what is deployed is a real inference server.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, Output, command

from mlops.assets import ensure_environment
from mlops.candidate import download_candidate
from mlops.cli import flows
from mlops.cli.application import run
from mlops.cli.context import Session
from mlops.cli.local import instance_at, instance_config
from mlops.cli.output import Output as Printer
from mlops.cli.rolling_out import to_deploy
from mlops.client import Home, connect, connect_registry
from mlops.errors import RegistryError
from mlops.gate.step import run as judge
from mlops.jobs import follow, submit
from mlops.model_version import ModelVersion
from mlops.promotion.files import Releases
from mlops.promotion.shared import SharedModels
from mlops.registry import Lineage, ModelRegistry
from mlops.settings import ROOT, Environment, load
from mlops.usecase import load_usecase
from pipelines.environments import training_environment
from usecases.classical import evaluate, prepare, sample, train, validate
from usecases.declaration import Declaration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azureml_local.instance import Instance

pytestmark = [
    pytest.mark.e2e,
    # The instance is a process that is meant to outlive the one that started it.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]
MODEL = "mlops-classical"


class KilledError(BaseException):
    """Stands for a process that ends here."""


def embedded(name: str) -> Environment:
    """Return an environment's settings with a laptop's control plane and its patience."""
    here = load("local")
    laptop = {
        "control_plane": "embedded",
        "azure": here.azure,
        "serving": here.serving,
        "compute": here.compute,
    }
    return load(name).model_copy(update=laptop)


@dataclass
class World:
    """A running control plane with three workspaces, and a checkout with release files."""

    instance: Instance
    home: Home
    releases: Releases
    stream: Path
    capsys: pytest.CaptureFixture[str]

    def up(self) -> None:
        config = instance_config(embedded("dev"), self.home)
        others = (embedded(name).names for name in ("staging", "prod"))
        further = tuple(f"{names.resource_group}/{names.workspace}" for names in others)
        self.instance.up(replace(config, further_workspaces=further))

    def kill(self) -> None:
        pid = self.instance.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def client(self, environment: str) -> Any:
        return connect(embedded(environment), self.home)

    def registry(self, environment: str) -> ModelRegistry:
        return ModelRegistry(self.client(environment))

    def shared(self) -> list[str]:
        client = self.session("dev").shared.client()
        return [str(model.version) for model in client.models.list(MODEL)]

    def session(self, environment: str, *, as_json: bool = True) -> Session:
        return Session(embedded(environment), self.home, Printer(as_json), self.releases)

    def blobs(self, *parts: str) -> list[Path]:
        """Return the stored files of models whose path holds all of `parts`."""
        files = (self.home.control_plane / "blobs").rglob("*.skops")
        return [path for path in files if all(part in str(path) for part in parts)]

    def mlops(self, *arguments: str, code: int = 0) -> Any:
        """Run a command, and return what it printed: the result, or the error if it failed."""
        self.capsys.readouterr()
        assert run([*arguments, "--json"]) == code, self.capsys.readouterr().err
        streams = self.capsys.readouterr()
        assert "Traceback" not in streams.err
        return json.loads(streams.out if code == 0 else streams.err[streams.err.index("{") :])

    def promote(self, source: str, target: str, *more: str, code: int = 0) -> Any:
        return self.mlops("promote", "--from", source, "--to", target, *more, code=code)

    def deploy(self, environment: str, code: int = 0) -> Any:
        return self.mlops("deploy", "--env", environment, "--traffic", str(self.stream), code=code)

    def endpoints(self, environment: str) -> list[str]:
        return [str(one.name) for one in self.client(environment).online_endpoints.list()]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a folder with a model and the gate's verdict on it, and the production stream."""
    folder = tmp_path_factory.mktemp("judged")
    file = ROOT / "pipelines" / "classical" / "usecase.yaml"
    declaration = Declaration.read(file)
    files = sample.write(folder / "sample")
    validate.run(files.training, declaration, folder / "validated")
    prepare.run(folder / "validated", declaration, folder / "training", folder / "held_out")
    outputs = folder / "outputs"
    train.run(folder / "training", declaration, train.Parameters(), "training:1", outputs / "model")
    evaluate.run(outputs / "model", None, folder / "held_out", declaration, folder / "evaluation")
    assert judge(file, outputs / "model", folder / "evaluation", outputs / "gate").verdict == "pass"
    return outputs, files.stream


@pytest.fixture
def world(
    tmp_path: Path,
    judged: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[World]:
    """A model that dev's training job left, registered and champion there; nothing is promoted yet."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # the client factory sets it; restored afterwards
    home = Home(tmp_path / "home")
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "environments" / "releases", checkout / "environments" / "releases")
    made = World(instance_at(home), home, Releases(checkout), judged[1], capsys)
    monkeypatch.setattr(Session, "open", lambda name, *, as_json=False: made.session(name, as_json=as_json))
    made.up()
    try:
        _trained(made, judged[0])
        yield made
    finally:
        made.instance.down()


def _trained(world: World, outputs: Path) -> ModelVersion:
    """Let a job of dev leave the model and the verdict, and register it there."""
    client, settings = world.client("dev"), embedded("dev")
    job = command(
        command="cd ${{inputs.made}}; cp -r model/. ${{outputs.model}}; cp -r gate/. ${{outputs.gate}}",
        environment=ensure_environment(client, training_environment(settings)),
        compute=settings.names.compute("cpu"),
        inputs={"made": Input(type="uri_folder", path=str(outputs))},
        outputs={"model": Output(type="mlflow_model"), "gate": Output(type="uri_folder")},
    )
    name = submit(client, job)
    follow(client, name, progress=lambda _: None, poll_seconds=0.1)
    lineage = json.loads((outputs / "gate" / "lineage.json").read_text())
    registry = world.registry("dev")
    made_from = Lineage("classical", "rows:1", "training:1", "c0de", digest=flows._digest(lineage))
    candidate = download_candidate(client, name, world.home.path / "jobs")
    return registry.set_champion(MODEL, registry.register(MODEL, candidate, made_from).version)


def test_one_digest_goes_from_dev_to_staging_to_prod(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_goes_past_its_turn(world)
    release = promoted_once(world, monkeypatch)
    deployed_once(world, monkeypatch, release)
    prod = world.promote("staging", "prod")["release"]
    assert (prod["digest"], prod["version"]) == (release["digest"], release["version"])
    assert (prod["promoted"]["environment"], prod["promoted"]["request"]) == ("staging", 12)
    assert world.shared() == [release["version"]]
    changed_files_are_refused(world, release)


def nothing_goes_past_its_turn(world: World) -> None:
    assert "no champion" in world.promote("staging", "prod", code=2)["what"]
    assert "never promoted" in world.deploy("staging", code=2)["what"]
    project = load("dev").project.model_copy(update={"name": "other"})
    elsewhere = embedded("dev").model_copy(update={"project": project})
    missing = SharedModels("mlr-other", partial(connect_registry, elsewhere, world.home))
    with pytest.raises(RegistryError, match="mlr-other is not there"):
        missing.client()


def promoted_once(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Promote, killed between sharing and writing, then finished, then repeated; return the release."""

    def dying(*_: Any) -> str:
        raise KilledError

    path = world.releases.path("staging")
    before = path.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Releases, "write", dying)
        with pytest.raises(KilledError):
            run(["promote", "--json"])
    assert path.read_text() == before
    assert len(world.shared()) == 1

    done = world.promote("dev", "staging", "--request", "12")
    release: dict[str, Any] = done["release"]
    champion = world.registry("dev").champion(MODEL)
    assert champion is not None
    assert (done["shared"], done["changed"]) == (False, True)
    assert release["digest"] == champion.digest
    assert release["promoted"]["version"] == "1"
    assert release["lineage"]["training_job"] == champion.training_job
    assert release["gate"]["checks"] > 1

    text = path.read_text()
    again = world.promote("dev", "staging")
    assert (again["shared"], again["changed"]) == (False, False)
    assert path.read_text() == text
    assert world.shared() == [release["version"]]
    # Staging does not serve it yet, so prod has to wait.
    assert "no champion" in world.promote("staging", "prod", code=2)["what"]
    return release


def deployed_once(world: World, monkeypatch: pytest.MonkeyPatch, release: dict[str, Any]) -> None:
    """Deploy, with the control plane killed right after the registration, then finished, then repeated."""
    adopt = ModelRegistry.adopt

    def killed(registry: ModelRegistry, *arguments: Any, **options: Any) -> ModelVersion:
        version = adopt(registry, *arguments, **options)
        world.kill()
        return version

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "adopt", killed)
        assert "does not answer" in world.deploy("staging", code=2)["what"]
    world.up()
    assert world.endpoints("staging") == []
    done = world.deploy("staging")
    assert (done["status"], done["model"]["tags"]["digest"]) == ("completed", release["digest"])
    assert world.deploy("staging")["status"] == "unchanged"
    (version,) = world.registry("staging").versions(MODEL)
    assert (version.version, version.role) == ("1", "champion")
    wanted = {
        "training_data": "rows:1",
        "training_job": release["lineage"]["training_job"],
        "release": release["version"],
    }
    assert version.tags.items() >= wanted.items()


def changed_files_are_refused(world: World, release: dict[str, Any]) -> None:
    # Somebody changes the registry's copy: nothing of it gets into prod's workspace.
    client = world.session("dev").shared.client()
    (stored,) = world.blobs(str(client.models.get(MODEL, version=release["version"]).path).split("/")[3])
    good = stored.read_bytes()
    stored.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    refused = world.deploy("prod", code=2)
    assert "not those that were judged" in refused["what"]
    assert refused["expected"] == release["digest"]
    assert world.endpoints("prod") == []
    assert world.registry("prod").versions(MODEL) == ()
    assert "not those that were judged" in world.promote("staging", "prod", code=2)["what"]
    # Somebody changes staging's own copy, which serves: it is not deployed again.
    (serving,) = world.blobs(world.registry("staging").get(MODEL, "1").path.partition("/paths/")[2])
    serving.write_bytes(b"other")
    assert "not those that were judged" in world.deploy("staging", code=2)["what"]
    # As that error says: archived, and registered anew from the registry's copy, once that is right again.
    stored.write_bytes(good)
    world.client("staging").models.archive(MODEL, version="1")
    again = to_deploy(world.session("staging"), load_usecase("classical", ROOT), None)
    assert (again.version, again.digest) == ("2", release["digest"])

"""Two workspaces and a registry in memory: what the real ones cannot be made to be, or only in minutes."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import ResourceNotFoundError

from mlops.digest import folder_digest
from mlops.promotion.files import FOLDER, Releases
from mlops.promotion.promoting import Promoted, promote
from mlops.promotion.shared import SharedModels
from mlops.registry import ModelRegistry
from mlops.settings import load

if TYPE_CHECKING:
    from mlops.settings import Environment

MODEL = "mlops-classical"
MLMODEL = {"signature": {"inputs": '[{"name": "x"}]', "outputs": '[{"name": "y"}]'}}


@dataclass
class Models:
    """The `models` operations of a workspace or a registry: entities, and files below `folder`."""

    folder: Path
    stored: dict[tuple[str, str], Any] = field(default_factory=dict)
    shares: list[str] = field(default_factory=list)
    target: Models | None = None

    def list(self, name: str, **_: Any) -> list[Any]:
        return [copy.deepcopy(one) for (found, _), one in self.stored.items() if found == name]

    def get(self, name: str, version: str) -> Any:
        if (name, version) not in self.stored:
            raise ResourceNotFoundError(f"no version {version}")
        return copy.deepcopy(self.stored[name, version])

    def create_or_update(self, model: Any) -> Any:
        key = (model.name, str(model.version))
        if key not in self.stored:
            shutil.copytree(model.path, self.files(*key))
        self.stored[key] = copy.deepcopy(model)
        self.stored[key]._id = f"/models/{model.name}/versions/{model.version}"
        return self.get(*key)

    def download(self, name: str, *, version: str, download_path: str) -> None:
        shutil.copytree(self.files(name, version), Path(download_path) / name / "model")

    def share(self, name: str, version: str, **options: str) -> None:
        assert self.target is not None
        key = (options["share_with_name"], options["share_with_version"])
        if key in self.target.stored:
            raise ValidationException("exists", no_personal_data_message="exists")
        self.shares.append(options["registry_name"])
        shutil.copytree(self.files(name, version), self.target.files(*key))
        self.target.stored[key] = SimpleNamespace(name=key[0], version=key[1], path="", id="", tags={})

    def files(self, name: str, version: str) -> Path:
        return self.folder / name / version


@dataclass
class Jobs:
    """The `jobs` operations: completed ones, with the gate's output as a folder."""

    verdicts: dict[str, Path] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        if name not in self.verdicts:
            raise ResourceNotFoundError(f"no job {name}")
        return SimpleNamespace(name=name, status="Completed")

    def download(self, *, name: str, output_name: str, download_path: str) -> None:
        if self.verdicts[name].exists():
            shutil.copytree(self.verdicts[name], Path(download_path) / "named-outputs" / output_name)


@dataclass
class Place:
    """One workspace."""

    settings: Environment
    models: Models
    jobs: Jobs = field(default_factory=Jobs)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self)


@dataclass
class World:
    """Dev and staging, the registry between them, and a checkout."""

    folder: Path
    dev: Place
    staging: Place
    shared: Models
    releases: Releases
    at: datetime

    def trained(self, job: str = "job-1", content: str = "weights", **verdict: Any) -> str:
        """Let a job leave a model with a verdict, and register it in dev as champion; return its version."""
        model, gate = self.folder / job / "model", self.folder / job / "gate"
        model.mkdir(parents=True)
        (model / "weights").write_text(content)
        gate.mkdir()
        for place in (model, gate):
            (place / "MLmodel").write_text(json.dumps(MLMODEL))
        digits = folder_digest(model)
        checks = [{"name": "log_loss", "status": "pass"}, {"name": "latency", "status": "pass"}]
        content_of_gate = {
            "verdict": "pass",
            "rows": 100,
            "checks": checks,
            "model_sha256": digits,
            **verdict,
        }
        (gate / "gate.json").write_text(json.dumps(content_of_gate))
        self.dev.jobs.verdicts[job] = gate
        number = str(len(self.dev.models.stored) + 1)
        tags = {
            "training_job": job,
            "digest": f"sha256:{digits}",
            "training_data": "rows:1",
            "training_environment": "training:1",
            "code": "c0de",
        }
        self.dev.models.create_or_update(
            SimpleNamespace(name=MODEL, version=number, path=str(model), id="", tags=tags)
        )
        self.dev.registry.set_champion(MODEL, number)
        return number

    def retag(self, version: str, **tags: str | None) -> None:
        """Change tags of a version in dev."""
        stored = self.dev.models.stored[MODEL, version].tags
        for name, value in tags.items():
            if value is None:
                stored.pop(name)
            else:
                stored[name] = value

    def shared_models(self) -> SharedModels:
        return SharedModels("mlr-mlops", lambda: SimpleNamespace(models=self.shared))

    def promote(self, source: str = "dev", target: str = "staging", version: str | None = None) -> Promoted:
        place = {"dev": self.dev, "staging": self.staging}[source]
        return promote(
            place.settings,
            place,
            self.shared_models(),
            self.releases,
            usecase="classical",
            target=target,
            version=version,
            by="somebody",
            at=self.at,
            progress=lambda _: None,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    shared = Models(tmp_path / "registry")
    dev, staging = (Place(load(name), Models(tmp_path / name, target=shared)) for name in ("dev", "staging"))
    (tmp_path / "checkout" / FOLDER).mkdir(parents=True)
    releases = Releases(tmp_path / "checkout")
    return World(tmp_path, dev, staging, shared, releases, datetime(2026, 11, 26, tzinfo=UTC))

"""The two images that everything runs in, named by the lock file that they install.

An environment asset's version is the digest of its lock, so a job or a deployment that names
``serving:<digest>`` says exactly which packages it runs with, and a changed lock can never hide behind an
unchanged version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.errors import PipelineError

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

    from mlops.settings import Environment as Settings

__all__ = [
    "SERVER_PORT",
    "ImageSpecification",
    "serving_environment",
    "serving_specification",
    "training_environment",
    "training_specification",
]

ROOT = Path(__file__).resolve().parents[2]
# The port that azureml-inference-server-http listens on unless it is told otherwise.
SERVER_PORT = 5001
# Azure Container Registry's public domain: a login server is <registry name> + this.
_LOGIN_DOMAIN = "azurecr.io"
_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ImageSpecification:
    """One image: the lock that it installs, and the Dockerfile that installs it.

    Parameters
    ----------
    name
        Name of the environment asset, of the lock file and of the image's repository.
    lock, dockerfile
        The files that define the image.
    """

    name: str
    lock: Path
    dockerfile: Path

    @property
    def lock_digest(self) -> str:
        """SHA-256 of the lock file, as 64 hexadecimal digits."""
        return _digest(self.lock)

    @property
    def version(self) -> str:
        """The asset's version: the first 12 digits of the lock's digest."""
        return self.lock_digest[:_VERSION_DIGITS]

    @property
    def reference(self) -> str:
        """How a job or a deployment names this environment in its workspace."""
        return f"azureml:{self.name}:{self.version}"

    def image(self, settings: Settings) -> str:
        """Return the image's full name in the environment's own container registry."""
        return f"{settings.names.container_registry}.{_LOGIN_DOMAIN}/{self.name}:{self.version}"

    def tags(self) -> dict[str, str]:
        """Return what identifies the image's definition, for the asset's tags."""
        return {"lock_sha256": self.lock_digest, "dockerfile_sha256": _digest(self.dockerfile)}


def training_specification(root: Path = ROOT) -> ImageSpecification:
    """Return the image of pipeline steps."""
    return _specification("training", root)


def serving_specification(root: Path = ROOT) -> ImageSpecification:
    """Return the image of online deployments."""
    return _specification("serving", root)


def training_environment(settings: Settings, root: Path = ROOT) -> Environment:
    """Return the environment asset that pipeline steps run in.

    Parameters
    ----------
    settings
        The environment whose container registry holds the image.
    root
        The repository's root.

    Raises
    ------
    PipelineError
        The lock or the Dockerfile is missing.
    """
    from azure.ai.ml.entities import Environment  # noqa: PLC0415 - seconds that naming an image does not need

    specification = training_specification(root)
    return Environment(
        name=specification.name,
        version=specification.version,
        description="Image of pipeline steps, installed from environments/locks/training.txt",
        image=specification.image(settings),
        tags=specification.tags(),
    )


def serving_environment(settings: Settings, root: Path = ROOT) -> Environment:
    """Return the environment asset that online deployments run in.

    Its inference configuration makes it a custom container to Azure: without one, Azure would expect
    its own base image and try to start the server itself.

    Parameters
    ----------
    settings
        The environment whose container registry holds the image.
    root
        The repository's root.

    Raises
    ------
    PipelineError
        The lock or the Dockerfile is missing.
    """
    from azure.ai.ml.entities import Environment  # noqa: PLC0415 - see training_environment

    specification = serving_specification(root)
    return Environment(
        name=specification.name,
        version=specification.version,
        description="Image of online deployments, installed from environments/locks/serving.txt",
        image=specification.image(settings),
        tags=specification.tags(),
        inference_config={
            "liveness_route": {"port": SERVER_PORT, "path": "/"},
            "readiness_route": {"port": SERVER_PORT, "path": "/"},
            "scoring_route": {"port": SERVER_PORT, "path": "/score"},
        },
    )


def _specification(name: str, root: Path) -> ImageSpecification:
    return ImageSpecification(
        name=name,
        lock=root / "environments" / "locks" / f"{name}.txt",
        dockerfile=root / "pipelines" / "environments" / name / "Dockerfile",
    )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise PipelineError(
            "A file that defines a pinned environment is missing.",
            where=str(path),
            next_step="run `make lock` for a lock file, or restore the Dockerfile from git",
        ) from error

"""Brings a deployment's code and model to the folder that its server runs in."""

from __future__ import annotations

import errno
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig, Runtime
    from azureml_local.endpoints.deployment import Deployment
    from azureml_local.store import Resource, ResourceStore

__all__ = ["Mounts", "StorageInitializer", "runtime_of"]

_REGISTRY_ASSET = re.compile(r"azureml://registries/(?P<registry>[^/]+)/(?P<rest>.+)", re.IGNORECASE)
_WORKSPACE_ASSET = re.compile(r"azureml://locations/[^/]+/workspaces/[^/]+/(?P<rest>.+)", re.IGNORECASE)
_SHORT_ASSET = re.compile(r"azureml:(?P<name>[^:/]+):(?P<version>[^:/]+)")
_ENVIRONMENT = re.compile(r"/environments/(?P<name>[^/]+)/versions/(?P<version>[^/]+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where the server finds what it serves; the folder names are those inside Azure's image."""

    app_root: Path
    entry_script: str
    model_dir: Path | None


def runtime_of(environment_id: str, config: InstanceConfig) -> Runtime:
    """Return the interpreter that stands in for an environment's image.

    Raises
    ------
    AzureError
        When the environment's name has no runtime, or its version is not the digest of the
        runtime's lock: the server would then run other packages than the image.
    """
    match = _ENVIRONMENT.search(environment_id)
    known = ", ".join(sorted(config.runtimes)) or "none"
    runtime = config.runtimes.get(match["name"]) if match else None
    if match is None or runtime is None:
        raise AzureError(
            400,
            "ImageBuildFailure",
            f"No local runtime stands in for environment '{environment_id}'. Known environments: {known}.",
            target="properties.environmentId",
        )
    digest = runtime.digest()
    if digest is not None and match["version"] != digest:
        raise AzureError(
            400,
            "ImageBuildFailure",
            f"Environment '{match['name']}' has version '{match['version']}', but the local runtime was made "
            f"from lock '{digest}'. Register the environment again, so that its version names that lock.",
            target="properties.environmentId",
        )
    return runtime


class StorageInitializer:
    """Copies code and model out of the blob store, as Azure's container of the same name does.

    Copies, never links: a server that writes beside its model must not change the asset.
    """

    def __init__(self, *, store: ResourceStore, blobs: BlobStore, config: InstanceConfig) -> None:
        self._store = store
        self._blobs = blobs
        self._config = config

    def mount(self, deployment: Deployment, folder: Path, log: Path) -> Mounts:
        """Fill an empty folder with what the deployment serves.

        Parameters
        ----------
        deployment
            The deployment.
        folder
            Folder that becomes the image's ``/var/azureml-app``.
        log
            File that tells what was copied from where.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as lines:

            def say(text: str) -> None:
                lines.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} I {text}\n")

            try:
                app_root, script = self._mount_code(deployment, folder)
                say(f"Code {deployment.code_id} is at {app_root}")
                model_dir = self._mount_model(deployment, folder) if deployment.model_id else None
                say(f"Model {deployment.model_id} is at {model_dir}")
            except AzureError as error:
                say(f"Failed: {error}")
                raise
            except OSError as error:
                say(f"Failed: {error}")
                raise _storage_error(error) from error
        return Mounts(app_root, script, model_dir)

    def asset(self, kind: str, asset_id: str, deployment_id: str = "") -> Resource:
        """Return the version of an asset that an id of any of Azure's forms names.

        Parameters
        ----------
        kind
            ``models`` and its like, for an id that does not say it.
        asset_id
            The id.
        deployment_id
            Whose workspace an id means that names none; the one that runs jobs by default.
        """
        workspace_id = deployment_id.partition("/onlineEndpoints/")[0] or self._config.workspace_id
        if match := _REGISTRY_ASSET.fullmatch(asset_id):
            if match["registry"].lower() != self._config.registry.lower():
                raise AzureError(
                    404,
                    "RegistryNotFound",
                    f"Registry '{match['registry']}' is unknown; the only one is '{self._config.registry}'.",
                )
            return self._store.require(f"{self._config.registry_id}/{match['rest']}")
        if match := _WORKSPACE_ASSET.fullmatch(asset_id):
            return self._store.require(f"{workspace_id}/{match['rest']}")
        if match := _SHORT_ASSET.fullmatch(asset_id):
            return self._store.require(f"{workspace_id}/{kind}/{match['name']}/versions/{match['version']}")
        return self._store.require("/" + asset_id.strip("/"))

    def _mount_code(self, deployment: Deployment, folder: Path) -> tuple[Path, str]:
        code = self.asset("codes", deployment.code_id, deployment.id)
        source = self._blobs.resolve(code.properties["codeUri"])
        if source.is_file():
            source = source.parent
        target = folder / "code"
        _copy(source, target)
        wanted = target / deployment.scoring_script
        if not wanted.is_file():
            # A code asset may hold the folder itself, or only what is in it.
            found = [path for path in target.rglob(wanted.name) if path.match(deployment.scoring_script)]
            if len(found) != 1:
                raise AzureError(
                    400,
                    "ScoringScriptNotFound",
                    f"The code of deployment '{deployment.name}' has no file '{deployment.scoring_script}'.",
                    target="properties.codeConfiguration.scoringScript",
                )
            wanted = found[0]
        return wanted.parent, wanted.name

    def _mount_model(self, deployment: Deployment, folder: Path) -> Path:
        model_id = deployment.model_id or ""
        model = self.asset("models", model_id, deployment.id)
        source = self._blobs.resolve(model.body["properties"]["modelUri"])
        *_, name, _versions, version = model.id.split("/")
        model_dir = folder / "azureml-models" / name / version
        _copy(source, model_dir / source.name)
        return model_dir


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise AzureError(404, "BlobNotFound", f"Nothing is stored at '{source.name}'.")
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _storage_error(error: OSError) -> AzureError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AzureError(
            507, "OutOfDiskSpace", "The disk is full: code and model of the deployment could not be copied."
        )
    return AzureError(500, "StorageInitializerFailed", f"Code and model could not be copied: {error}.")

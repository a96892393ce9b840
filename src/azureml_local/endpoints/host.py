"""The running deployments of an instance of the control plane."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

from azureml_local.endpoints.collector import CollectorAgent, write_collector_settings
from azureml_local.endpoints.credentials import EndpointCredentials
from azureml_local.endpoints.deployment import read_deployment
from azureml_local.endpoints.inference_server import InferenceServer, server_environment
from azureml_local.endpoints.instance import Instance
from azureml_local.endpoints.log_file import tail as tail_of
from azureml_local.endpoints.router import EndpointTable, ScoringRouter
from azureml_local.endpoints.storage_initializer import StorageInitializer, runtime_of
from azureml_local.endpoints.traffic import MirrorSplit, TrafficSplit
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig
    from azureml_local.endpoints.deployment import Collection, Deployment
    from azureml_local.store import ResourceStore

__all__ = ["EndpointHost"]

_DEPLOYMENTS = "workspaces/onlineEndpoints/deployments"
_STARTS_AT_A_TIME = 2
_LOGS = {"inferenceserver": "inference-server.log", "storageinitializer": "storage-initializer.log"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

_logger = logging.getLogger(__name__)


class EndpointHost:
    """Runs deployments and routes scoring requests to them.

    Parameters
    ----------
    store, blobs, config
        State of the control plane.
    base_url
        Address of the control plane.
    home
        Folder for the files of running deployments.
    verify_entra
        Takes an ``Authorization`` header and raises AzureError when its token is not good; for
        endpoints with Entra token authentication.
    """

    def __init__(
        self,
        *,
        store: ResourceStore,
        blobs: BlobStore,
        config: InstanceConfig,
        base_url: str,
        home: Path,
        verify_entra: Callable[[str | None], object] | None = None,
    ) -> None:
        self.credentials = EndpointCredentials(store)
        self.router = ScoringRouter(self._table, self._instance)
        self._store = store
        self._blobs = blobs
        self._config = config
        self._base_url = base_url
        self._folder = home / "endpoints"
        self._verify_entra = verify_entra
        self._initializer = StorageInitializer(store=store, blobs=blobs, config=config)
        self._instances: dict[tuple[str, str], Instance] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def deploy(self, deployment_id: str) -> None:
        """Start a deployment, or replace the running one once the new one is ready.

        Raises
        ------
        AzureError
            It cannot run or did not become ready; the one that ran before goes on.
        """
        resource = await asyncio.to_thread(self._store.require, deployment_id)
        deployment = read_deployment(resource)
        key = _key(deployment_id)
        async with self._locks[key]:
            instance = await self._start(deployment)
            replaced = self._instances.get(key)
            self._instances[key] = instance
            self.refresh(deployment_id)
            if replaced is not None:
                await replaced.retire()
            await asyncio.to_thread(self._drop_revisions, instance.folder.parent, keep=instance.folder)

    async def remove(self, deployment_id: str) -> None:
        """Stop a deployment and delete its files; one that does not run is fine."""
        key = _key(deployment_id)
        async with self._locks[key]:
            instance = self._instances.pop(key, None)
            self.refresh(deployment_id)
            if instance is not None:
                await instance.retire()
            await asyncio.to_thread(shutil.rmtree, self._folder_of(key), ignore_errors=True)

    async def recover(self) -> None:
        """Start the deployments that ran when the control plane stopped; failures are logged."""
        places = asyncio.Semaphore(_STARTS_AT_A_TIME)

        async def start(deployment_id: str) -> None:
            async with places:
                try:
                    await self.deploy(deployment_id)
                except AzureError as error:
                    _logger.error("deployment %s did not come back: %s", deployment_id, error)  # noqa: TRY400

        deployments = await asyncio.to_thread(self._store.of_type, _DEPLOYMENTS)
        ran = [each.id for each in deployments if each.properties.get("provisioningState") == "Succeeded"]
        await asyncio.gather(*(start(deployment_id) for deployment_id in ran))

    async def close(self) -> None:
        """Stop every deployment; collected data is written first."""
        await self.router.close()
        instances, self._instances = list(self._instances.values()), {}
        await asyncio.gather(*(instance.retire() for instance in instances))

    def logs(self, deployment_id: str, tail: int = 5000, container: str = "InferenceServer") -> str:
        """Return the last lines of a container's log, of the newest start, failed ones included.

        Parameters
        ----------
        deployment_id
            ARM id of the deployment.
        tail
            Most lines.
        container
            ``InferenceServer`` or ``StorageInitializer``, or as the SDK and CLI write them.
        """
        name = _LOGS.get(container.lower().replace("-", "").replace("_", ""))
        if name is None:
            raise AzureError(
                400, "UserError", f"'{container}' is not a container type.", target="containerType"
            )
        folder = self._folder_of(_key(deployment_id))
        revisions = sorted(folder.iterdir()) if folder.is_dir() else []
        return tail_of(revisions[-1] / name, tail) if revisions else ""

    def refresh(self, endpoint_id: str) -> None:
        """Take note that an endpoint has changed: traffic, keys or deployments; safe from any thread."""
        self.router.refresh(_endpoint_name(endpoint_id))

    def port_of(self, deployment_id: str) -> int | None:
        """Return the loopback port of a running deployment's server."""
        instance = self._instances.get(_key(deployment_id))
        return instance.server.port if instance else None

    def add_routes(self, application: web.Application) -> None:
        """Serve the scoring addresses."""
        for path in ("score", "swagger.json", ""):
            application.router.add_route("*", f"/endpoints/{{endpoint}}/{path}", self.router.handle)

    def scoring_uri(self, endpoint_name: str) -> str:
        """Return the scoring address of an endpoint."""
        return f"{self._base_url}/endpoints/{endpoint_name}/score"

    def swagger_uri(self, endpoint_name: str) -> str:
        """Return the address of an endpoint's API description."""
        return f"{self._base_url}/endpoints/{endpoint_name}/swagger.json"

    def _instance(self, endpoint: str, deployment: str) -> Instance | None:
        return self._instances.get((endpoint, deployment))

    def _table(self, endpoint: str) -> EndpointTable | None:
        # A name is an endpoint's alone within a region, so it tells the workspace.
        found = (self._store.get(f"{each}/onlineEndpoints/{endpoint}") for each in self._config.workspace_ids)
        resource = next(filter(None, found), None)
        if resource is None:
            return None
        properties = resource.properties
        deployments = self._store.children(f"{resource.id}/deployments")
        return EndpointTable(
            authenticator=self.credentials.authenticator(
                resource.id, str(properties.get("authMode") or "Key"), self._verify_entra
            ),
            traffic=TrafficSplit(_percentages(properties.get("traffic"))),
            mirror=MirrorSplit(_percentages(properties.get("mirrorTraffic"))),
            deployments=frozenset(each.name.lower() for each in deployments),
        )

    async def _start(self, deployment: Deployment) -> Instance:
        runtime = runtime_of(deployment.environment_id, self._config)
        instance_id = uuid.uuid4().hex
        # Sorts by time: the newest start is the last.
        folder = self._folder_of(_key(deployment.id)) / f"{time.time_ns():020d}-{instance_id[:8]}"
        home = folder / "home"
        await asyncio.to_thread(home.mkdir, parents=True)
        app = folder / "azureml-app"
        copied = folder / "storage-initializer.log"
        mounts = await asyncio.to_thread(self._initializer.mount, deployment, app, copied)
        settings = folder / "collector.json"
        agent, collector_port = None, None
        if deployment.data.collections:
            folders = self._data_folders(deployment)
            agent = CollectorAgent(deployment, folders, self._blobs, instance_id=instance_id)
            collector_port = await agent.start()
            write_collector_settings(deployment, settings)
        environment = server_environment(
            deployment,
            mounts,
            runtime,
            home=home,
            instance_id=instance_id,
            collector_port=collector_port,
            collector_settings=settings,
        )
        log = folder / "inference-server.log"
        server = InferenceServer(deployment, runtime.python, environment, cwd=mounts.app_root, log=log)
        try:
            await server.start()
        except BaseException:
            if agent is not None:
                await agent.close()
            await asyncio.to_thread(shutil.rmtree, app, ignore_errors=True)
            raise
        return Instance(deployment, server, agent, folder)

    def _data_folders(self, deployment: Deployment) -> dict[str, tuple[str, str]]:
        return {
            name: self._blobs.locate(self._data_uri(deployment, collection))
            for name, collection in deployment.data.collections.items()
        }

    def _data_uri(self, deployment: Deployment, collection: Collection) -> str:
        if collection.data_id is not None:
            found = self._initializer.asset("data", collection.data_id, deployment.id)
            uri: str = found.properties["dataUri"]
            return uri
        workspace = deployment.id.partition("/onlineEndpoints/")[0].rpartition("/")[2]
        return (
            f"azureml://workspaces/{workspace}/datastores/workspaceblobstore/paths/modelDataCollector"
            f"/{deployment.endpoint}/{deployment.name}/{collection.name}"
        )

    def _folder_of(self, key: tuple[str, str]) -> Path:
        return self._folder.joinpath(*key)

    @staticmethod
    def _drop_revisions(folder: Path, *, keep: Path) -> None:
        for revision in folder.iterdir():
            if revision != keep:
                shutil.rmtree(revision, ignore_errors=True)


def _key(deployment_id: str) -> tuple[str, str]:
    parts = deployment_id.strip("/").lower().split("/")
    endpoint, deployment = parts[-3], parts[-1]
    for name in (endpoint, deployment):
        # They become folder names.
        if not _NAME.fullmatch(name):
            raise AzureError(400, "UserError", f"'{name}' is not a name of an endpoint or deployment.")
    return endpoint, deployment


def _endpoint_name(resource_id: str) -> str:
    parts = resource_id.strip("/").lower().split("/")
    return parts[parts.index("onlineendpoints") + 1]


def _percentages(given: dict[str, int] | None) -> dict[str, int]:
    return {name.lower(): int(percent) for name, percent in (given or {}).items()}

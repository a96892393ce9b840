from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from azureml_local.blobs import BlobStore
from azureml_local.config import InstanceConfig, Runtime
from azureml_local.endpoints import EndpointHost
from azureml_local.store import ResourceStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

FIXTURES = Path(__file__).with_name("fixtures")
SERVING = Path(__file__).parents[3] / ".venv-serving" / "bin" / "python"
CONTAINER = "workspaceblobstore"


@dataclass
class Client:
    """Calls endpoints of one host as a client of the service would."""

    session: aiohttp.ClientSession
    base_url: str

    async def score(
        self, endpoint: str, order: Any, *, key: str | None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        url = f"{self.base_url}/endpoints/{endpoint}/score"
        async with self.session.post(url, json=order, headers=sent) as response:
            text = await response.text()
            with contextlib.suppress(ValueError):
                return response.status, response.headers, json.loads(text)
            return response.status, response.headers, text


@dataclass
class Workspace:
    """The state of a control plane with endpoints put straight into it, and hosts that run on it."""

    home: Path
    store: ResourceStore
    blobs: BlobStore
    config: InstanceConfig
    hosts: list[EndpointHost] = field(default_factory=list)

    def add(self, path: str, properties: Mapping[str, Any], **body: Any) -> str:
        resource_id = f"{self.config.workspace_id}/{path}"
        self.store.put(resource_id, {"properties": dict(properties), **body})
        return resource_id

    def add_code(self, name: str, source: Path | Mapping[str, str]) -> str:
        folder = self.blobs.path(f"{name}-code", "code")
        if isinstance(source, Path):
            shutil.copytree(source, folder)
        else:
            for file, content in source.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(content)
        return self.add(f"codes/{name}/versions/1", {"codeUri": self.blobs.url(f"{name}-code", "code")})

    def add_model(self, name: str = "linear") -> str:
        folder = self.blobs.path(CONTAINER, f"models/{name}/model")
        folder.mkdir(parents=True)
        (folder / "weights.json").write_text(json.dumps({"x": 2.0, "y": 1.0}))
        uri = f"azureml://datastores/{CONTAINER}/paths/models/{name}/model"
        return self.add(f"models/{name}/versions/3", {"modelUri": uri})

    def add_endpoint(self, name: str = "price", **properties: Any) -> str:
        return self.add(f"onlineEndpoints/{name}", {"authMode": "Key", **properties})

    def add_deployment(
        self,
        name: str,
        code_id: str,
        *,
        endpoint: str = "price",
        collect: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> str:
        stated = {
            "endpointComputeType": "Managed",
            "environmentId": f"{self.config.workspace_id}/environments/serving/versions/1",
            "codeConfiguration": {"codeId": code_id, "scoringScript": "score.py"},
            "requestSettings": {"maxConcurrentRequestsPerInstance": 50, "requestTimeout": "PT20S"},
            "environmentVariables": {"LABEL": name},
            "provisioningState": "Succeeded",
        }
        if collect is not None:
            stated["dataCollector"] = collect
        return self.add(f"onlineEndpoints/{endpoint}/deployments/{name}", stated | properties)

    @staticmethod
    async def eventually(condition: Callable[[], bool], patience: float = 20.0) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            await asyncio.sleep(0.02)

    def lines(
        self, collection: str, *, endpoint: str = "price", deployment: str = "blue"
    ) -> list[dict[str, Any]]:
        folder = self.blobs.path(CONTAINER, f"modelDataCollector/{endpoint}/{deployment}/{collection}")
        texts = [path.read_text() for path in sorted(folder.rglob("*.jsonl"))]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    @contextlib.asynccontextmanager
    async def serve(self, **options: Any) -> AsyncIterator[tuple[EndpointHost, Client]]:
        host = EndpointHost(
            store=self.store,
            blobs=self.blobs,
            config=self.config,
            base_url="http://x",
            home=self.home,
            **options,
        )
        self.hosts.append(host)
        application = web.Application()
        host.add_routes(application)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with aiohttp.ClientSession() as session:
                yield host, Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await host.close()
            await runner.cleanup()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    runtimes = {"serving": Runtime("serving", SERVING)}
    config = InstanceConfig(home=tmp_path, runtimes=runtimes)
    store = ResourceStore(tmp_path / "state.db")
    blobs = BlobStore(
        tmp_path / "blobs", store, account=config.account, key="a2V5", base_url="http://127.0.0.1:1"
    )
    yield Workspace(tmp_path, store, blobs, config)
    store.close()

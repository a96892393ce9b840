"""An instance that can run jobs, and the real SDK client for it."""

from __future__ import annotations

import contextlib
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.blobs import BlobStore
from azureml_local.config import InstanceConfig, Runtime
from azureml_local.jobs import JobService
from azureml_local.store import ResourceStore
from azureml_local.testing import RunningServer
from azureml_local.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The interpreter that runs the tests stands in for the image; no lock, since none describes it.
CONTAINERS = {"workspaceblobstore": "azureml-blobstore-test", "workspaceartifactstore": "azureml"}
RUNTIMES = {"training": Runtime("training", Path(sys.executable))}


@pytest.fixture(scope="session")
def job_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(InstanceConfig(home=tmp_path_factory.mktemp("jobs"), runtimes=RUNTIMES)) as running:
        yield running


@pytest.fixture(scope="session")
def ml(job_server: RunningServer, connect: Callable[..., Any]) -> Any:
    """The SDK's client for an instance with the environment `training`."""
    from azure.ai.ml.entities import Environment

    config = job_server.config
    client = connect(
        job_server.server.connection(),
        config.subscription_id,
        resource_group_name=config.resource_group,
        workspace_name=config.workspace,
    )
    client.environments.create_or_update(Environment(name="training", version="1", image="local/training:1"))
    return client


class Bench:
    """A job service without a server: assets, bodies as the SDK sends them, and what became of a job."""

    def __init__(self, home: Path, **settings: Any) -> None:
        defaults: dict[str, Any] = {"runtimes": RUNTIMES, "job_slots": 3}
        self.config = InstanceConfig(home=home, **(defaults | settings))
        home.mkdir(exist_ok=True)
        self.store = ResourceStore(home / "state.db")
        self.blobs = BlobStore(
            home / "blobs",
            self.store,
            account=self.config.account,
            key="a2V5",
            base_url="https://127.0.0.1:1",
            quota_bytes=self.config.blob_quota_bytes,
            datastore_container=lambda name, _: CONTAINERS[name],
        )
        for container in CONTAINERS.values():
            self.blobs.create_container(container)
        self.service = JobService(
            store=self.store,
            blobs=self.blobs,
            tracking=Tracking(self.store),
            config=self.config,
            base_url="https://127.0.0.1:1",
            token=lambda: "a-token",
        )
        self.put("environments/training/versions/1", image="local/training:1")

    def close(self) -> None:
        self.service.close()
        self.store.close()

    def put(self, path: str, **properties: Any) -> str:
        """Store a resource of the workspace and return its id."""
        return self.store.put(f"{self.config.workspace_id}/{path}", {"properties": properties}).id

    def data(self, name: str, content: str | dict[str, str]) -> dict[str, Any]:
        """Store a data asset and return it as an input of a job."""
        files = (
            {f"data/{name}": content}
            if isinstance(content, str)
            else {f"data/{name}/{path}": text for path, text in content.items()}
        )
        for path, text in files.items():
            self.blobs.write(CONTAINERS["workspaceblobstore"], path, text.encode())
        kind = "uri_file" if isinstance(content, str) else "uri_folder"
        uri = f"azureml://datastores/workspaceblobstore/paths/data/{name}"
        asset = self.put(f"data/{name}/versions/1", dataUri=uri, dataType=kind)
        return {"jobInputType": kind, "uri": asset}

    def code(self, name: str, files: dict[str, str]) -> str:
        """Store a code asset; `files` are texts by name."""
        for file, text in files.items():
            self.blobs.write(CONTAINERS["workspaceblobstore"], f"code/{name}/{file}", text.encode())
        uri = self.blobs.url(CONTAINERS["workspaceblobstore"], f"code/{name}")
        return self.put(f"codes/{name}/versions/1", codeUri=uri)

    def node(
        self, name: str, command: str, *, bind: dict[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        """Store a component and return a node that runs it; a port may be given by its type alone."""
        node = spec.pop("node", {})
        for ports in ("inputs", "outputs"):
            given = spec.get(ports, {})
            spec[ports] = {
                port: {"type": kind} if isinstance(kind, str) else kind for port, kind in given.items()
            }
        environment = f"azureml:{self.config.workspace_id}/environments/training/versions/1"
        component = {"type": "command", "name": name, "command": command, "environment": environment} | spec
        digest = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(component, sort_keys=True))
        component_id = self.put(f"components/azureml_anonymous/versions/{digest}", componentSpec=component)
        inputs, outputs = {}, {}
        for port, value in (bind or {}).items():
            if port in spec["outputs"]:
                outputs[port] = {"value": value, "type": "literal"}
            else:
                inputs[port] = {"value": value, "job_input_type": "literal"}
        bound = {"componentId": component_id, "inputs": inputs, "outputs": outputs}
        return {"name": name, "type": "command", **bound, **node}

    def pipeline(self, *nodes: dict[str, Any], **properties: Any) -> dict[str, Any]:
        """Return the body of a pipeline job."""
        jobs = {node["name"]: node for node in nodes}
        return {"properties": {"jobType": "Pipeline", "experimentName": "tests", "jobs": jobs, **properties}}

    def command(self, command: str, **properties: Any) -> dict[str, Any]:
        """Return the body of a command job."""
        environment = f"{self.config.workspace_id}/environments/training/versions/1"
        known = {"jobType": "Command", "command": command, "environmentId": environment}
        return {"properties": known | properties}

    def submit(self, body: dict[str, Any], name: str | None = None) -> str:
        """Check, store and start a job as the ARM routes do; return its id."""
        job_id = f"{self.config.workspace_id}/jobs/{name or uuid.uuid4().hex}"
        self.service.check(job_id, body)
        properties = {"status": "NotStarted", "properties": {}} | body["properties"]
        self.store.put(job_id, {"properties": properties})
        self.service.submit(job_id)
        return job_id

    def run(self, body: dict[str, Any], *, status: str = "Completed") -> dict[str, Any]:
        """Run a job to its end and return its properties."""
        job_id = self.submit(body)
        self.service.wait(job_id, 30)
        properties = self.store.require(job_id).properties
        assert properties["status"] == status, properties.get("error")
        return properties | {"name": job_id.rsplit("/", 1)[-1]}

    def children(self, job: str) -> dict[str, dict[str, Any]]:
        """Return the properties of a pipeline's nodes by their names."""
        return {
            child.properties["displayName"]: child.properties
            for child in self.store.children(f"{self.config.workspace_id}/jobs")
            if child.properties.get("parentJobName") == job.rsplit("/", 1)[-1]
        }

    def read(self, output: dict[str, Any], path: str = "") -> str:
        """Return the text of an output, or of a file below it."""
        found = self.blobs.resolve(output["uri"])
        return (found / path if path else found).read_text()


@pytest.fixture
def new_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Make benches over the test's folder; each new one is the instance after a restart."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Bench:
            made = Bench(tmp_path / "instance", **settings)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def bench(new_bench: Callable[..., Bench]) -> Bench:
    return new_bench()

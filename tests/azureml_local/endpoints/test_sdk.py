"""Online endpoints through the real azure-ai-ml client and a whole control plane."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.entities import (
    CodeConfiguration,
    DataCollector,
    DeploymentCollection,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from azureml_local.config import InstanceConfig, Runtime
from azureml_local.testing import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

pytestmark = pytest.mark.e2e

FIXTURES = Path(__file__).with_name("fixtures")
SERVING = Path(__file__).parents[3] / ".venv-serving" / "bin" / "python"


def config(home: Path) -> InstanceConfig:
    return InstanceConfig(home=home, runtimes={"serving": Runtime("serving", SERVING)})


def client_of(server: RunningServer, connect: Callable[..., Any]) -> MLClient:
    client: MLClient = connect(
        server.server.connection(),
        server.config.subscription_id,
        resource_group_name=server.config.resource_group,
        workspace_name=server.config.workspace,
    )
    return client


def deployment(name: str, model: Any, environment: Any, *, code: str = "linear", collect: bool = True) -> Any:
    collections = {each: DeploymentCollection(enabled="true") for each in ("model_inputs", "model_outputs")}
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name="price",
        model=model,
        environment=environment,
        code_configuration=CodeConfiguration(code=str(FIXTURES / code), scoring_script="score.py"),
        environment_variables={"LABEL": name},
        instance_type="Standard_DS3_v2",
        instance_count=1,
        request_settings=OnlineRequestSettings(
            request_timeout_ms=20_000, max_concurrent_requests_per_instance=10
        ),
        data_collector=DataCollector(collections=collections) if collect else None,
    )


def deploy(client: MLClient, folder: Path) -> None:
    weights = folder / "model"
    weights.mkdir()
    (weights / "weights.json").write_text(json.dumps({"x": 2.0, "y": 1.0}))
    environment = client.environments.create_or_update(
        Environment(name="serving", version="1", image="serving:1")
    )
    model = client.models.create_or_update(Model(name="linear", path=str(weights), type="custom_model"))
    client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="price", auth_mode="key")
    ).result()
    for name in ("blue", "green"):
        client.online_deployments.begin_create_or_update(deployment(name, model.id, environment.id)).result()


def set_traffic(client: MLClient, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> Any:
    endpoint = client.online_endpoints.get("price")
    endpoint.traffic = traffic
    endpoint.mirror_traffic = mirror or {}
    return client.online_endpoints.begin_create_or_update(endpoint).result()


def score(client: MLClient, ca_bundle: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    endpoint = client.online_endpoints.get("price")
    key = client.online_endpoints.get_keys("price").primary_key
    request = urllib.request.Request(
        endpoint.scoring_uri,
        data=json.dumps({"data": [[1, 2]]}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | headers,
    )
    context = ssl.create_default_context(cafile=ca_bundle)
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, dict(response.headers), json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def lines(server: RunningServer, deployment_name: str, collection: str) -> list[dict[str, Any]]:
    blobs = server.plane.blobs
    uri = f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/price/{deployment_name}/{collection}"
    texts = [path.read_text() for path in blobs.resolve(uri).rglob("*.jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_an_endpoint_with_two_deployments_from_creation_to_deletion(
    tmp_path: Path, connect: Callable[..., Any]
) -> None:
    home = tmp_path / "home"
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"data": [[1, 2]]}))
    with RunningServer(config(home)) as server:
        client = client_of(server, connect)
        ca_bundle = str(server.server.connection()["ca_bundle"])
        deploy(client, tmp_path)
        assert client.online_deployments.get("blue", "price").provisioning_state == "Succeeded"

        set_traffic(client, {"blue": 80, "green": 20})
        answers = [score(client, ca_bundle) for _ in range(20)]
        assert Counter(headers["azureml-model-deployment"] for _, headers, _ in answers) == {
            "blue": 16,
            "green": 4,
        }
        assert all(content == {"predictions": [4.0]} for _, _, content in answers)
        invoked = client.online_endpoints.invoke("price", request_file=str(request), deployment_name="green")
        assert json.loads(invoked) == {"predictions": [4.0]}

        set_traffic(client, {"blue": 100, "green": 0}, {"green": 50})
        answers = [score(client, ca_bundle) for _ in range(10)]
        assert {headers["azureml-model-deployment"] for _, headers, _ in answers} == {"blue"}
        router = server.plane.endpoints.router

        async def mirrored() -> int:
            return router.mirrored["price", "green"]

        while server.run(mirrored()) < 5:
            pass

        assert "POST /score" in client.online_deployments.get_logs("blue", "price", lines=50)
        initialised = client.online_deployments.get_logs(
            "blue", "price", lines=50, container_type="storage-initializer"
        )
        assert "azureml-models/linear/" in initialised

        set_traffic(client, {"blue": 100, "green": 0})
        client.online_deployments.begin_delete("green", "price").result()
        with pytest.raises(ResourceNotFoundError):
            client.online_deployments.get("green", "price")
        assert score(client, ca_bundle, **{"azureml-model-deployment": "green"})[0] == 404
        old_key = client.online_endpoints.get_keys("price").primary_key
        client.online_endpoints.begin_regenerate_keys("price", key_type="primary").result()
        assert client.online_endpoints.get_keys("price").primary_key != old_key
        assert score(client, ca_bundle)[0] == 200
        assert score(client, ca_bundle, Authorization=f"Bearer {old_key}")[0] == 401

    with RunningServer(config(home)) as server:
        client = client_of(server, connect)
        ca_bundle = str(server.server.connection()["ca_bundle"])
        status, _, content = score(client, ca_bundle)
        assert (status, content) == (200, {"predictions": [4.0]}), "blue came back on its own"
        # 16 + 10 + 1 as live traffic, then the one after the restart.
        client.online_endpoints.begin_delete("price").result()
        assert len(lines(server, "blue", "model_inputs")) == len(lines(server, "blue", "model_outputs")) == 28
        assert len(lines(server, "green", "model_inputs")) == 4 + 1 + 5


def test_a_deployment_that_cannot_start_fails_as_on_azure(
    tmp_path: Path, connect: Callable[..., Any]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "score.py").write_text(
        "def init():\n    raise RuntimeError('weights are missing')\n\ndef run(data): ...\n"
    )
    with RunningServer(config(tmp_path / "home")) as server:
        client = client_of(server, connect)
        environment = client.environments.create_or_update(
            Environment(name="serving", version="1", image="serving:1")
        )
        other = client.environments.create_or_update(Environment(name="other", version="1", image="other:1"))
        client.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="price", auth_mode="key")
        ).result()
        wanted = deployment("blue", None, environment.id, code=str(broken), collect=False)
        with pytest.raises(HttpResponseError, match="weights are missing") as failed:
            client.online_deployments.begin_create_or_update(wanted).result()
        assert failed.value.error is not None
        assert failed.value.error.code == "ResourceNotReady"
        assert client.online_deployments.get("blue", "price").provisioning_state == "Failed"
        assert "weights are missing" in client.online_deployments.get_logs("blue", "price", lines=100)
        with pytest.raises(HttpResponseError, match="Known environments: serving"):
            client.online_deployments.begin_create_or_update(
                deployment("blue", None, other.id, code="plain", collect=False)
            ).result()
        repaired = deployment("blue", None, environment.id, code="plain", collect=False)
        assert (
            client.online_deployments.begin_create_or_update(repaired).result().provisioning_state
            == "Succeeded"
        )

"""A running instance and the real SDK client, shared by all tests of the control plane."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.config import InstanceConfig
from azureml_local.testing import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.ai.ml import MLClient


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """An instance in this process; tests use names of their own in it."""
    with RunningServer(InstanceConfig(home=tmp_path_factory.mktemp("instance"))) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no faults behind, and point uploads at the shared instance again after another one had them."""
    if "client" in request.fixturenames:
        from azure.ai.ml.constants import _common

        _common.STORAGE_ACCOUNT_URLS["AzureBlob"] = f"{request.getfixturevalue('server').plane.base_url}/{{}}"
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").plane.faults.clear()


@pytest.fixture(scope="session")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Return a function that points the unpatched SDK (but for one template) at an instance."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.constants import _common
    from azure.identity import ClientSecretCredential

    before = {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", _common.AZUREML_CLOUD_ENV_NAME)}
    # The SDK takes the authority to trust from the environment: one file for the instances of all tests.
    bundle = tmp_path_factory.mktemp("authorities") / "ca.pem"
    template = _common.STORAGE_ACCOUNT_URLS["AzureBlob"]

    def connect_to(connection: dict[str, Any], subscription_id: str, **scope: str) -> MLClient:
        base = connection["base_url"]
        with bundle.open("ab") as stream:
            stream.write(Path(connection["ca_bundle"]).read_bytes())
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        _common.STORAGE_ACCOUNT_URLS["AzureBlob"] = f"{connection['storage_url']}/{{}}"
        credential = ClientSecretCredential(
            connection["tenant_id"],
            connection["client_id"],
            connection["client_secret"],
            authority=base,
            disable_instance_discovery=True,
        )
        metadata = {
            "azure_portal": base,
            "resource_manager": base,
            "active_directory": base,
            "aml_resource_id": base,
            "storage_endpoint": "local",
            "registry_discovery_endpoint": f"{base}/",
        }
        from azure.ai.ml import _azure_environments

        cloud = f"Embedded-{base.rsplit(':', 1)[-1]}"
        # The SDK keeps its clouds per process and refuses to add one twice.
        _azure_environments._environments.pop(cloud, None)
        return MLClient(
            credential,
            subscription_id,
            enable_telemetry=False,
            show_progress=False,
            cloud=cloud,
            cloud_metadata=metadata,
            **scope,
        )

    yield connect_to
    _common.STORAGE_ACCOUNT_URLS["AzureBlob"] = template
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def client(server: RunningServer, connect: Callable[..., Any]) -> Any:
    """The SDK's client for the workspace of ``server``."""
    config = server.config
    return connect(
        server.server.connection(),
        config.subscription_id,
        resource_group_name=config.resource_group,
        workspace_name=config.workspace,
    )


@pytest.fixture(scope="session")
def registry_client(server: RunningServer, client: Any, connect: Callable[..., Any]) -> Any:
    """The SDK's client for the registry of ``server``."""
    config = server.config
    return connect(server.server.connection(), config.subscription_id, registry_name=config.registry)

"""The same verbs send the same requests to both control planes: only hosts and generated ids differ.

Azure cannot be reached from a test, so what the client would send to `management.azure.com` and to the blob
storage of a real account is recorded on its way out, and then answered by an embedded control plane.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.constants import _common
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential

import mlops.client
from azureml_local.config import InstanceConfig
from azureml_local.testing import RunningServer
from mlops.assets import ensure_data, ensure_environment
from mlops.client import Home, connect
from mlops.jobs import submit
from mlops.settings import ROOT, Environment, load
from mlops.usecase import load_usecase
from pipelines import scoring, training
from pipelines.environments import serving_environment, training_environment

AZURE = "https://management.azure.com"
BLOBS = re.compile(r"https://(?P<account>[a-z0-9]+)\.blob\.core\.windows\.net")
NORMAL_FORMS = (
    (re.compile(r"https://127\.0\.0\.1:\d+|https://management\.azure\.com"), "{host}"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "{guid}"),
    (re.compile(r"/jobs/[\w-]+"), "/jobs/{job}"),
    (re.compile(r"/\{guid\}\?.*"), "/{guid}"),
)


@dataclass
class Recorder:
    """Writes down what goes to a control plane, and sends it to the embedded one."""

    base_url: str
    requests: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def send(self, send: Callable[..., Any], request: Any) -> Any:
        host = request.url.split("/")[2]
        if "/subscriptions/" in request.url and request.method in {"PUT", "POST", "PATCH"}:
            self.hosts.add(host)
            body = request.content if hasattr(request, "content") else request.data
            self.requests.append(self._normal(f"{request.method} {request.url}\n{self._text(body)}"))
        request.url = BLOBS.sub(rf"{self.base_url}/\g<account>", request.url.replace(AZURE, self.base_url))
        return send(request)

    def _normal(self, text: str) -> str:
        for pattern, name in NORMAL_FORMS:
            text = pattern.sub(name, text)
        return text

    @staticmethod
    def _text(body: Any) -> str:
        return json.dumps(json.loads(body), indent=1, sort_keys=True) if body else ""


@contextlib.contextmanager
def recorded(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder(base_url)
    plain = RequestsTransport.send

    def send(self: RequestsTransport, request: Any, **options: Any) -> Any:
        return recorder.send(lambda rewritten: plain(self, rewritten, **options), request)

    with monkeypatch.context() as patch:
        patch.setattr(RequestsTransport, "send", send)
        yield recorder


def exercise(settings: Environment, home: Home, data: Path) -> None:
    """Do what training and deploying send: assets, a pipeline job, an endpoint, a deployment."""
    client, usecase = connect(settings, home), load_usecase("classical", ROOT)
    asset = ensure_data(client, "classical-training", data)
    ensure_environment(client, training_environment(settings))
    ensure_environment(client, serving_environment(settings))
    name = submit(client, training.build(settings, usecase, training_data=f"azureml:{asset}"))
    with contextlib.suppress(HttpResponseError):
        client.jobs.begin_cancel(name).result()
    client.online_endpoints.begin_create_or_update(scoring.endpoint(settings, usecase)).result()
    deployment = scoring.deployment(settings, usecase, model="azureml:mlops-classical:1", color="blue")
    with contextlib.suppress(HttpResponseError):  # there is no such model: both refuse it
        client.online_deployments.begin_create_or_update(deployment).result()


def test_both_planes_are_sent_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = load("local")
    cloud = local.model_copy(update={"control_plane": "azure"})
    data = tmp_path / "training.csv"
    data.write_text("row_id\n1\n", encoding="utf-8")
    sent = {}
    for settings in (local, cloud):
        home = Home(tmp_path / settings.control_plane)
        config = InstanceConfig(
            home=home.control_plane,
            resource_group=local.names.resource_group,
            workspace=local.names.workspace,
            account="samestorage",
        )
        with monkeypatch.context() as patch, RunningServer(config) as server:
            connection: dict[str, Any] = {"version": 1, **server.server.connection()}
            (home.control_plane / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
            patch.setenv("REQUESTS_CA_BUNDLE", connection["ca_bundle"])
            # The SDK leaves the name of the last client's cloud to the next one of the process.
            patch.delenv(_common.AZUREML_CLOUD_ENV_NAME, raising=False)
            patch.setitem(_common.STORAGE_ACCOUNT_URLS, "AzureBlob", "https://{}.blob.{}")
            patch.setattr(mlops.client, "azure_credential", lambda _, made=connection: credential_of(made))
            with recorded(connection["base_url"], patch) as recorder:
                exercise(settings, home, data)
            sent[settings.control_plane] = recorder
    assert sent["azure"].hosts == {"management.azure.com"}
    assert all(host.startswith("127.0.0.1") for host in sent["embedded"].hosts)
    assert len(sent["embedded"].requests) > 15
    assert sent["azure"].requests == sent["embedded"].requests


def credential_of(connection: dict[str, Any]) -> ClientSecretCredential:
    """Return a credential of the embedded control plane: it accepts no token of Entra."""
    return ClientSecretCredential(
        connection["tenant_id"],
        connection["client_id"],
        connection["client_secret"],
        authority=connection["base_url"],
        disable_instance_discovery=True,
    )

"""Long-running operations, faults on demand, and what a killed control plane takes up again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.config import InstanceConfig
from azureml_local.errors import AzureError
from azureml_local.faults import Fault
from azureml_local.testing import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azureml_local.testing import Reply

ENDPOINT = {"location": "westeurope", "properties": {"authMode": "Key"}}


def operation(server: RunningServer, reply: Reply) -> dict[str, Any]:
    """Poll the operation that a reply names to its end."""
    path = reply.headers["azure-asyncoperation"].removeprefix(server.plane.base_url)
    for _ in range(500):
        body: dict[str, Any] = server.request("GET", path, api_version=None).body
        if body["status"] != "InProgress":
            return body
        time.sleep(0.01)
    raise AssertionError("the operation does not end")


def test_an_operation_is_polled_to_its_resource(server: RunningServer) -> None:
    reply = server.request("PUT", "onlineEndpoints/polled", ENDPOINT)
    assert reply.status == 201
    assert reply.body["properties"]["provisioningState"] == "Creating"
    assert int(reply.headers["x-ms-retry-after-ms"]) <= 1000
    assert operation(server, reply)["status"] == "Succeeded"
    result = server.request(
        "GET", reply.headers["location"].removeprefix(server.plane.base_url), api_version=None
    )
    assert result.body["properties"]["provisioningState"] == "Succeeded"
    gone = server.request("DELETE", "onlineEndpoints/polled")
    assert gone.status == 202
    assert operation(server, gone)["status"] == "Succeeded"
    location = gone.headers["location"].removeprefix(server.plane.base_url)
    assert server.request("GET", location, api_version=None).status == 204
    assert server.request("DELETE", "onlineEndpoints/polled").status == 204


def test_failed_provisioning_shows_in_operation_and_resource(server: RunningServer) -> None:
    server.plane.faults.add(Fault("provisioning", method="PUT", path="onlineEndpoints/doomed"))
    reply = server.request("PUT", "onlineEndpoints/doomed", ENDPOINT)
    assert reply.status == 201
    ended = operation(server, reply)
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "ResourceDeploymentFailure")
    state = server.request("GET", "onlineEndpoints/doomed").body["properties"]["provisioningState"]
    assert state == "Failed"
    again = server.request("PUT", "onlineEndpoints/doomed", ENDPOINT)
    assert operation(server, again)["status"] == "Succeeded"


def test_a_resource_under_way_is_left_alone(tmp_path: Path) -> None:
    release = threading.Event()
    with RunningServer(InstanceConfig(home=tmp_path)) as server:

        async def slow(_resource_id: str) -> None:
            while not release.is_set():
                await _short_pause()

        server.plane.operations.register("workspaces/onlineEndpoints", "Create", slow)
        reply = server.request("PUT", "onlineEndpoints/slow", ENDPOINT)
        for method in ("PUT", "DELETE"):
            refused = server.request(method, "onlineEndpoints/slow", ENDPOINT)
            assert (refused.status, refused.code) == (409, "Conflict")
        release.set()
        assert operation(server, reply)["status"] == "Succeeded"


async def _short_pause() -> None:
    import asyncio

    await asyncio.sleep(0.01)


def test_an_interrupted_operation_is_finished_by_the_next_start(tmp_path: Path) -> None:
    config = InstanceConfig(home=tmp_path)
    with RunningServer(config) as first:

        async def for_ever(_resource_id: str) -> None:
            import asyncio

            await asyncio.sleep(3600)

        first.plane.operations.register("workspaces/onlineEndpoints", "Create", for_ever)
        reply = first.request("PUT", "onlineEndpoints/interrupted", ENDPOINT)
        assert (
            first.request("GET", "onlineEndpoints/interrupted").body["properties"]["provisioningState"]
            == "Creating"
        )
    with RunningServer(config) as second:
        assert second.plane.base_url == first.plane.base_url
        assert operation(second, reply)["status"] == "Succeeded"
        found = second.request("GET", "onlineEndpoints/interrupted").body
        assert found["properties"]["provisioningState"] == "Succeeded"


def test_an_error_of_the_work_reaches_the_client(server: RunningServer) -> None:
    async def refuse(_resource_id: str) -> None:
        raise AzureError(400, "UserScriptException", "score.py has no init()", target="codeConfiguration")

    kind = "workspaces/batchEndpoints"
    good = server.plane.operations._work[kind, "Create"]
    server.plane.operations.register(kind, "Create", refuse)
    try:
        ended = operation(
            server,
            server.request(
                "PUT", "batchEndpoints/broken", {"location": "x", "properties": {"authMode": "AADToken"}}
            ),
        )
    finally:
        server.plane.operations.register(kind, "Create", good)
    assert ended["error"]["code"] == "UserScriptException"
    assert ended["error"]["target"] == "codeConfiguration"


def test_throttling_asks_to_wait_and_the_sdk_does(server: RunningServer, client: Any) -> None:
    server.plane.faults.add(Fault("throttle", path="/computes", times=2, seconds=0.05))
    reply = server.request("GET", "computes")
    assert (reply.status, reply.headers["retry-after"]) == (429, "0.05")
    assert [compute.name for compute in client.compute.list()] == ["cpu-cluster"]
    assert server.plane.faults.remaining() == []


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"kind": "server_error", "status": 503}, 503, "InternalServerError"),
        ({"kind": "quota", "method": "GET"}, 400, "Not enough quota available"),
        ({"kind": "expired_token"}, 401, "ExpiredAuthenticationToken"),
    ],
)
def test_faults_strike_as_often_as_asked(
    server: RunningServer, fault: dict[str, Any], status: int, text: str
) -> None:
    added = server.request("POST", "/local/faults", {"path": "datastores", **fault}, api_version=None)
    assert added.status == 201
    struck = server.request("GET", "datastores")
    assert struck.status == status
    assert text in f"{struck.code} {struck.message}"
    assert server.request("GET", "datastores").status == 200


def test_faults_may_hold_from_the_start(tmp_path: Path) -> None:
    config = InstanceConfig(home=tmp_path, faults=({"kind": "throttle", "path": "computes"},))
    with RunningServer(config) as server:
        assert [server.request("GET", "computes").status for _ in range(2)] == [429, 200]


def test_latency_is_added(server: RunningServer) -> None:
    server.plane.faults.add(Fault("latency", path="datastores", seconds=0.3))
    started = time.monotonic()
    assert server.request("GET", "datastores").status == 200
    assert time.monotonic() - started >= 0.3


def test_faults_are_listed_and_removed(server: RunningServer) -> None:
    for body in ({"kind": "latency", "times": None}, {"kind": "throttle", "path": "x"}):
        server.request("POST", "/local/faults", body, api_version=None)
    listed = server.request("GET", "/local/faults", api_version=None).body["value"]
    assert [item["kind"] for item in listed] == ["latency", "throttle"]
    assert server.request("DELETE", "/local/faults", api_version=None).status == 204
    assert server.request("GET", "/local/faults", api_version=None).body == {"value": []}
    refused = server.request("POST", "/local/faults", {"kind": "earthquake"}, api_version=None)
    assert (refused.status, refused.code) == (400, "InvalidFault")


def test_the_request_log_is_readable_from_outside(server: RunningServer, client: Any) -> None:
    server.request("DELETE", "/local/requests", api_version=None)
    client.compute.get("cpu-cluster")
    records = server.request("GET", "/local/requests", api_version=None).body["value"]
    assert records[-1] == {
        "method": "GET",
        "path": "{workspace}/computes/cpu-cluster",
        "api_version": "2023-08-01-preview",
        "status": 200,
    }


def test_the_port_moves_with_the_addresses_when_it_is_taken(
    tmp_path: Path, connect: Callable[..., Any]
) -> None:
    import socket

    config = InstanceConfig(home=tmp_path)
    with RunningServer(config) as first:
        old = first.plane.base_url
        first.request("PUT", "onlineEndpoints/moving", ENDPOINT)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", int(old.rsplit(":", 1)[1])))
        squatter.listen()
        with RunningServer(config) as second:
            assert second.plane.base_url != old
            found = second.request("GET", "onlineEndpoints/moving").body["properties"]["scoringUri"]
            assert found.startswith(second.plane.base_url)

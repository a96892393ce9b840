"""Deployments as real inference servers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.endpoints import inference_server
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from tests.azureml_local.endpoints.conftest import Workspace

pytestmark = pytest.mark.e2e

FIXTURES = Path(__file__).with_name("fixtures")
BOTH = {each: {"dataCollectionMode": "Enabled"} for each in ("model_inputs", "model_outputs")}


def test_a_deployment_is_served_collected_updated_and_removed(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    code = workspace.add_code("linear", FIXTURES / "linear")
    blue = workspace.add_deployment("blue", code, model=workspace.add_model(), collect={"collections": BOTH})

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            headers = {"x-ms-client-request-id": "mine"}
            status, answered, content = await client.score(
                "price", {"data": [[1, 2], [3, 4]]}, key=key, headers=headers
            )
            assert (status, content) == (200, {"predictions": [4.0, 10.0]})
            assert answered["azureml-model-deployment"] == "blue"
            assert answered["x-ms-client-request-id"] == "mine"
            async with client.session.get(
                f"{client.base_url}/endpoints/price/swagger.json", headers={"Authorization": f"Bearer {key}"}
            ) as swagger:
                assert "/score" in (await swagger.json())["paths"]
            assert "POST /score" in host.logs(blue, 100, "inference-server")
            assert len(host.logs(blue, 3).splitlines()) == 3
            assert "azureml-models/linear/3" in host.logs(blue, 10, "StorageInitializer")

            port = host.port_of(blue)
            assert port is not None
            workspace.store.update(
                blue, lambda body: body["properties"]["environmentVariables"].update(COLLECT="no")
            )
            await host.deploy(blue)
            assert host.port_of(blue) != port
            assert (await client.score("price", {"data": [[1, 2]]}, key=key))[0] == 200
            with socket.socket() as connection:
                assert connection.connect_ex(("127.0.0.1", port)) != 0, "the replaced server is gone"

            await host.remove(blue)
            assert (await client.score("price", {"data": [[1, 2]]}, key=key))[0] == 503
            assert not (workspace.home / "endpoints" / "price" / "blue").exists()

    asyncio.run(main())
    (inputs,) = workspace.lines("model_inputs")
    (outputs,) = workspace.lines("model_outputs")
    assert inputs["data"] == [
        {"x": 1, "y": 2, "correlationid": "mine_0"},
        {"x": 3, "y": 4, "correlationid": "mine_1"},
    ]
    assert [row["prediction"] for row in outputs["data"]] == [4.0, 10.0]
    assert inputs["correlationid"] == outputs["correlationid"] == "mine"
    assert inputs["agent"].startswith("azureml-ai-monitoring/")
    assert inputs["source"] == blue


def test_the_server_sees_azures_environment_and_only_loopback_listens(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CONTROL_PLANE", "x")
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment(
        "blue", workspace.add_code("plain", FIXTURES / "plain"), model=workspace.add_model()
    )

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            _, _, content = await client.score("price", {"environment": True}, key=key)
            variables = content["environment"]
            assert "SECRET_OF_THE_CONTROL_PLANE" not in variables
            assert key not in str(content)
            assert variables["AZUREML_MODEL_DIR"].endswith("/azureml-app/azureml-models/linear/3")
            assert variables["LABEL"] == "blue"
            assert not await _answers(_address_of_this_machine(), host.port_of(blue))
            assert await _answers("127.0.0.1", host.port_of(blue))

    asyncio.run(main())


async def _answers(address: str, port: int | None) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 1)
    except (OSError, TimeoutError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _address_of_this_machine() -> str:
    """Return an address that is not 127.0.0.1: another of loopback when there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        address: str = probe.getsockname()[0]
        return address


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("def init():\n    raise RuntimeError('no such weights')\ndef run(data): pass", "no such weights"),
        ("def init(): pass\ndef run(data) return 1", "SyntaxError"),
        ("import no_such_package\ndef init(): pass\ndef run(data): pass", "no_such_package"),
        ("def init(): pass", "run() function"),
    ],
)
def test_a_script_that_cannot_start_fails_with_the_end_of_its_log(
    workspace: Workspace, script: str, expected: str
) -> None:
    workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment("blue", workspace.add_code("bad", {"score.py": script}))

    async def main() -> None:
        async with workspace.serve() as (host, _):
            began = time.monotonic()
            with pytest.raises(AzureError) as failed:
                await host.deploy(blue)
            assert time.monotonic() - began < 60, "the end of the process is seen, not the probe's timeout"
            assert failed.value.code == "ResourceNotReady"
            assert expected in failed.value.message
            assert expected in host.logs(blue)

    asyncio.run(main())


def test_a_server_that_never_gets_ready_fails_when_its_probe_gives_up(workspace: Workspace) -> None:
    slow = "import time\ndef init(): time.sleep(60)\ndef run(data): pass"
    workspace.add_endpoint(traffic={"blue": 100})
    probe = {"initialDelay": "PT1S", "period": "PT1S", "timeout": "PT1S", "failureThreshold": 1}
    blue = workspace.add_deployment(
        "blue", workspace.add_code("slow", {"score.py": slow}), readinessProbe=probe
    )

    async def main() -> None:
        async with workspace.serve() as (host, _):
            with pytest.raises(AzureError, match="no answer in 2 seconds"):
                await host.deploy(blue)

    asyncio.run(main())


def test_a_failed_update_leaves_the_old_version_serving(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment("blue", workspace.add_code("plain", FIXTURES / "plain"))
    bad = workspace.add_code("bad", {"score.py": "raise RuntimeError('update is broken')"})

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            workspace.store.update(
                blue, lambda body: body["properties"]["codeConfiguration"].update(codeId=bad)
            )
            with pytest.raises(AzureError, match="update is broken"):
                await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            assert (await client.score("price", {}, key=key))[0] == 200
            assert "update is broken" in host.logs(blue)

    asyncio.run(main())


def test_a_killed_server_is_replaced_and_no_request_is_silently_lost(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment("blue", workspace.add_code("plain", FIXTURES / "plain"))

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            before = (await client.score("price", {}, key=key))[2]["started"]

            status, headers, _ = await client.score("price", {"kill": "worker"}, key=key)
            assert (status, headers["ms-azureml-model-error-reason"]) == (502, "model_connection_lost")
            assert (await client.score("price", {}, key=key))[0] == 200, "gunicorn has replaced its worker"

            in_flight = asyncio.create_task(client.score("price", {"sleep": 30}, key=key))
            await asyncio.sleep(0.5)
            os.killpg(host._instances["price", "blue"].server._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
            assert (await in_flight)[0] == 502
            seen: set[int] = set()
            answer: Any = None
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                status, headers, answer = await client.score("price", {}, key=key)
                seen.add(status)
                if status == 200:
                    break
                assert (status, headers["Retry-After"]) == (503, "1")
                await asyncio.sleep(0.05)
            assert answer["started"] > before
            assert seen <= {200, 503}
            assert "was killed by signal 9; restart 1 of 5" in host.logs(blue, 200)

    asyncio.run(main())


def test_a_server_that_crashes_all_the_time_is_given_up(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_server, "_RESTART_DELAYS", (0.0, 0.1))
    started = workspace.home / "started"
    script = f"""
        from pathlib import Path
        def init():
            if Path({str(started)!r}).exists():
                raise RuntimeError("only once")
            Path({str(started)!r}).touch()
        def run(data):
            return "fine"
    """
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment("blue", workspace.add_code("once", {"score.py": textwrap.dedent(script)}))

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            assert (await client.score("price", {}, key=key))[2] == "fine"
            os.killpg(host._instances["price", "blue"].server._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
            await workspace.eventually(lambda: "not started again after 2 attempts" in host.logs(blue, 500))
            assert (await client.score("price", {}, key=key))[0] == 503
            started.unlink()
            await host.deploy(blue)
            assert (await client.score("price", {}, key=key))[0] == 200

    asyncio.run(main())


def test_a_hanging_server_fails_its_liveness_probe_and_is_replaced(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    probe = {"initialDelay": "PT1S", "period": "PT0.3S", "timeout": "PT0.3S", "failureThreshold": 3}
    blue = workspace.add_deployment(
        "blue",
        workspace.add_code("plain", FIXTURES / "plain"),
        livenessProbe=probe,
        requestSettings={"requestTimeout": "PT0.5S", "maxConcurrentRequestsPerInstance": 5},
    )

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            assert (await client.score("price", {"sleep": 600}, key=key))[0] == 408
            server = host._instances["price", "blue"].server
            await workspace.eventually(lambda: server.restarts == 1 and server.ready)
            assert (await client.score("price", {}, key=key))[0] == 200
            assert "liveness probe" in host.logs(blue, 200)

    asyncio.run(main())


def test_deployments_come_back_after_a_restart(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 50, "green": 50})
    code = workspace.add_code("plain", FIXTURES / "plain")
    blue = workspace.add_deployment("blue", code)
    green = workspace.add_deployment("green", code)
    workspace.add_deployment("failed", code, provisioningState="Failed")

    async def main() -> None:
        async with workspace.serve() as (host, _):
            await asyncio.gather(host.deploy(blue), host.deploy(green))
        async with workspace.serve() as (host, client):
            await host.recover()
            key = host.credentials.keys(endpoint).primary
            labels = {(await client.score("price", {}, key=key))[2]["label"] for _ in range(4)}
            assert labels == {"blue", "green"}
            refused = await client.score("price", {}, key=key, headers={"azureml-model-deployment": "failed"})
            assert refused[0] == 503

    asyncio.run(main())


def test_kill_9_of_the_control_plane_leaves_no_server(workspace: Workspace) -> None:
    workspace.add_endpoint(traffic={"blue": 100})
    blue = workspace.add_deployment("blue", workspace.add_code("plain", FIXTURES / "plain"))
    workspace.store.close()
    code = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        from azureml_local.blobs import BlobStore
        from azureml_local.config import InstanceConfig, Runtime
        from azureml_local.endpoints import EndpointHost
        from azureml_local.store import ResourceStore
        home = Path({str(workspace.home)!r})
        python = Path({str(workspace.config.runtimes["serving"].python)!r})
        config = InstanceConfig(home=home, runtimes={{"serving": Runtime("serving", python)}})
        store = ResourceStore(home / "state.db")
        blobs = BlobStore(home / "blobs", store, account=config.account, key="a2V5", base_url="http://127.0.0.1:1")
        host = EndpointHost(store=store, blobs=blobs, config=config, base_url="http://x", home=home)
        async def main():
            await host.deploy({blue!r})
            print(host.port_of({blue!r}), flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as control_plane:
        assert control_plane.stdout is not None
        port = int(control_plane.stdout.readline())
        control_plane.kill()

    async def gone() -> None:
        deadline = time.monotonic() + 10
        while await _answers("127.0.0.1", port):
            assert time.monotonic() < deadline, "the server outlived the control plane"
            await asyncio.sleep(0.05)

    asyncio.run(gone())


def test_request_and_response_are_collected_without_the_script_knowing(workspace: Workspace) -> None:
    endpoint = workspace.add_endpoint(traffic={"blue": 100})
    payload = {each: {"dataCollectionMode": "Enabled"} for each in ("request", "response")}
    blue = workspace.add_deployment(
        "blue", workspace.add_code("plain", FIXTURES / "plain"), collect={"collections": payload}
    )

    async def main() -> None:
        async with workspace.serve() as (host, client):
            await host.deploy(blue)
            key = host.credentials.keys(endpoint).primary
            assert (await client.score("price", {"any": 1}, key=key))[0] == 200

    asyncio.run(main())
    (request,) = workspace.lines("request")
    (response,) = workspace.lines("response")
    assert (request["data"], request["path"], request["method"]) == ({"any": 1}, "/score", "POST")
    assert response["data"]["label"] == "blue"
    assert request["correlationid"] == response["correlationid"]
    assert "Bearer" not in str(request)

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from azureml_local.endpoints.collector import CollectorAgent, write_collector_settings
from azureml_local.endpoints.deployment import read_deployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.azureml_local.endpoints.conftest import Workspace

MOMENT = 1_700_000_000  # 2023-11-14 22:13:20 UTC
FOLDER = "modelDataCollector/price/blue/model_inputs"
HEADERS = {
    "Content-Type": "application/json",
    "trace-id": "id-1",
    "ce-time": str(MOMENT),
    "ce-type": "azureml.inference.model_inputs",
    "ce-collect-data-type": "pandas.core.frame.DataFrame",
    "ce-agent": "azureml-ai-monitoring/1.0.0",
    "ce-x-request-id": "request-1",
    "ce-model-version": "default",
    "ce-authorization": "must not be collected",
}


def post(body: bytes, headers: Mapping[str, str] = HEADERS, target: str = "/modeldata/log") -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


@contextlib.asynccontextmanager
async def agent_of(workspace: Workspace, **collect: Any) -> AsyncIterator[tuple[CollectorAgent, int]]:
    collect.setdefault("collections", {"model_inputs": {"dataCollectionMode": "Enabled"}})
    deployment_id = workspace.add_deployment("blue", "c", collect=collect)
    deployment = read_deployment(workspace.store.require(deployment_id))
    folders = {"model_inputs": ("workspaceblobstore", FOLDER)}
    agent = CollectorAgent(deployment, folders, workspace.blobs, instance_id="instance")
    port = await agent.start()
    try:
        yield agent, port
    finally:
        await agent.close()


async def send(port: int, *messages: bytes) -> list[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses = []
    for message in messages:
        writer.write(message)
        statuses.append((await read_answer(reader))[0])
    writer.close()
    await writer.wait_closed()
    return statuses


def test_a_frame_becomes_a_line_in_the_documented_place(workspace: Workspace) -> None:
    async def main() -> None:
        async with agent_of(workspace) as (_agent, port):
            assert await send(port, post(b'[{"x":1}]')) == [200]

    asyncio.run(main())
    path = workspace.blobs.path("workspaceblobstore", f"{FOLDER}/2023/11/14/22/instance.jsonl")
    (line,) = path.read_text().splitlines()
    fields = json.loads(line)
    assert fields["source"].endswith("/onlineEndpoints/price/deployments/blue")
    assert fields["data"] == [{"x": 1}]
    assert fields["id"] == "id-1"
    assert fields["xrequestid"] == fields["correlationid"] == "request-1"
    assert "must not be collected" not in line


def test_the_path_rolls_as_the_deployment_says(workspace: Workspace) -> None:
    async def main() -> None:
        async with agent_of(workspace, rollingRate="Minute") as (_agent, port):
            await send(port, post(b"[]"))

    asyncio.run(main())
    assert workspace.blobs.path("workspaceblobstore", f"{FOLDER}/2023/11/14/22/13/instance.jsonl").is_file()


def test_connections_stay_and_requests_may_come_in_pieces_or_together(workspace: Workspace) -> None:
    async def main() -> None:
        async with agent_of(workspace) as (agent, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            message = post(b'[{"x":1}]')
            for start in range(0, len(message), 7):
                writer.write(message[start : start + 7])
                await writer.drain()
                await asyncio.sleep(0)
            assert (await read_answer(reader))[0] == 200
            writer.write(message * 3)
            assert [(await read_answer(reader))[0] for _ in range(3)] == [200, 200, 200]
            writer.close()
            await writer.wait_closed()
            assert agent.collected == 4

    asyncio.run(main())
    assert len(workspace.lines("model_inputs")) == 4


def test_what_cannot_be_collected_is_refused_and_harms_nothing(workspace: Workspace) -> None:
    async def main() -> None:
        async with agent_of(workspace) as (_agent, port):
            other = HEADERS | {"ce-type": "azureml.inference.other"}
            assert await send(port, post(b"[]", other), post(b"no json"), post(b"[]", target="/x")) == [
                404,
                400,
                404,
            ]
            assert await send(port, b"GET /modeldata/log HTTP/1.1\r\n\r\n") == [404]
            assert await send(port, post(b"", {"Transfer-Encoding": "chunked"})) == [413]
            assert await send(port, b"x" * 70_000) == [400]
            assert await send(port, post(b'[{"x":1}]', HEADERS | {"Connection": "close"})) == [200]

    asyncio.run(main())
    assert [line["data"] for line in workspace.lines("model_inputs")] == [[{"x": 1}]]


def test_a_large_payload_is_stored_beside_its_line(workspace: Workspace) -> None:
    payload = json.dumps([{"x": "y" * 5_000_000}]).encode()

    async def main() -> None:
        async with agent_of(workspace) as (_agent, port):
            assert await send(port, post(payload)) == [200]

    asyncio.run(main())
    (line,) = workspace.lines("model_inputs")
    assert line["datainblob"] == "true"
    assert workspace.blobs.resolve(line["data"]).read_bytes() == payload


def test_a_start_repairs_what_a_killed_instance_left(workspace: Workspace) -> None:
    torn = workspace.blobs.path("workspaceblobstore", f"{FOLDER}/2023/11/14/22/killed.jsonl")
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b'{"data":1}\n{"da')

    async def main() -> None:
        async with agent_of(workspace):
            assert torn.read_bytes() == b'{"data":1}\n'

    asyncio.run(main())


def test_the_library_is_told_what_to_collect_and_how_much(workspace: Workspace, tmp_path: Path) -> None:
    collections = {
        "model_inputs": {"dataCollectionMode": "Enabled", "samplingRate": 0.1},
        "model_outputs": {"dataCollectionMode": "Disabled"},
        "request": {"dataCollectionMode": "Enabled"},
    }
    deployment_id = workspace.add_deployment("blue", "c", collect={"collections": collections})
    path = tmp_path / "collector.json"
    write_collector_settings(read_deployment(workspace.store.require(deployment_id)), path)
    assert json.loads(path.read_text()) == {
        "runMode": "cloud",
        "collections": {"model_inputs": {"enabled": True, "sampleRatePercentage": 10.0}},
    }

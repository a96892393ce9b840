from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from azureml_local.endpoints.agent_protocol import AgentConnection as AgentSide
from azureml_local.endpoints.launcher import AgentConnection


class Agent:
    """The agent's side: remembers bodies by connection and answers with what the body says."""

    def __init__(self) -> None:
        self.sides: list[AgentSide] = []
        self.bodies: list[bytes] = []
        self.port = 0

    def connect(self) -> AgentSide:
        self.sides.append(AgentSide(self.take))
        return self.sides[-1]

    def take(self, request_line: str, headers: object, body: bytes) -> tuple[int, str]:
        assert request_line == "POST /modeldata/log HTTP/1.1"
        self.bodies.append(body)
        return (200, "") if body != b"bad" else (400, "the payload is not JSON")

    async def serve(self) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(self.connect, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def close(self) -> None:
        for side in self.sides:
            side.close()


def test_frames_share_a_connection_and_go_out_together() -> None:
    async def main() -> None:
        agent = Agent()
        async with await agent.serve():
            connection = AgentConnection("127.0.0.1", agent.port, "/modeldata/log")
            for frames in ([b"one"], [b"two", b"three"], [b"four"]):
                for frame in frames:
                    connection.add(frame, {"ce-type": "azureml.inference.model_inputs"})
                assert await asyncio.to_thread(connection.send) == (200, "")
            assert agent.bodies == [b"one", b"two", b"three", b"four"]
            assert len(agent.sides) == 1
            connection._close()

    asyncio.run(main())


def test_a_refused_frame_is_reported_and_the_others_arrive() -> None:
    async def main() -> None:
        agent = Agent()
        async with await agent.serve():
            connection = AgentConnection("127.0.0.1", agent.port, "/modeldata/log")
            for frame in (b"one", b"bad", b"two"):
                connection.add(frame, {})
            assert await asyncio.to_thread(connection.send) == (400, "the payload is not JSON")
            assert agent.bodies == [b"one", b"bad", b"two"]
            connection._close()

    asyncio.run(main())


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    async def main() -> None:
        agent = Agent()
        async with await agent.serve():
            connection = AgentConnection("127.0.0.1", agent.port, "/modeldata/log")
            connection.add(b"one", {})
            await asyncio.to_thread(connection.send)
            agent.close()
            await asyncio.sleep(0.01)
            connection.add(b"two", {})
            assert await asyncio.to_thread(connection.send) == (200, "")
            assert agent.bodies == [b"one", b"two"]
            connection._close()

    asyncio.run(main())


def test_an_agent_that_is_gone_is_an_error_and_not_an_ever_growing_queue() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connection = AgentConnection("127.0.0.1", port, "/modeldata/log")
    connection.add(b"one", {})
    with pytest.raises(ConnectionRefusedError):
        connection.send()
    with socket.create_server(("127.0.0.1", port)) as listening:
        received = bytearray()

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted:
                received.extend(accepted.recv(65536))
                accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        connection.add(b"two", {})
        assert connection.send() == (200, "")
        thread.join()
        connection._close()
    assert b"one" not in received
    assert received.endswith(b"two")

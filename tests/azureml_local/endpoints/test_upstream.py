from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from azureml_local.endpoints.upstream import Answer, ConnectionLostError, Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def server(*pieces: bytes, received: bytearray | None = None) -> AsyncIterator[Upstream]:
    """A server that answers every connection with these pieces and closes it."""

    writers = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        request = await reader.read(65536)
        if received is not None:
            received.extend(request)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield Upstream(listening.sockets[0].getsockname()[1])
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def ask(*pieces: bytes, received: bytearray | None = None) -> Answer:
    async def main() -> Answer:
        async with server(*pieces, received=received) as upstream:
            return await upstream.request("POST", "/score?a=b", [("X-One", "1"), ("X-One", "2")], b"body")

    return asyncio.run(main())


def test_a_request_arrives_as_it_was_given() -> None:
    received = bytearray()
    ask(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", received=received)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /score?a=b HTTP/1.0"
    assert head.count(b"X-One: 1") == head.count(b"X-One: 2") == head.count(b"Content-Length: 4") == 1
    assert body == b"body"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 422 Not Good\r\nX-A: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",),
        (b"HTTP/1.1 422 Not Good\r\nX-A: b\r\nconte", b"nt-length: 5\r\n\r", b"\nhel", b"lo"),
        (b"HTTP/1.1 422 Not Good\r\nX-A: b\r\n\r\nhello",),
    ],
)
def test_a_response_is_read_whole_however_it_comes(pieces: tuple[bytes, ...]) -> None:
    assert ask(*pieces) == Answer(422, "Not Good", [("X-A", "b")], b"hello")


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",),
    ],
)
def test_a_response_that_breaks_off_is_no_response(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(ConnectionLostError):
        ask(*pieces)


def test_nobody_listening_is_a_lost_connection() -> None:
    async def main() -> None:
        async with server() as upstream:
            pass
        with pytest.raises(ConnectionLostError):
            await upstream.request("GET", "/")
        assert not await upstream.healthy(1)

    asyncio.run(main())


def test_only_a_timely_200_is_healthy() -> None:
    async def main() -> None:
        async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as upstream:
            assert await upstream.healthy(1)
        async with server(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n") as upstream:
            assert not await upstream.healthy(1)
        async with server(*[b"H"] * 50) as upstream:
            assert not await upstream.healthy(0.05)

    asyncio.run(main())

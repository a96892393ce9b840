"""Requests to an inference server: one connection each, as its synchronous workers want it."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "ConnectionLostError", "Upstream"]

_CHUNK = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


class ConnectionLostError(ConnectionError):
    """The server was gone before it had answered in full."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Upstream:
    """Client for the server behind one loopback port.

    The server closes each connection after one response, so there is no pool and no keep-alive,
    and a plain socket is all it takes: the processor's time belongs to the model.
    """

    __slots__ = ("_address",)

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)

    async def request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        """Send a request and return the response.

        Raises
        ------
        ConnectionLostError
            The server did not answer, or not to the end.
        """
        # HTTP/1.0 keeps the server from answering in chunks.
        lines = [f"{method} {target} HTTP/1.0", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines.extend(f"{name}: {value}" for name, value in headers)
        message = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace") + body
        try:
            received = await self._exchange(message)
        except OSError as error:
            raise ConnectionLostError(str(error)) from error
        return _parse(received)

    async def healthy(self, timeout: float) -> bool:
        """Say whether the server answers its health probe in time."""
        try:
            async with asyncio.timeout(timeout):
                answer = await self.request("GET", "/")
        except (TimeoutError, ConnectionLostError):
            return False
        return answer.status == 200

    async def _exchange(self, message: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, self._address)
            await loop.sock_sendall(connection, message)
            received = bytearray()
            missing = 1
            while missing > 0 and (chunk := await loop.sock_recv(connection, _CHUNK)):
                received += chunk
                missing = _missing(received)
        return bytes(received)


def _missing(received: bytearray) -> int:
    """Return how many bytes of the response are still to come; 1 when that is not known."""
    head_end = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, head_end) if head_end >= 0 else None
    return head_end + 4 + int(length[1]) - len(received) if length else 1


def _parse(received: bytes) -> Answer:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        raise ConnectionLostError("the connection closed before a response")
    status_line, *header_lines = head.decode("latin-1").split("\r\n")
    _, _, status = status_line.partition(" ")
    code, _, reason = status.partition(" ")
    headers = []
    for line in header_lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and int(value) != len(body):
            raise ConnectionLostError("the connection closed in the middle of a response")
        if name.lower() not in _HOP_BY_HOP:
            headers.append((name, value.strip()))
    return Answer(int(code), reason, headers, body)

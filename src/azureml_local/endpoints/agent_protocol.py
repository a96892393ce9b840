"""The little HTTP that the collector agent speaks: POST with a length, on a connection that may stay.

Every scored request brings two or more of these posts, and they share the processor with the model:
aiohttp's server takes three times as long for each.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AgentConnection"]

_LARGEST_HEAD = 64 * 1024
_LARGEST_BODY = 256 * 1024 * 1024
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    507: "Insufficient Storage",
}


class AgentConnection(asyncio.Protocol):
    """One connection to the agent.

    Parameters
    ----------
    take
        Gets request line, headers with lower-case names, and body; returns status and text.
    """

    def __init__(self, take: Callable[[str, Mapping[str, str], bytes], tuple[int, str]]) -> None:
        self._take = take
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        answers: list[bytes] = []
        while self._take_one(answers):
            pass
        # One write for all that came together.
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))
            if self._closing:
                self.close()

    def _take_one(self, answers: list[bytes]) -> bool:
        if self._closing:
            return False
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > _LARGEST_HEAD:
                answers.append(self._answer(400, "the head of the request does not end", close=True))
            return False
        request_line, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY or "transfer-encoding" in headers:
            answers.append(self._answer(413, "a length of at most 256 MB is needed", close=True))
            return False
        start, finish = end + 4, end + 4 + int(length)
        if len(self._received) < finish:
            return False
        body = bytes(self._received[start:finish])
        del self._received[:finish]
        status, text = self._take(request_line, headers, body)
        answers.append(self._answer(status, text, close=headers.get("connection", "").lower() == "close"))
        return True

    def _answer(self, status: int, text: str, *, close: bool) -> bytes:
        self._closing = close
        body = text.encode()
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: {'close' if close else 'keep-alive'}\r\n\r\n".encode() + body

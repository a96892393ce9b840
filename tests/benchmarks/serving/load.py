"""Sends scoring requests as fast as they are answered, from a process of its own.

``python load.py URL --requests N --connections C [--header 'Name: value']... [--ca FILE] [--body FILE]``
prints one JSON object: requests per second, latency percentiles, statuses. Connections are kept
when the server keeps them, and opened again when it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with one request at a time."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.answer: asyncio.Future[tuple[int, bool]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self.received[:head_end]).lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start : start + 12].split(b"\r\n")[0])
        if len(self.received) < head_end + 4 + length or self.answer is None or self.answer.done():
            return
        keeps = b"connection: close" not in head
        self.answer.set_result((int(head[9:12]), keeps))

    def connection_lost(self, _error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((0, False))

    async def exchange(self, message: bytes) -> tuple[int, bool]:
        assert self.transport is not None
        self.received.clear()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await self.answer


async def send_all(
    url: str, message: bytes, requests: int, connections: int, tls: ssl.SSLContext | None
) -> str:
    """Send the requests over so many connections and return the figures."""
    address = urlsplit(url)
    server = (address.hostname or "", address.port or 80)
    loop = asyncio.get_running_loop()
    left = requests
    statuses: Counter[int] = Counter()
    latencies: list[float] = []

    async def client() -> None:
        nonlocal left
        connection: Connection | None = None
        while left > 0:
            left -= 1
            began = time.perf_counter()
            if connection is None:
                _, connection = await loop.create_connection(Connection, *server, ssl=tls)
            status, keeps = await connection.exchange(message)
            latencies.append(time.perf_counter() - began)
            statuses[status] += 1
            if not keeps:
                assert connection.transport is not None
                connection.transport.close()
                connection = None
        if connection is not None and connection.transport is not None:
            connection.transport.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    elapsed = time.perf_counter() - began
    latencies.sort()
    return json.dumps(
        {
            "requests_per_second": requests / elapsed,
            "p50_ms": latencies[len(latencies) // 2] * 1000,
            "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
            "seconds": elapsed,
            "statuses": dict(statuses),
        }
    )


def main() -> None:
    """Read the arguments, send, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--ca")
    parser.add_argument("--body", type=Path, required=True)
    arguments = parser.parse_args()
    body = arguments.body.read_bytes()
    address = urlsplit(arguments.url)
    lines = [
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *arguments.header,
    ]
    message = "\r\n".join([*lines, "\r\n"]).encode() + body
    tls = ssl.create_default_context(cafile=arguments.ca) if arguments.ca else None
    figures = asyncio.run(send_all(arguments.url, message, arguments.requests, arguments.connections, tls))
    print(figures)  # noqa: T201  # what the caller reads


if __name__ == "__main__":
    main()

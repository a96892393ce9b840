"""The scoring address of an endpoint: who may call it, and which deployment answers.

Status codes and header names are those of the service's troubleshooting page for managed online
endpoints; where it leaves the reason open, the reason is in plain words.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from azureml_local.endpoints.upstream import ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from azureml_local.endpoints.credentials import Authenticator
    from azureml_local.endpoints.instance import Instance
    from azureml_local.endpoints.traffic import MirrorSplit, TrafficSplit
    from azureml_local.endpoints.upstream import Answer

__all__ = ["EndpointTable", "ScoringRouter"]

LARGEST_BODY = 1536 * 1024
_DEPLOYMENT = "azureml-model-deployment"
_REASON = "ms-azureml-model-error-reason"
_STATUS_CODE = "ms-azureml-model-error-statuscode"
_REQUEST_ID = "x-request-id"
_CLIENT_REQUEST_ID = "x-ms-client-request-id"
# What concerns this connection alone, and the credential, which is not for the model's ears.
_NOT_FORWARDED = frozenset(
    {"authorization", "connection", "content-length", "expect", "host", "transfer-encoding"}
)
_WAITING_COPIES = 256
_COPIES_AT_A_TIME = 4


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """What the router knows about an endpoint until it is told that it has changed."""

    authenticator: Authenticator
    traffic: TrafficSplit
    mirror: MirrorSplit
    deployments: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Scoring:
    """A request on its way to a deployment."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class ScoringRouter:
    """Sends scoring requests to inference servers.

    Parameters
    ----------
    load
        Reads an endpoint's table from the store; None when there is no such endpoint.
    instance_of
        Returns the running instance of a deployment, or None.
    """

    def __init__(
        self,
        load: Callable[[str], EndpointTable | None],
        instance_of: Callable[[str, str], Instance | None],
    ) -> None:
        self._load = load
        self._instance_of = instance_of
        self._tables: dict[str, EndpointTable] = {}
        self._changes: Counter[str] = Counter()
        self._copies: asyncio.Queue[tuple[str, str, _Scoring]] = asyncio.Queue(_WAITING_COPIES)
        self._copiers: list[asyncio.Task[None]] = []
        self.mirrored: Counter[tuple[str, str]] = Counter()
        self.dropped_copies: Counter[tuple[str, str]] = Counter()

    def refresh(self, endpoint: str) -> None:
        """Forget an endpoint's table: its traffic, keys or deployments have changed."""
        self._changes[endpoint.lower()] += 1
        self._tables.pop(endpoint.lower(), None)

    async def close(self) -> None:
        """Stop copying mirrored requests."""
        for copier in self._copiers:
            copier.cancel()
        await asyncio.gather(*self._copiers, return_exceptions=True)
        self._copiers.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request below ``/endpoints/{endpoint}/``."""
        endpoint = request.match_info["endpoint"].lower()
        request_id = request.headers.get(_REQUEST_ID) or str(uuid.uuid4())
        response = await self._answer(endpoint, request, request_id)
        headers = response.headers
        headers.setdefault(_REQUEST_ID, request_id)
        headers.setdefault("x-ms-request-id", headers[_REQUEST_ID])
        if client_request_id := request.headers.get(_CLIENT_REQUEST_ID):
            headers[_CLIENT_REQUEST_ID] = client_request_id
        return response

    async def _answer(self, endpoint: str, request: web.Request, request_id: str) -> web.Response:
        table = self._tables.get(endpoint) or await self._read_table(endpoint)
        if table is None:
            return _refuse(404, "endpoint_not_found")
        refusal = table.authenticator.check(request.headers.get("Authorization"))
        if refusal is not None:
            return _refuse(refusal.status, refusal.reason)
        body = await _read_body(request)
        if body is None:
            return _refuse(413, "request_payload_too_large")
        wanted = request.headers.get(_DEPLOYMENT)
        name = wanted.lower() if wanted else table.traffic.choose()
        if name is None or name not in table.deployments:
            return _refuse(404, "no_valid_deployment")
        target = request.raw_path.removeprefix(f"/endpoints/{request.match_info['endpoint']}")
        scoring = _Scoring(request.method, target, _forwarded(request, request_id), body)
        if not wanted:
            for copy in table.mirror.choose():
                if copy != name:
                    self._mirror(endpoint, copy, scoring)
        response = await self._forward(endpoint, name, scoring)
        response.headers[_DEPLOYMENT] = name
        return response

    async def _read_table(self, endpoint: str) -> EndpointTable | None:
        before = self._changes[endpoint]
        table = await asyncio.to_thread(self._load, endpoint)
        if table is not None and self._changes[endpoint] == before:
            # Of several that read at once, one table is kept: it counts the shares.
            return self._tables.setdefault(endpoint, table)
        return table

    async def _forward(self, endpoint: str, name: str, scoring: _Scoring) -> web.Response:
        instance = self._instance_of(endpoint, name)
        if instance is None or not instance.server.ready:
            return _refuse(503, "model_not_ready", retry_after=1)
        server = instance.server
        deployment = instance.deployment
        if server.in_flight >= deployment.max_pending:
            return _refuse(429, "too_many_pending_request", retry_after=1)
        began = time.perf_counter()
        server.in_flight += 1
        try:
            async with asyncio.timeout(deployment.requests.timeout):
                answer = await server.upstream.request(
                    scoring.method, scoring.target, scoring.headers, scoring.body
                )
        except TimeoutError:
            return _refuse(408, "model_request_timeout")
        except ConnectionLostError:
            return _refuse(502, "model_connection_lost")
        finally:
            server.in_flight -= 1
        instance.collect_payload(scoring.method, scoring.target, scoring.headers, scoring.body, answer)
        return _pass_on(answer, milliseconds=(time.perf_counter() - began) * 1000)

    def _mirror(self, endpoint: str, name: str, scoring: _Scoring) -> None:
        if not self._copiers:
            self._copiers = [asyncio.create_task(self._copy_forever()) for _ in range(_COPIES_AT_A_TIME)]
        try:
            self._copies.put_nowait((endpoint, name, scoring))
        except asyncio.QueueFull:
            self.dropped_copies[endpoint, name] += 1

    async def _copy_forever(self) -> None:
        while True:
            endpoint, name, scoring = await self._copies.get()
            response = await self._forward(endpoint, name, scoring)
            # 424 is an answer too: the copy reached the model.
            counter = self.mirrored if response.status in {200, 424} else self.dropped_copies
            counter[endpoint, name] += 1


async def _read_body(request: web.Request) -> bytes | None:
    """Return the body, or None when it is larger than the service takes."""
    if (request.content_length or 0) > LARGEST_BODY:
        return None
    chunks = bytearray()
    async for chunk in request.content.iter_any():
        chunks += chunk
        if len(chunks) > LARGEST_BODY:
            return None
    return bytes(chunks)


def _forwarded(request: web.Request, request_id: str) -> list[tuple[str, str]]:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED]
    if _REQUEST_ID not in request.headers:
        headers.append((_REQUEST_ID, request_id))
    return headers


def _pass_on(answer: Answer, *, milliseconds: float) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    headers["ms-azureml-model-time"] = f"{milliseconds:.0f}"
    if answer.status == 200:
        return web.Response(body=answer.body, headers=headers)
    # Whatever a model answers but 200, an error of its own included, reaches the caller as 424.
    headers[_STATUS_CODE] = str(answer.status)
    headers[_REASON] = "model_error"
    return web.Response(status=424, body=answer.body, headers=headers)


def _refuse(status: int, reason: str, *, retry_after: int | None = None) -> web.Response:
    headers: Iterable[tuple[str, str]] = [(_REASON, reason)]
    if retry_after is not None:
        headers = [*headers, ("Retry-After", str(retry_after))]
    return web.Response(status=status, text=reason, headers=CIMultiDict(headers))

"""What only this stand-in has, below ``/local/``: faults and the request log, for tests."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane


class Administration:
    """Routes for tests; they take the same bearer tokens as everything else."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def add_routes(self, application: web.Application) -> None:
        """Serve ``/local/faults`` and ``/local/requests``."""
        router = application.router
        router.add_get("/local/faults", self._faults)
        router.add_post("/local/faults", self._add_fault)
        router.add_delete("/local/faults", self._clear_faults)
        router.add_get("/local/requests", self._requests)
        router.add_delete("/local/requests", self._clear_requests)

    async def _faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"value": self._plane.faults.remaining()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self._plane.faults.add_from(await request.json())}, status=201)

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._plane.faults.clear()
        return web.Response(status=204)

    async def _requests(self, _request: web.Request) -> web.Response:
        records = await asyncio.to_thread(self._plane.requests.records)
        return web.json_response({"value": [asdict(record) for record in records]})

    async def _clear_requests(self, _request: web.Request) -> web.Response:
        await asyncio.to_thread(self._plane.requests.clear)
        return web.Response(status=204)

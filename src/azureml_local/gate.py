"""What every request passes: bearer token, faults, errors in Azure's shape, the request log."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from azureml_local.plane import ControlPlane

_logger = logging.getLogger(__name__)
# Open to all on Azure too, or protected by a signature of their own.
_OPEN_PREFIXES = ("/metadata/", "/joblogs/", "/discovery/", "/endpoints/")
_OPEN_SUFFIXES = ("/.well-known/openid-configuration", "/oauth2/v2.0/token")
_ADMINISTRATION = "/local/"


class Gate:
    """The one middleware."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        # Blob storage checks signatures as well as tokens, by itself; the router checks keys.
        self._open = (*_OPEN_PREFIXES, f"/{plane.blobs.account}/")

    def verify_token(self, token: str) -> None:
        """Refuse a bearer token that this instance did not issue, or whose time is over."""
        self._plane.identity.verify(f"Bearer {token}")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass one request, or refuse it."""
        if request.path.startswith(_ADMINISTRATION):
            return await self._answer(request, handler)
        end = self._plane.requests.begin(request.method, request.path, request.query.get("api-version", ""))
        status = 500
        try:
            response = await self._answer(request, handler)
            status = response.status
            return response
        finally:
            end(status)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not self._is_open(request.path):
                self._plane.identity.verify(request.headers.get("Authorization"))
            if not request.path.startswith(_ADMINISTRATION):
                await self._plane.faults.strike(request.method, request.path)
            return await handler(request)
        except AzureError as error:
            return refusal(error, self._plane.config.tenant_id)
        except web.HTTPNotFound:
            return refusal(AzureError(404, "NotFound", f"No such path: '{request.path}'."), "")
        except web.HTTPMethodNotAllowed:
            message = f"The HTTP method '{request.method}' is not supported at '{request.path}'."
            return refusal(AzureError(405, "MethodNotAllowed", message), "")
        except (asyncio.CancelledError, web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            _logger.exception("%s %s failed", request.method, request.path)
            message = f"{type(error).__name__}: {error}"
            return refusal(AzureError(500, "InternalServerError", message), "")

    def _is_open(self, path: str) -> bool:
        return path.startswith(self._open) or path.endswith(_OPEN_SUFFIXES)


def refusal(error: AzureError, tenant_id: str) -> web.Response:
    """Return an error as ARM sends it."""
    headers = {"x-ms-request-id": str(uuid.uuid4()), "x-ms-failure-cause": "gateway"}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:g}"
    if error.status == 401:
        headers["WWW-Authenticate"] = (
            f'Bearer authorization_uri="/{tenant_id}", error="invalid_token", '
            f'error_description="{error.message}"'
        )
    return web.json_response(error.body(), status=error.status, headers=headers)

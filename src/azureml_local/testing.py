"""For tests: a control plane in this process, and raw requests to it."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from azureml_local import tls
from azureml_local.server import Server

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from azureml_local.config import InstanceConfig
    from azureml_local.plane import ControlPlane

API_VERSION = "2025-12-01"
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The error's code."""
        code: str = self.body["error"]["code"]
        return code

    @property
    def message(self) -> str:
        """The error's message with those of its details."""
        error = self.body["error"]
        return " ".join([error["message"], *(detail["message"] for detail in error["details"])])


class RunningServer:
    """A server on an event loop of its own, for the length of a ``with`` block.

    Parameters
    ----------
    config
        What the instance is.
    """

    def __init__(self, config: InstanceConfig) -> None:
        self.config = config
        self.server = Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self.server.start())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.run(self.server.close())
        finally:
            self._stop()

    @property
    def plane(self) -> ControlPlane:
        """The services of the server."""
        return self.server.plane

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT_SECONDS)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        api_version: str | None = API_VERSION,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send one request with a good token, or with the given one.

        Parameters
        ----------
        method
            HTTP method.
        path
            Absolute, or relative to the workspace's ARM id when it does not begin with a slash.
        body
            JSON, or bytes to send as they are.
        """
        plane = self.plane
        if not path.startswith("/"):
            path = f"{self.config.workspace_id}/{path}" if path else self.config.workspace_id
        separator = "&" if "?" in path else "?"
        version = f"{separator}api-version={api_version}" if api_version else ""
        bearer = plane.identity.issue(plane.base_url) if token is None else token
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is the server's own
            f"{plane.base_url}{path}{version}",
            data=content,
            method=method,
            headers={
                "Authorization": f"Bearer {bearer}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        context = ssl.create_default_context(cafile=str(self.config.home / tls.CA_BUNDLE))
        try:
            with urllib.request.urlopen(  # noqa: S310
                request, timeout=_TIMEOUT_SECONDS, context=context
            ) as response:
                return _reply(response.status, response.read(), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error.read(), error.headers)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _reply(status: int, content: bytes, headers: Any) -> Reply:
    lowered = {name.lower(): value for name, value in headers.items()}
    if "json" in lowered.get("content-type", ""):
        return Reply(status, json.loads(content), lowered)
    return Reply(status, content.decode(errors="replace"), lowered)

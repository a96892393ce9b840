"""A storage account on a loopback port, as the real clients see it."""

from __future__ import annotations

import asyncio
import base64
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from azureml_local.blobs import BlobStore, add_routes
from azureml_local.errors import AzureError
from azureml_local.store import ResourceStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = base64.b64encode(b"a key for tests").decode()
ACCOUNT = "devstoretest"


def verify_token(token: str) -> None:
    if token != "good":
        raise AzureError(401, "InvalidAuthenticationInfo", "The token is not valid.")


@contextmanager
def served(root: Path, quota: int | None = None) -> Iterator[BlobStore]:
    """Serve an account below a folder from a thread of its own."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    holder: list[BlobStore] = []
    state = ResourceStore(root / "state.db")

    async def main() -> None:
        app = web.Application()
        runner = web.AppRunner(app)
        port = _free_port()
        store = BlobStore(
            root / "blobs",
            state,
            account=ACCOUNT,
            key=KEY,
            base_url=f"http://127.0.0.1:{port}",
            quota_bytes=quota,
        )
        add_routes(app, store, verify_token=verify_token)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        holder.append(store)
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert ready.wait(10)
        yield holder[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        state.close()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., BlobStore]]:
    """Start the account of the test's folder, again if asked."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda quota=None: stack.enter_context(served(tmp_path, quota))


@pytest.fixture
def blobs(serve: Callable[..., BlobStore]) -> BlobStore:
    store = serve()
    store.create_container("data")
    return store

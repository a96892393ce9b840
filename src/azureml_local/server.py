"""One instance, running: wires the parts together and serves them at one loopback port."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from azureml_local import seeding, tls
from azureml_local.administration import Administration
from azureml_local.arm.batch_invocations import BatchInvocations
from azureml_local.arm.routes import ResourceManager
from azureml_local.blobs import BlobStore
from azureml_local.blobs import add_routes as add_blob_routes
from azureml_local.config import ConfigError, InstanceConfig
from azureml_local.endpoints import EndpointHost
from azureml_local.faults import Faults
from azureml_local.gate import Gate
from azureml_local.history import RunHistory
from azureml_local.identity import Identity, Secrets, write_private
from azureml_local.jobs import JobService
from azureml_local.operations import Operations
from azureml_local.plane import ControlPlane
from azureml_local.request_log import RequestLog
from azureml_local.store import ResourceStore
from azureml_local.tracking import Tracking

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger(__name__)
CONNECTION_FILE = "connection.json"
CONNECTION_VERSION = 1
_ADDRESS_FILE = "address"
_TLS_GOODBYE_SECONDS = 0.05
# How long readiness waits for deployments that a crash interrupted; the rest comes up in the background.
_RECOVERY_SECONDS = 20.0
# A job may outlive the hour of an ordinary token.
_JOB_TOKEN_SECONDS = 7 * 24 * 3600


class PortInUseError(ConfigError):
    """The configured port belongs to another process."""


class Server:
    """A control plane between :meth:`start` and :meth:`close`.

    Parameters
    ----------
    config
        What the instance is; its home folder holds all state.
    """

    def __init__(self, config: InstanceConfig) -> None:
        self.config = config
        self.plane: ControlPlane
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._recovery: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve, take up unfinished work, then write the connection file.

        Raises
        ------
        PortInUseError
            The configured port is taken.
        """
        home = self.config.home
        home.mkdir(parents=True, exist_ok=True)
        listening = _bind(self.config.port or _remembered_port(home), required=self.config.port != 0)
        base_url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        try:
            self.plane = await asyncio.to_thread(_build, self.config, base_url)
            await self._serve(listening)
        except BaseException:
            listening.close()
            raise
        await self.plane.operations.resume()
        self._recovery = asyncio.create_task(self._recover())
        await asyncio.wait([self._recovery], timeout=_RECOVERY_SECONDS)
        write_private(home / CONNECTION_FILE, json.dumps(self.connection(), indent=2).encode())

    async def close(self) -> None:
        """Stop everything that runs and close the state; what is unfinished is resumed by the next start."""
        (self.config.home / CONNECTION_FILE).unlink(missing_ok=True)
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
            await asyncio.sleep(2 * _TLS_GOODBYE_SECONDS)
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await self.plane.operations.close()
        await self.plane.endpoints.close()
        await asyncio.to_thread(self.plane.jobs.close)
        self.plane.store.close()

    def connection(self) -> dict[str, object]:
        """Return what a client needs to know, secrets included."""
        plane = self.plane
        return {
            "version": CONNECTION_VERSION,
            "base_url": plane.base_url,
            "ca_bundle": str((self.config.home / tls.CA_BUNDLE).resolve()),
            "tenant_id": self.config.tenant_id,
            "client_id": plane.identity.secret.client_id,
            "client_secret": plane.identity.secret.client_secret,
            "account": self.config.account,
            "storage_url": plane.base_url,
            "pid": os.getpid(),
        }

    async def _serve(self, listening: socket.socket) -> None:
        plane = self.plane
        gate = Gate(plane)
        application = web.Application(middlewares=[gate.middleware], client_max_size=0)
        plane.identity.add_routes(application)
        ResourceManager(plane).add_routes(application)
        BatchInvocations(plane).add_routes(application)
        RunHistory(plane).add_routes(application)
        Administration(plane).add_routes(application)
        plane.tracking.add_routes(application, seeding.TRACKING_PREFIX)
        plane.endpoints.add_routes(application)
        add_blob_routes(application, plane.blobs, verify_token=gate.verify_token)
        self._runner = runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        if runner.server is None:
            raise RuntimeError("aiohttp made no protocol factory")
        context = await asyncio.to_thread(tls.server_context, self.config.home)
        # Not a SockSite: that one waits half a minute for clients who do not end TLS politely.
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            runner.server, sock=listening, ssl=context, ssl_shutdown_timeout=_TLS_GOODBYE_SECONDS
        )

    async def _recover(self) -> None:
        await asyncio.to_thread(self.plane.jobs.recover)
        await self.plane.endpoints.recover()


def _build(config: InstanceConfig, base_url: str) -> ControlPlane:
    home = config.home
    store = ResourceStore(home / "state.db")
    secret = Secrets.load(home / "secrets.json")
    identity = Identity(secret, tenant_id=config.tenant_id, base_url=base_url)
    _rebase(store, home, base_url)
    blobs = BlobStore(
        home / "blobs",
        store,
        account=config.account,
        key=secret.account_key,
        base_url=base_url,
        quota_bytes=config.blob_quota_bytes,
        datastore_container=lambda name, workspace: seeding.datastore_container(
            store, config, name, workspace
        ),
    )
    faults = Faults()
    for rule in config.faults:
        faults.add_from(dict(rule))
    tracking = Tracking(store)
    plane = ControlPlane(
        config=config,
        base_url=base_url,
        store=store,
        identity=identity,
        operations=Operations(store, faults),
        faults=faults,
        requests=RequestLog(),
        blobs=blobs,
        tracking=tracking,
        jobs=JobService(
            store=store,
            blobs=blobs,
            tracking=tracking,
            config=config,
            base_url=base_url,
            token=lambda: identity.issue(base_url, lifetime=_JOB_TOKEN_SECONDS),
        ),
        endpoints=EndpointHost(
            store=store,
            blobs=blobs,
            config=config,
            base_url=base_url,
            home=home,
            verify_entra=identity.verify,
        ),
    )
    seeding.seed(plane)
    return plane


def _bind(port: int, *, required: bool) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port whose last connections linger in TIME_WAIT is free; one that somebody listens on is not.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        if required:
            listening.close()
            raise PortInUseError(
                f"port {port} of 127.0.0.1 is taken by another process ({error.strerror}). Stop that "
                "process, choose another port, or set port 0 for any free one."
            ) from error
        listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    listening.setblocking(False)
    return listening


def _remembered_port(home: Path) -> int:
    try:
        return int((home / _ADDRESS_FILE).read_text(encoding="utf-8").rsplit(":", 1)[1])
    except (FileNotFoundError, ValueError, IndexError):
        return 0


def _rebase(store: ResourceStore, home: Path, base_url: str) -> None:
    """Let stored addresses follow the instance when its port had to change."""
    address = home / _ADDRESS_FILE
    old = address.read_text(encoding="utf-8") if address.exists() else base_url
    if old != base_url:
        _logger.warning("the port changed: %s is now %s", old, base_url)
        with store.transaction() as connection:
            connection.execute("UPDATE resources SET body = replace(body, ?, ?)", (old, base_url))
    temporary = address.with_name(f".{_ADDRESS_FILE}.{uuid.uuid4().hex}")
    temporary.write_text(base_url, encoding="utf-8")
    temporary.replace(address)

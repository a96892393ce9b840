"""The data-collector agent: what the ``Collector`` of azureml-ai-monitoring posts its frames to.

On a managed endpoint it is a container beside the server's; here it is a loopback listener per
deployment, so that the scoring script is the same in both places.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
import weakref
from typing import TYPE_CHECKING

from azureml_local.endpoints.agent_protocol import AgentConnection
from azureml_local.endpoints.append_log import AppendLog, repair
from azureml_local.endpoints.collected_data import CollectedEvent, event_line, period_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azureml_local.blobs import BlobStore
    from azureml_local.endpoints.deployment import Deployment

__all__ = ["CollectorAgent", "write_collector_settings"]

_QUIET_SECONDS = 0.4
_LONGEST_DRAIN_SECONDS = 15.0
_TYPE_PREFIX = "azureml.inference."
# Fields of a line by the header that carries them, in the order in which the service writes them.
_ATTRIBUTES = {
    "correlationid": "ce-x-request-id",
    "xrequestid": "ce-x-request-id",
    "modelversion": "ce-model-version",
    "collectdatatype": "ce-collect-data-type",
    "agent": "ce-agent",
}


class CollectorAgent:
    """Takes the collected data of one instance of a deployment and writes it to its blobs.

    Parameters
    ----------
    deployment
        The deployment; its collections say what is taken.
    folders
        Container and folder of each collection.
    blobs
        Where the data goes.
    instance_id
        Name of the files: no other instance writes to them.
    """

    def __init__(
        self,
        deployment: Deployment,
        folders: Mapping[str, tuple[str, str]],
        blobs: BlobStore,
        *,
        instance_id: str,
    ) -> None:
        self._deployment = deployment
        self._folders = folders
        self._blobs = blobs
        self._instance_id = instance_id
        self._log = AppendLog(blobs)
        self._server: asyncio.Server | None = None
        self._connections: weakref.WeakSet[AgentConnection] = weakref.WeakSet()
        self._last_event = time.monotonic()
        self.collected = 0

    async def start(self) -> int:
        """Repair what a killed instance left, listen, and return the port."""
        for container, folder in self._folders.values():
            await asyncio.to_thread(repair, self._blobs.path(container, folder))
        self._log.start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def drain(self) -> None:
        """Wait until the server's collectors have posted what they had queued.

        They queue in memory and do not empty the queue when the server is told to stop, so this
        comes before that.
        """
        self._last_event = max(self._last_event, time.monotonic())
        deadline = time.monotonic() + _LONGEST_DRAIN_SECONDS
        while time.monotonic() < min(self._last_event + _QUIET_SECONDS, deadline):
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Stop listening and write what has come."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.close()
            await self._server.wait_closed()
            self._server = None
        await self._log.close()

    def collect(self, event: CollectedEvent) -> None:
        """Take an event.

        Raises
        ------
        ValueError
            The payload should be JSON and is not.
        """
        container, folder = self._folders[event.collection]
        period = f"{folder}/{period_folder(self._deployment.data.rolling_rate, event.time)}"
        blob_url = None
        if not event.inline:
            blob = f"{period}/{event.id}"
            blob_url = self._blobs.url(container, blob)
            self._log.add(container, blob, event.payload)
        line = event_line(event, source=self._deployment.id, blob_url=blob_url)
        self._log.add(container, f"{period}/{self._instance_id}.jsonl", line)
        self.collected += 1

    def _connection(self) -> AgentConnection:
        connection = AgentConnection(self._take)
        self._connections.add(connection)
        return connection

    def _take(self, request_line: str, headers: Mapping[str, str], payload: bytes) -> tuple[int, str]:
        self._last_event = time.monotonic()
        if not request_line.startswith("POST /modeldata/log "):
            return 404, "the agent takes POST /modeldata/log"
        collection = headers.get("ce-type", "").removeprefix(_TYPE_PREFIX)
        if collection not in self._folders:
            return 404, f"collection '{collection}' is not enabled"
        if self._log.full:
            return 507, "the storage of collected data is full"
        event = CollectedEvent(
            id=headers.get("trace-id") or str(uuid.uuid4()),
            collection=collection,
            time=_moment(headers.get("ce-time")),
            payload=payload,
            content_type=headers.get("content-type", "application/octet-stream"),
            attributes={name: headers[header] for name, header in _ATTRIBUTES.items() if header in headers},
        )
        try:
            self.collect(event)
        except ValueError:
            return 400, "the payload is not JSON"
        return 200, ""


def write_collector_settings(deployment: Deployment, path: Path) -> None:
    """Write the file by which azureml-ai-monitoring learns what to collect and how much of it.

    The library itself samples, each collection for itself, as on a managed endpoint.
    """
    collections = {
        each.name: {"enabled": True, "sampleRatePercentage": each.sampling_rate * 100}
        for each in deployment.data.custom
    }
    path.write_text(json.dumps({"runMode": "cloud", "collections": collections}), encoding="utf-8")


def _moment(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return time.time()

"""Long-running operations: what a client polls, and what a restarted control plane takes up again."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from azureml_local.errors import AzureError
from azureml_local.store import timestamp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from sqlite3 import Row

    from azureml_local.faults import Faults
    from azureml_local.store import ResourceStore

_logger = logging.getLogger(__name__)
# azure-core waits this long between two polls when the answer says so; its default is seconds.
POLL_MILLISECONDS = 100
_SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
  id TEXT PRIMARY KEY,
  action TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT,
  started_at TEXT NOT NULL,
  ended_at TEXT
)
"""

Action = Literal["Create", "Update", "Delete"]
Status = Literal["InProgress", "Succeeded", "Failed", "Canceled"]
# What each action is called as an HTTP method, by which faults are matched.
_METHODS: dict[Action, str] = {"Create": "PUT", "Update": "PUT", "Delete": "DELETE"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One long-running operation."""

    id: str
    action: Action
    resource_id: str
    kind: str
    status: Status
    error: dict[str, Any] | None
    started_at: str
    ended_at: str | None

    def body(self, status_id: str) -> dict[str, Any]:
        """Return what a poll of ``Azure-AsyncOperation`` answers."""
        content: dict[str, Any] = {
            "id": status_id,
            "name": self.id,
            "status": self.status,
            "startTime": self.started_at,
            "percentComplete": 0 if self.status == "InProgress" else 100,
        }
        if self.ended_at is not None:
            content["endTime"] = self.ended_at
        if self.error is not None:
            content["error"] = self.error
        return content


class Operations:
    """Starts operations on the event loop and keeps their state in the store.

    Work is registered per resource type and action and must be safe to repeat: after a crash it starts
    from the beginning.
    """

    def __init__(self, store: ResourceStore, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._work: dict[tuple[str, Action], Callable[[str], Awaitable[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        with store.transaction() as connection:
            connection.execute(_SCHEMA)

    def register(self, kind: str, action: Action, work: Callable[[str], Awaitable[None]]) -> None:
        """Say what an action on a resource type does."""
        self._work[kind, action] = work

    def start(self, action: Action, resource_id: str, kind: str) -> Operation:
        """Begin an operation; safe to call from any thread."""
        operation = Operation(
            str(uuid.uuid4()), action, resource_id, kind, "InProgress", None, timestamp(), None
        )
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO operations VALUES (?, ?, ?, ?, ?, NULL, ?, NULL)",
                (operation.id, action, resource_id, kind, operation.status, operation.started_at),
            )
        self._schedule(operation)
        return operation

    def require(self, operation_id: str) -> Operation:
        """Return an operation or raise Azure's 404."""
        with self._store.transaction() as connection:
            row = connection.execute("SELECT * FROM operations WHERE id = ?", (operation_id,)).fetchone()
        if row is None:
            raise AzureError(404, "OperationNotFound", f"The operation '{operation_id}' was not found.")
        return _operation(row)

    async def resume(self) -> None:
        """Bind to the running loop and take up what a killed control plane left unfinished."""
        self._loop = asyncio.get_running_loop()
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM operations WHERE status = 'InProgress' ORDER BY started_at"
            ).fetchall()
        for operation in map(_operation, rows):
            _logger.info("resuming %s of %s", operation.action, operation.resource_id)
            self._schedule(operation)

    def unfinished(self) -> set[str]:
        """Return the ids, in lower case, of the resources that operations are at work on."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT resource_id FROM operations WHERE status = 'InProgress'"
            ).fetchall()
        return {row[0].lower() for row in rows}

    async def close(self) -> None:
        """Stop what runs; it stays unfinished and is resumed by the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _schedule(self, operation: Operation) -> None:
        if self._loop is None:
            raise RuntimeError("operations start once the control plane has called resume()")
        self._loop.call_soon_threadsafe(self._spawn, operation)

    def _spawn(self, operation: Operation) -> None:
        if self._loop is None:
            return
        task = self._loop.create_task(self._run(operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, operation: Operation) -> None:
        error: AzureError | None = None
        try:
            self._faults.fail_provisioning(_METHODS[operation.action], operation.resource_id)
            await self._work[operation.kind, operation.action](operation.resource_id)
        except AzureError as refused:
            error = refused
        except Exception as unexpected:
            _logger.exception("%s of %s failed", operation.action, operation.resource_id)
            error = AzureError(500, "InternalServerError", f"{type(unexpected).__name__}: {unexpected}")
        await asyncio.to_thread(self._finish, operation, error)

    def _finish(self, operation: Operation, error: AzureError | None) -> None:
        state: Status = "Failed" if error else "Succeeded"
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE operations SET status = ?, error = ?, ended_at = ? WHERE id = ?",
                (state, json.dumps(error.detail()) if error else None, timestamp(), operation.id),
            )
            if self._store.get(operation.resource_id) is None:
                return
            if operation.action == "Delete" and error is None:
                self._store.delete(operation.resource_id)
            else:
                self._store.update(
                    operation.resource_id, lambda body: body["properties"].update(provisioningState=state)
                )


def _operation(row: Row | tuple[Any, ...]) -> Operation:
    identifier, action, resource_id, kind, status, error, started_at, ended_at = row
    return Operation(
        identifier,
        action,
        resource_id,
        kind,
        status,
        json.loads(error) if error else None,
        started_at,
        ended_at,
    )

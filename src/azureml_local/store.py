"""Resources of the control plane, kept in one SQLite file so that they survive a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azureml_local.errors import AzureError, resource_not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROVIDER = "Microsoft.MachineLearningServices"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  collection TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  etag TEXT NOT NULL,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS resources_collection ON resources (collection, sequence);
CREATE INDEX IF NOT EXISTS resources_type ON resources (type, sequence);
"""
_COLUMNS = "id, name, type, body, etag, created_at, modified_at"


@dataclass(frozen=True, slots=True)
class Resource:
    """One ARM resource.

    ``type`` is relative to the provider, such as ``workspaces/onlineEndpoints/deployments``;
    ``body`` is the whole body that a GET returns (a copy: changing it changes nothing stored).
    """

    id: str
    name: str
    type: str
    body: dict[str, Any]
    etag: str
    created_at: str
    modified_at: str

    @property
    def properties(self) -> dict[str, Any]:
        """The ``properties`` of the body."""
        properties: dict[str, Any] = self.body["properties"]
        return properties


def resource_type(resource_id: str) -> str:
    """Return the type of a resource, relative to the provider.

    Examples
    --------
    >>> resource_type("/subscriptions/s/resourceGroups/r/providers/P/workspaces/w/jobs/j")
    'workspaces/jobs'
    """
    parts = resource_id.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    start = lowered.index("providers") + 2 if "providers" in lowered else 0
    return "/".join(parts[start::2])


def resource_group(resource_id: str) -> str:
    """Return the resource group that an id names, or an empty text."""
    parts = resource_id.strip("/").split("/")
    return parts[3] if len(parts) > 3 and parts[2].lower() == "resourcegroups" else ""


def timestamp() -> str:
    """Return now as Azure writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


class ResourceStore:
    """Thread-safe store of ARM resources; ids compare without regard to case, as in ARM."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        # Transactions are explicit; one connection serves all threads under the lock.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # WAL with NORMAL is consistent after a killed process; only a power cut may lose the last commits.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside one atomic transaction; nested use joins the outer one.

        Raises
        ------
        AzureError
            507 ``InsufficientStorage`` when the disk is full; nothing of the transaction is kept.
        """
        with self._lock:
            outermost = self._depth == 0
            self._depth += 1
            try:
                if outermost:
                    self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    if outermost:
                        self._connection.execute("COMMIT")
                except BaseException:
                    if outermost and self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise AzureError(
                        507,
                        "InsufficientStorage",
                        f"The disk that holds '{self.path}' is full: the request was not carried out. "
                        "Free some space and send it again.",
                    ) from error
                raise
            finally:
                self._depth -= 1

    def put(self, resource_id: str, body: dict[str, Any]) -> Resource:
        """Create or replace a resource; fills id, name, type and systemData."""
        key = resource_id.lower()
        now = timestamp()
        with self.transaction() as connection:
            existing = self._row("key = ?", key)
            created_at = existing.created_at if existing else now
            kept_id = existing.id if existing else resource_id
            kind = resource_type(kept_id)
            name = kept_id.rsplit("/", 1)[-1]
            system = (existing.body if existing else body).get("systemData") or {}
            stored = body | {
                "id": body.get("id") if str(body.get("id", "")).startswith("azureml:") else kept_id,
                "name": name,
                "type": f"{PROVIDER}/{kind}",
                "systemData": {
                    "createdAt": created_at,
                    "createdBy": system.get("createdBy", "local"),
                    "createdByType": system.get("createdByType", "User"),
                    "lastModifiedAt": now,
                    "lastModifiedBy": system.get("createdBy", "local"),
                    "lastModifiedByType": system.get("createdByType", "User"),
                },
            }
            etag = uuid.uuid4().hex
            connection.execute(
                "INSERT INTO resources (key, collection, id, name, type, body, etag, created_at, modified_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " body = excluded.body, etag = excluded.etag, modified_at = excluded.modified_at",
                (key, _collection(key), kept_id, name, kind, json.dumps(stored), etag, created_at, now),
            )
        return Resource(kept_id, name, kind, stored, etag, created_at, now)

    def get(self, resource_id: str) -> Resource | None:
        """Return a resource, or None."""
        with self._lock:
            return self._row("key = ?", resource_id.lower())

    def require(self, resource_id: str) -> Resource:
        """Return a resource or raise ARM's 404."""
        found = self.get(resource_id)
        if found is None:
            parts = resource_id.strip("/").split("/")
            raise resource_not_found(
                f"{PROVIDER}/{resource_type(resource_id)}",
                "/".join(parts[7::2]) or parts[-1],
                resource_group(resource_id),
            )
        return found

    def update(self, resource_id: str, mutate: Callable[[dict[str, Any]], None]) -> Resource:
        """Read, change and write a resource as one step."""
        with self.transaction():
            body = self.require(resource_id).body
            mutate(body)
            return self.put(resource_id, body)

    def delete(self, resource_id: str) -> bool:
        """Delete a resource with everything below it; say whether it was there."""
        key = resource_id.lower()
        with self.transaction() as connection:
            # '0' is the character after '/', so this range is everything below the id.
            cursor = connection.execute(
                "DELETE FROM resources WHERE key = ? OR (key >= ? AND key < ?)", (key, f"{key}/", f"{key}0")
            )
            return cursor.rowcount > 0

    def children(self, collection_id: str) -> list[Resource]:
        """Return the direct members of a collection in the order in which they were created."""
        with self._lock:
            return self._rows("collection = ?", collection_id.rstrip("/").lower())

    def of_type(self, kind: str) -> list[Resource]:
        """Return all resources of a type in the order in which they were created."""
        with self._lock:
            return self._rows("type = ? COLLATE NOCASE", kind)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _row(self, condition: str, value: str) -> Resource | None:
        rows = self._rows(condition, value)
        return rows[0] if rows else None

    def _rows(self, condition: str, value: str) -> list[Resource]:
        # `condition` is one of the literals above.
        query = f"SELECT {_COLUMNS} FROM resources WHERE {condition} ORDER BY sequence"  # noqa: S608
        return [
            Resource(identifier, name, kind, json.loads(body), etag, created_at, modified_at)
            for identifier, name, kind, body, etag, created_at, modified_at in self._connection.execute(
                query, (value,)
            )
        ]


def _collection(key: str) -> str:
    return key.rsplit("/", 1)[0]

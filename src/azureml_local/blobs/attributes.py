"""What a file cannot carry about a blob: content type, metadata, kind; kept in the state database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from azureml_local.store import ResourceStore

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blobs (
  container TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, changed INTEGER NOT NULL,
  revision INTEGER NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (container, name)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """What is known about one blob."""

    container: str
    name: str
    size: int
    etag: str
    modified: datetime
    kind: str = "BlockBlob"
    content_type: str = "application/octet-stream"
    content_md5: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def attributes(self) -> dict[str, Any]:
        """Return the part that a file cannot carry."""
        return {
            "kind": self.kind,
            "content_type": self.content_type,
            "content_md5": self.content_md5,
            "metadata": dict(self.metadata),
        }


class AttributeTable:
    """Rows of attributes; each names the size and time of change of the content that it describes."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        with store.transaction() as connection:
            connection.execute(_SCHEMA)

    def describe(self, container: str, files: Mapping[str, Path]) -> list[BlobProperties]:
        """Return what is known about the blobs with these names and files, leaving out what is no file."""
        found: dict[str, os.stat_result] = {}
        for name, path in files.items():
            if path.is_file():
                try:
                    found[name] = path.stat()
                except FileNotFoundError:
                    continue  # deleted while we looked
        if not found:
            return []
        with self._store.transaction() as connection:
            rows = {
                (name, size, changed): (revision, attributes)
                for name, size, changed, revision, attributes in connection.execute(
                    "SELECT name, size, changed, revision, attributes FROM blobs"
                    " WHERE container = ? AND name BETWEEN ? AND ?",
                    (container, min(found), max(found)),
                )
            }
        return [
            _properties(
                container, name, status, *rows.get((name, status.st_size, status.st_mtime_ns), (0, "{}"))
            )
            for name, status in found.items()
        ]

    def remember(self, container: str, name: str, path: Path, attributes: Mapping[str, Any]) -> None:
        """Attach attributes to the content that the file has now."""
        status = path.stat()
        kept = json.dumps({key: value for key, value in attributes.items() if value is not None})
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO blobs VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (container, name) DO UPDATE SET"
                " size = excluded.size, changed = excluded.changed, attributes = excluded.attributes,"
                " revision = revision + 1",
                (container, name, status.st_size, status.st_mtime_ns, kept),
            )

    def forget(self, container: str, *names: str) -> None:
        """Drop the attributes of blobs."""
        with self._store.transaction() as connection:
            connection.executemany(
                "DELETE FROM blobs WHERE container = ? AND name = ?", [(container, name) for name in names]
            )


def _properties(
    container: str, name: str, status: os.stat_result, revision: int, attributes: str
) -> BlobProperties:
    identity = f"{status.st_ino}.{status.st_mtime_ns}.{status.st_size}.{revision}"
    return BlobProperties(
        container,
        name,
        status.st_size,
        f'"0x{hashlib.sha256(identity.encode()).hexdigest()[:16].upper()}"',
        datetime.fromtimestamp(status.st_mtime_ns // 10**9, UTC),
        **json.loads(attributes),
    )

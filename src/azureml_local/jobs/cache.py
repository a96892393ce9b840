"""Reuse of finished nodes: equal command, code, environment and inputs give the outputs of before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from azureml_local.errors import AzureError
from azureml_local.jobs import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azureml_local.blobs import BlobStore
    from azureml_local.jobs.graph import Node
    from azureml_local.store import ResourceStore

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS job_cache (
  key TEXT PRIMARY KEY, run TEXT NOT NULL, outputs TEXT NOT NULL, stamps TEXT NOT NULL
) WITHOUT ROWID
"""


def key(node: Node, *, environment: tuple[str, str], code: str, inputs: Mapping[str, str]) -> str:
    """Return the identity of what a node does.

    Parameters
    ----------
    environment
        Name and version.
    code, inputs
        Digests of contents, and literals as they are.
    """
    component = node.component
    identity = {
        "component": [component.name, component.version],
        "command": component.command,
        "code": code,
        "environment": environment,
        "variables": {**component.environment_variables, **node.environment_variables},
        "inputs": dict(inputs),
        "outputs": dict(component.outputs),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


class NodeCache:
    """What finished nodes wrote, by what they did."""

    def __init__(self, store: ResourceStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs
        with store.transaction() as connection:
            connection.execute(_SCHEMA)

    def find(self, identity: str) -> tuple[str, dict[str, str]] | None:
        """Return the run that did the same and its outputs' addresses, if they are still as it left them."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT run, outputs, stamps FROM job_cache WHERE key = ?", (identity,)
            ).fetchone()
        if row is None:
            return None
        outputs: dict[str, str] = json.loads(row[1])
        return (row[0], outputs) if self._stamps(outputs) == json.loads(row[2]) else None

    def keep(self, identity: str, run: str, outputs: Mapping[str, str]) -> None:
        """Remember what a run wrote."""
        values: tuple[Any, ...] = (
            identity,
            run,
            json.dumps(dict(outputs)),
            json.dumps(self._stamps(outputs)),
        )
        with self._store.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO job_cache VALUES (?, ?, ?, ?)", values)

    def _stamps(self, outputs: Mapping[str, str]) -> dict[str, str]:
        stamps = {}
        for name, uri in outputs.items():
            try:
                path = self._blobs.resolve(uri)
            except AzureError:
                continue  # its datastore is gone
            if path.exists():
                stamps[name] = files.stamp(path)
        return stamps

"""Remembers what clients sent, in a form that two runs have in common, so that tests can compare it."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass

_LIMIT = 10_000
_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PROVIDER = r"/providers/microsoft\.machinelearningservices"
_GROUP = r"/subscriptions/[^/]+/resourcegroups/[^/]+"
# From the specific to the general; what differs from run to run becomes a name in braces.
_NORMAL_FORMS = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (rf"{_GROUP}{_PROVIDER}/workspaces/[^/]+", "{workspace}"),
        (rf"{_GROUP}{_PROVIDER}/registries/[^/]+", "{registry}"),
        (rf"{_GROUP}{_PROVIDER}", "{group}"),
        (rf"/subscriptions/[^/]+{_PROVIDER}/locations/[^/]+", "{location}"),
        (_GUID, "{guid}"),
        (r"\b[0-9a-f]{64}\b", "{sha256}"),
    )
)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request; ``path`` is in normal form."""

    method: str
    path: str
    api_version: str
    status: int

    def __str__(self) -> str:
        version = f" {self.api_version}" if self.api_version else ""
        return f"{self.method} {self.path}{version} -> {self.status}"


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_LIMIT)
        self._lock = threading.Lock()

    def add(self, method: str, path: str, api_version: str, status: int) -> None:
        """Remember one request."""
        with self._lock:
            self._records.append(RequestRecord(method, normal_form(path), api_version, status))

    def records(self) -> list[RequestRecord]:
        """Return what was remembered."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._records.clear()


def normal_form(path: str) -> str:
    """Replace what differs between instances and runs in a path.

    Examples
    --------
    >>> normal_form("/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices"
    ...             "/workspaces/w/jobs/j")
    '{workspace}/jobs/j'
    """
    for pattern, replacement in _NORMAL_FORMS:
        path = pattern.sub(replacement, path)
    return path

"""Remembers what clients sent, in a form that two runs have in common, so that tests can compare it."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT = 10_000
_WAIT_SECONDS = 1.0
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
    """The latest requests in the order in which they arrived.

    A client may have an answer, and send its next request, before the server has noted the first one's
    status: so a request has its place from its arrival on.
    """

    def __init__(self) -> None:
        self._records: deque[list[RequestRecord]] = deque(maxlen=_LIMIT)
        self._condition = threading.Condition()
        self._open = 0

    def begin(self, method: str, path: str, api_version: str) -> Callable[[int], None]:
        """Note a request; the returned function notes its status and is to be called once."""
        place: list[RequestRecord] = []
        with self._condition:
            self._records.append(place)
            self._open += 1

        def end(status: int) -> None:
            with self._condition:
                place.append(RequestRecord(method, normal_form(path), api_version, status))
                self._open -= 1
                self._condition.notify_all()

        return end

    def records(self) -> list[RequestRecord]:
        """Return what was noted; waits a moment for requests that are being answered."""
        with self._condition:
            self._condition.wait_for(lambda: self._open == 0, _WAIT_SECONDS)
            return [record for place in self._records for record in place]

    def clear(self) -> None:
        """Forget everything."""
        with self._condition:
            self._condition.wait_for(lambda: self._open == 0, _WAIT_SECONDS)
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

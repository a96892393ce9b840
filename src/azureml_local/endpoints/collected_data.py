"""Azure ML's layout of collected data: which blob an event goes to, and its line there.

The layout is the documented one of "collect production data": a folder per collection and period,
in it one file per instance, in the file one JSON object per event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LARGEST_INLINE_PAYLOAD", "CollectedEvent", "event_line", "period_folder"]

# Above this the line names a blob that holds the payload.
LARGEST_INLINE_PAYLOAD = 4 * 1024 * 1024
_PERIODS = {
    "Year": "%Y",
    "Month": "%Y/%m",
    "Day": "%Y/%m/%d",
    "Hour": "%Y/%m/%d/%H",
    "Minute": "%Y/%m/%d/%H/%M",
}


@dataclass(frozen=True, slots=True)
class CollectedEvent:
    """One payload that a scoring script, or the endpoint itself, has handed over.

    ``payload`` is JSON text when ``content_type`` says so; ``attributes`` are the remaining fields
    of the line, in order.
    """

    id: str
    collection: str
    time: float
    payload: bytes
    content_type: str = "application/json"
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def inline(self) -> bool:
        """Whether the payload stands in the line itself."""
        return self.content_type == "application/json" and len(self.payload) <= LARGEST_INLINE_PAYLOAD

    def is_json(self) -> bool:
        """Say whether the payload is JSON text."""
        try:
            json.loads(self.payload)
        except ValueError:
            return False
        return True


def period_folder(rolling_rate: str, time: float) -> str:
    """Return the folder of the period that a moment falls into, in UTC.

    Examples
    --------
    >>> period_folder("Hour", 0)
    '1970/01/01/00'
    """
    return datetime.fromtimestamp(time, UTC).strftime(_PERIODS[rolling_rate])


def event_line(event: CollectedEvent, *, source: str, blob_url: str | None = None) -> bytes:
    """Return the line of an event, newline included.

    Parameters
    ----------
    event
        The event.
    source
        ARM id of the deployment.
    blob_url
        Where the payload is, when it is not inline.

    Raises
    ------
    ValueError
        The payload should be JSON and is not.
    """
    size = len(event.payload)
    head = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": f"azureml.inference.{event.collection}",
        "datacontenttype": event.content_type,
        "time": datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    tail = dict(event.attributes) | {"contentrange": f"bytes 0-{max(size - 1, 0)}/{size}"}
    if blob_url is not None:
        tail["datainblob"] = "true"
        data = json.dumps(blob_url).encode()
    else:
        data = _one_line_json(event.payload)
    # The payload's own bytes are kept: parsing and writing numbers again could change them.
    return b'%s,"data":%s,%s\n' % (_compact(head)[:-1], data, _compact(tail)[1:])


def _compact(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _one_line_json(payload: bytes) -> bytes:
    value = json.loads(payload)
    if b"\n" in payload or b"\r" in payload:
        return json.dumps(value, separators=(",", ":")).encode()
    return payload

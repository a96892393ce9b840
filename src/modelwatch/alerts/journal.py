"""The journal: events that are only ever added, each bound to the one before it by a hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelwatch.errors import SourceError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    monitor TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    payload TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (monitor, kind);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_remain BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_START = "0" * 64


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal.

    Attributes
    ----------
    key
        What makes it happen once: a second event with the same key is not written.
    at
        UTC; never earlier than the event before it, even when the clock was set back.
    """

    seq: int
    at: datetime
    monitor: str
    kind: str
    key: str
    actor: str
    payload: Mapping[str, Any]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """Return the line of the exported journal."""
        return {
            "seq": self.seq,
            "at": text_of(self.at),
            "monitor": self.monitor,
            "kind": self.kind,
            "key": self.key,
            "actor": self.actor,
            "payload": dict(self.payload),
            "previous": self.previous,
            "hash": self.hash,
        }


def append(
    connection: sqlite3.Connection,
    kind: str,
    key: str,
    *,
    monitor: str,
    payload: Mapping[str, Any],
    now: datetime,
    actor: str,
) -> bool:
    """Write an event, inside the caller's transaction, unless one with its key is there; tell whether."""
    if connection.execute("SELECT 1 FROM events WHERE key = ?", (key,)).fetchone():
        return False
    last = connection.execute("SELECT at, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    previous = last[1] if last else _START
    at = max(text_of(now), last[0]) if last else text_of(now)
    text = canonical(payload)
    connection.execute(
        "INSERT INTO events (at, monitor, kind, key, actor, payload, previous, hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (at, monitor, kind, key, actor, text, previous, _hash(previous, at, monitor, kind, key, actor, text)),
    )
    return True


def read(connection: sqlite3.Connection, monitor: str | None, kinds: tuple[str, ...]) -> Iterator[Event]:
    """Yield events in their order, of one monitor or all, of some kinds or all."""
    wanted = json.dumps(kinds)
    rows = connection.execute(
        "SELECT seq, at, monitor, kind, key, actor, payload, previous, hash FROM events "
        "WHERE (? IS NULL OR monitor = ?) AND (? = '[]' OR kind IN (SELECT value FROM json_each(?))) "
        "ORDER BY seq",
        (monitor, monitor, wanted, wanted),
    )
    for seq, at, name, kind, key, actor, payload, previous, digest in rows:
        yield Event(seq, time_of(at), name, kind, key, actor, json.loads(payload), previous, digest)


def verify(connection: sqlite3.Connection, *, where: str) -> int:
    """Return the number of events after checking that each follows from the one before it.

    Raises
    ------
    SourceError
        For the first one that does not.
    """
    previous, count = _START, 0
    for event in read(connection, None, ()):
        expected = _hash(
            previous,
            text_of(event.at),
            event.monitor,
            event.kind,
            event.key,
            event.actor,
            canonical(event.payload),
        )
        if event.previous != previous or event.hash != expected:
            raise SourceError(
                "The journal was changed after it was written",
                where=f"{where}, event {event.seq}",
                got=event.hash,
                expected=expected,
            )
        previous, count = event.hash, count + 1
    return count


def canonical(value: Any) -> str:
    """Return plain values as the one JSON text that they have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def text_of(moment: datetime) -> str:
    """Return a time as text that sorts like it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_of(text: str) -> datetime:
    """Read what `text_of` wrote."""
    return datetime.fromisoformat(text)


def _hash(*parts: str) -> str:
    return hashlib.sha256(canonical(parts).encode()).hexdigest()

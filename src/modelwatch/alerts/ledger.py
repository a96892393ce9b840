"""Which sink has heard what: a fold over the journal's events of deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from modelwatch.alerts.journal import Event
    from modelwatch.alerts.sinks import Notification

__all__ = ["DELIVERED", "FAILED", "QUEUED", "SPARED", "STARTED", "Backoff", "Ledger", "Post"]

QUEUED = "notification_queued"
STARTED = "delivery_started"
FAILED = "delivery_failed"
DELIVERED = "delivered"
SPARED = "delivery_spared"


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a sink that failed is left alone: the pause doubles until it is `longest`."""

    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)

    def pause(self, failures: int, retry_after: float | None) -> timedelta:
        """Return the pause after so many failures in a row, or what the receiver asked for when longer."""
        # 2 ** 20 times any pause is beyond what `longest` allows, and far from overflowing.
        own: timedelta = min(self.longest, self.first * (1 << min(failures - 1, 20)))
        return max(own, timedelta(seconds=retry_after or 0))


@dataclass(frozen=True, slots=True)
class Post:
    """What one sink has yet to hear of one incident.

    Attributes
    ----------
    latest
        What is sent: the incident as it is now.
    earlier
        What `latest` tells as well: it is never sent any more.
    tried
        The last one whose sending began. It may have arrived, also when it is said to have failed: an answer
        can be lost on its way back.
    attempt
        Number of the next attempt, from 1.
    fresh
        The sink has never been sent anything of this incident.
    """

    latest: Notification
    earlier: tuple[Notification, ...]
    tried: Notification | None
    attempt: int
    fresh: bool


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: datetime | None = None
    retry_after: float | None = None

    def add(self, at: datetime, retry_after: float | None) -> None:
        self.count, self.last, self.retry_after = self.count + 1, at, retry_after

    def due(self, backoff: Backoff, now: datetime) -> datetime:
        # A clock that was set back would make a pause of minutes last for as long as it was wrong.
        if self.last is None or now < self.last:
            return now
        return self.last + backoff.pause(self.count, self.retry_after)


@dataclass(slots=True)
class Ledger:
    """What every sink was sent, and how that went."""

    notifications: Mapping[str, Notification]
    queued: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _started: dict[tuple[str, str], int] = field(default_factory=dict)
    _done: set[tuple[str, str]] = field(default_factory=set)
    _sinks: dict[str, _Failures] = field(default_factory=dict)
    _refused: dict[tuple[str, str], _Failures] = field(default_factory=dict)

    @classmethod
    def read(cls, notifications: Sequence[Notification], events: Iterable[Event]) -> Ledger:
        """Fold `events`, oldest first, over `notifications`, oldest first."""
        ledger = cls({item.key: item for item in notifications})
        for event in events:
            ledger._add(event)
        return ledger

    def _add(self, event: Event) -> None:
        payload = event.payload
        if event.kind == QUEUED:
            self.queued[payload["notification"]] = tuple(payload["sinks"])
            return
        sink = payload["sink"]
        at = (sink, payload["notification"])
        if event.kind == STARTED:
            self._started[at] = payload["attempt"]
        elif event.kind in {DELIVERED, SPARED}:
            self._done |= {at, *((sink, key) for key in payload["covers"])}
            if event.kind == DELIVERED:
                self._sinks.pop(sink, None)
        elif event.kind == FAILED:
            failures = (
                self._refused.setdefault(at, _Failures())
                if payload["refused"]
                else self._sinks.setdefault(sink, _Failures())
            )
            # By the clock of the attempt: an event's own time never goes back, and a clock may be set back.
            failures.add(datetime.fromisoformat(payload["clock"]), payload["retry_after"])

    @property
    def unqueued(self) -> list[Notification]:
        """The notifications that no sinks were chosen for yet."""
        return [item for key, item in self.notifications.items() if key not in self.queued]

    def posts(self, sink: str) -> Iterator[Post]:
        """Yield what a sink has yet to hear: one post an incident, oldest incident first."""
        by_incident: dict[str, list[Notification]] = {}
        for key, item in self.notifications.items():
            if sink in self.queued.get(key, ()):
                by_incident.setdefault(item.incident_id, []).append(item)
        for items in by_incident.values():
            done = [position for position, item in enumerate(items) if (sink, item.key) in self._done]
            # What is older than something that arrived is history: it must not be told after it.
            left = items[done[-1] + 1 :] if done else items
            if left:
                yield Post(
                    latest=left[-1],
                    earlier=tuple(left[:-1]),
                    tried=next((item for item in reversed(left) if (sink, item.key) in self._started), None),
                    attempt=self._started.get((sink, left[-1].key), 0) + 1,
                    fresh=not any((sink, item.key) in self._started for item in items),
                )

    def due(self, sink: str, key: str, backoff: Backoff, now: datetime) -> datetime:
        """Return when the next attempt may be made; in the past when it is due."""
        none = _Failures()
        return max(
            self._sinks.get(sink, none).due(backoff, now),
            self._refused.get((sink, key), none).due(backoff, now),
        )

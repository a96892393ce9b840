"""The outbox: every sink hears of every incident, once.

A notification is an event in the store's journal, so it exists from the moment that the incident does,
whatever becomes of the process. Which sinks are to hear of it is decided once and written down
(``notification_queued``); a sink that is added to a route later is not told the past. Each sending is
written down before it begins (``delivery_started``) and after it ended (``delivered``,
``delivery_failed``). Before anything is sent a second time, the sink is asked whether it has arrived, since
an answer may be lost in a crash or on its way; where nobody can tell, it is sent again with the same key,
which the receiver can know it by.

*Told once* means: a sink that was away hears the present state of each incident, in one message, and none
of the states in between. An incident that came and was retracted meanwhile is not mentioned at all. What is
silenced waits, and is told if it is still open when the silence ends.

One process delivers at a time, under a lock that the system releases when its holder dies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from modelwatch.alerts.clock import Clock, SystemClock
from modelwatch.alerts.exclusive import exclusive
from modelwatch.alerts.incidents import TOLD
from modelwatch.alerts.ledger import DELIVERED, FAILED, QUEUED, SPARED, STARTED, Backoff, Ledger, Post
from modelwatch.alerts.operating import silenced, silences
from modelwatch.alerts.sinks import Notification, Sink, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from modelwatch.alerts.store import AlertStore

__all__ = ["Backoff", "Delivery", "Failure", "Notification", "Sink", "SinkError", "deliver_pending"]

ACTOR = "outbox"
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that did not succeed."""

    sink: str
    notification: str
    reason: str


@dataclass(slots=True)
class Delivery:
    """What one call delivered, and what is left.

    Attributes
    ----------
    delivered
        Sink and key of what arrived.
    failures
        The attempts that did not succeed.
    waiting
        Sink and key of what is still to be sent.
    silenced
        The same, for what a silence holds back.
    parted
        The same, for sinks that settings have no more: they are told when they come back.
    unroutable
        Notifications whose route has no sinks: they wait until it has.
    retry_at
        When the next attempt is due.
    busy
        Another process is delivering; what is pending is its business, or the next call's.
    """

    delivered: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)
    silenced: list[tuple[str, str]] = field(default_factory=list)
    parted: list[tuple[str, str]] = field(default_factory=list)
    unroutable: list[Notification] = field(default_factory=list)
    retry_at: datetime | None = None
    busy: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be told that may be told now."""
        return not (self.waiting or self.unroutable or self.busy)

    def to_dict(self) -> dict[str, Any]:
        """Return the same, JSON-ready."""
        return {
            "delivered": [{"sink": sink, "notification": key} for sink, key in self.delivered],
            "failures": [
                {"sink": item.sink, "notification": item.notification, "reason": item.reason}
                for item in self.failures
            ],
            "waiting": [{"sink": sink, "notification": key} for sink, key in self.waiting],
            "silenced": [{"sink": sink, "notification": key} for sink, key in self.silenced],
            "parted": [{"sink": sink, "notification": key} for sink, key in self.parted],
            "unroutable": [{"notification": item.key, "route": item.route} for item in self.unroutable],
            "retry_at": self.retry_at.isoformat() if self.retry_at else None,
            "busy": self.busy,
        }


def deliver_pending(
    store: AlertStore,
    sinks_by_route: Mapping[str, Sequence[Sink]],
    *,
    clock: Clock | None = None,
    backoff: Backoff | None = None,
    patience: timedelta = timedelta(0),
    wait: float = 60.0,
) -> Delivery:
    """Tell every sink what it has not heard yet.

    Safe to call at any time, any number of times, from several processes.

    Parameters
    ----------
    store
        Where the journal is.
    sinks_by_route
        The sinks of each route; a sink may stand in several.
    clock
        What tells the time and waits between attempts.
    backoff
        How long a sink that failed is left alone.
    patience
        How long to go on trying a sink that is down. Without patience, one attempt is made per sink, and the
        next call goes on where this one stopped.
    wait
        Seconds to wait for another process that delivers.
    """
    clock = clock or SystemClock()
    lock = store.path.with_name(f"{store.path.name}.delivery")
    with exclusive(Path(lock), wait=wait) as held:
        if not held:
            return Delivery(busy=True)
        run = _Run(store, sinks_by_route, clock, backoff or Backoff())
        deadline = clock.now() + patience
        while True:
            due = run.once()
            if due is None or due > deadline:
                return run.delivery
            clock.sleep(max(0.0, (due - clock.now()).total_seconds()))


class _Run:
    """One call of :func:`deliver_pending`, which holds the lock."""

    def __init__(
        self, store: AlertStore, sinks_by_route: Mapping[str, Sequence[Sink]], clock: Clock, backoff: Backoff
    ) -> None:
        self._store, self._clock, self._backoff = store, clock, backoff
        self._routes = {
            route: tuple(dict.fromkeys(item.name for item in sinks))
            for route, sinks in sinks_by_route.items()
        }
        self._sinks = {item.name: item for sinks in sinks_by_route.values() for item in sinks}
        self._notifications: list[Notification] = []
        self.delivery = Delivery()

    def _queue(self) -> None:
        """Decide, once, which sinks are to hear of each new notification."""
        self._notifications = notifications(self._store)
        self.delivery.unroutable = []
        for item in self._ledger().unqueued:
            if sinks := self._routes.get(item.route):
                self._append(QUEUED, item.key, item, {"sinks": list(sinks)})
            else:
                self.delivery.unroutable.append(item)

    def once(self) -> datetime | None:
        """Make one attempt per sink that is due; return when the next one is, None when nothing is left."""
        # Anew in each pass: while one process waits for a sink, others go on finding incidents.
        self._queue()
        for sink in self._sinks.values():
            self._attend(sink)
        ledger, now = self._ledger(), self._clock.now()
        muted = silences(self._store, None, now=now)
        left = self.delivery
        left.waiting, left.silenced, left.parted = [], [], []
        due = []
        for name in dict.fromkeys(name for sinks in ledger.queued.values() for name in sinks):
            for post in ledger.posts(name):
                where = (name, post.latest.key)
                if name not in self._sinks:
                    left.parted.append(where)
                elif silenced(post.latest.incident, muted):
                    left.silenced.append(where)
                else:
                    left.waiting.append(where)
                    due.append(ledger.due(*where, self._backoff, now))
        left.retry_at = min(due, default=None)
        return left.retry_at

    def _attend(self, sink: Sink) -> None:
        ledger, now = self._ledger(), self._clock.now()
        muted = silences(self._store, None, now=now)
        for post in ledger.posts(sink.name):
            latest = post.latest
            if silenced(latest.incident, muted):
                if post.fresh and latest.over:
                    self._spare(sink, post, "over while it was silenced")
                continue
            if post.fresh and latest.kind == "retracted":
                # Nobody there has heard of it: taking it back would be the first they hear.
                self._spare(sink, post, "never told, so not taken back")
                continue
            if ledger.due(sink.name, latest.key, self._backoff, now) > now:
                continue
            try:
                self._settle(sink, post)
            except SinkError as error:
                self._failed(sink, post, error)
                if not error.refused:
                    return

    def _settle(self, sink: Sink, post: Post) -> None:
        """Bring one sink up to date with one incident."""
        latest = post.latest
        started = f"{sink.name}/{latest.key}/{post.attempt}"
        self._append(STARTED, started, latest, {"sink": sink.name, "attempt": post.attempt})
        if post.tried is not None and _guarded(sink.delivered, post.tried):
            line = (*post.earlier, latest)
            self._arrived(sink, post.tried, line[: line.index(post.tried)], "found at the receiver")
            if post.tried is latest:
                return
        receipt = _guarded(sink.deliver, latest)
        self._arrived(sink, latest, post.earlier, receipt)

    def _arrived(
        self, sink: Sink, item: Notification, covers: Sequence[Notification], receipt: str | None
    ) -> None:
        payload = {"sink": sink.name, "covers": [other.key for other in covers], "receipt": receipt}
        self._append(DELIVERED, f"{sink.name}/{item.key}", item, payload)
        self.delivery.delivered.append((sink.name, item.key))

    def _spare(self, sink: Sink, post: Post, reason: str) -> None:
        payload = {"sink": sink.name, "covers": [other.key for other in post.earlier], "reason": reason}
        self._append(SPARED, f"{sink.name}/{post.latest.key}", post.latest, payload)

    def _failed(self, sink: Sink, post: Post, error: SinkError) -> None:
        item = post.latest
        payload = {
            "sink": sink.name,
            "attempt": post.attempt,
            "reason": str(error),
            "refused": error.refused,
            "retry_after": error.retry_after,
        }
        self._append(FAILED, f"{sink.name}/{item.key}/{post.attempt}", item, payload)
        self.delivery.failures.append(Failure(sink.name, item.key, str(error)))

    def _append(self, kind: str, key: str, item: Notification, payload: dict[str, Any]) -> None:
        now = self._clock.now()
        self._store.append(
            kind,
            f"{kind}/{key}",
            monitor=item.monitor,
            payload={"notification": item.key, "clock": now.isoformat(), **payload},
            now=now,
            actor=ACTOR,
        )

    def _ledger(self) -> Ledger:
        return Ledger.read(
            self._notifications,
            self._store.events(kinds=(QUEUED, STARTED, FAILED, DELIVERED, SPARED)),
        )


def notifications(store: AlertStore) -> list[Notification]:
    """Return what people are to hear, oldest first; incidents that only a change of rules found are quiet."""
    events = store.events(kinds=TOLD)
    return [Notification.of(event) for event in events if not event.payload["incident"]["quiet"]]


def _guarded(call: Callable[[Notification], Answer], notification: Notification) -> Answer:
    """Call a sink; its own defect is a refusal, which the journal keeps, so that other sinks go on."""
    try:
        return call(notification)
    except SinkError:
        raise
    except Exception as error:
        # The type alone: a message may hold an address that is a secret.
        raise SinkError(
            f"The sink raised {type(error).__name__}, which is a defect of it", refused=True
        ) from error

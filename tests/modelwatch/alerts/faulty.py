"""A small monitor's life, and ways to disturb it: crashes at any step, sinks that fail, clocks that jump."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelwatch.alerts.outbox import Delivery, Notification, Sink, SinkError, deliver_pending
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from modelwatch.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STORY = (0.3, 0.6, 0.05)
"""Fires, escalates, resolves."""
TOLD = ["opened", "escalated", "resolved"]


def monitor() -> Monitor:
    return Monitor.parse(
        {
            "apiVersion": "monitoring/v1",
            "monitor": "credit",
            "owner": "team-risk",
            "data": {"event_time": "ts", "timezone": "UTC"},
            "baseline": {"path": "train.parquet"},
            "signals": {"inputs": {"type": "data_drift", "numeric": "psi"}},
            "rules": [
                {
                    "id": "drift",
                    "when": "inputs.psi",
                    "fire": 0.2,
                    "evidence": "none",
                    "for": "1 of 1",
                    "keep_firing": 1,
                    "severity": {0.2: "warning", 0.5: "critical"},
                    "owner": "team-risk",
                    "route": "people",
                    "runbook": "runbooks/drift.md",
                }
            ],
        }
    )


def results(day: int, value: float | None) -> dict[str, Any]:
    start = START + day * DAY
    row = {
        "signal": "inputs",
        "metric": "population_stability_index",
        "definition": "robust/v1",
        "feature": "income",
        "segment": None,
        "value": value,
        "p_value": 0.001,
        "q_value": 0.002,
        "n_baseline": 1000,
        "n_production": 1000,
        "status": "no_data" if value is None else "breach" if value > 0.2 else "ok",
        "threshold": 0.2,
        "note": "",
    }
    window = {"start": start.isoformat(), "end": (start + DAY).isoformat()}
    return {"monitor": "credit", "window": window, "measurements": [row], "alerts": []}


@dataclass
class FakeClock:
    """Time that passes only when somebody waits for it."""

    time: datetime = START
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "waiting for nothing would be a busy loop"
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)


class Crash(BaseException):
    """The process is gone: nothing catches this, and nothing is tidied up."""


@dataclass
class Fuse:
    """Counts the steps of a run and ends it at one of them."""

    at: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Crash


class CrashingStore(AlertStore):
    """The real store; each of its transactions may be cut off before its end and after it."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    @contextmanager
    def transaction(self) -> Iterator[None]:
        outermost = not self._depth
        with super().transaction():
            yield
            if outermost:
                self._fuse.step()
        if outermost:
            self._fuse.step()


@dataclass
class Recorder:
    """A receiver that keeps what it got; it can be down, refuse, hide what it has, and lose its answers."""

    name: str = "recorder"
    tells: bool = True
    fuse: Fuse = field(default_factory=Fuse)
    got: list[Notification] = field(default_factory=list)
    down: bool = False
    loses_answers: bool = False
    retry_after: float | None = None
    refuses: frozenset[str] = frozenset()
    attempts: int = 0

    def deliver(self, notification: Notification) -> str:
        self.attempts += 1
        self.fuse.step()
        if self.down:
            raise SinkError("The receiver is down", retry_after=self.retry_after)
        if notification.kind in self.refuses:
            raise SinkError("The receiver refuses it", refused=True)
        self.got.append(notification)
        self.fuse.step()
        if self.loses_answers:
            raise SinkError("The answer got lost")
        return "receipt"

    def delivered(self, notification: Notification) -> bool | None:
        if self.down:
            raise SinkError("The receiver is down")
        return any(item.key == notification.key for item in self.got) if self.tells else None

    @property
    def kinds(self) -> list[str]:
        return [item.kind for item in self.got]

    @property
    def distinct(self) -> list[str]:
        """What is left when the receiver drops a key that it has seen."""
        return [item.kind for item in {item.key: item for item in self.got}.values()]

    def most_often(self) -> int:
        return max(Counter(item.key for item in self.got).values(), default=0)


@dataclass
class World:
    """A store on disk and everything around it that survives a crash."""

    path: Path
    sinks: Sequence[Sink]
    clock: FakeClock = field(default_factory=FakeClock)
    fuse: Fuse = field(default_factory=Fuse)
    day: int = 0

    def run(self, day: int, value: float | None, **options: Any) -> Delivery:
        """Do what a monitor's run does with one window."""
        self.clock.time = max(self.clock.time, START + (day + 1) * DAY)
        with CrashingStore(self.path, self.fuse) as store:
            watch(store, monitor(), results(day, value), now=self.clock.now())
            return self._deliver(store, **options)

    def deliver(self, **options: Any) -> Delivery:
        """Do what the outbox's own clock does."""
        with CrashingStore(self.path, self.fuse) as store:
            return self._deliver(store, **options)

    def run_all(self) -> None:
        """Live through the story; after a crash, from the day that it cut off."""
        for day in range(self.day, len(STORY)):
            self.day = day
            self.run(day, STORY[day])

    def _deliver(self, store: AlertStore, **options: Any) -> Delivery:
        routes: Mapping[str, Sequence[Sink]] = {"people": self.sinks}
        return deliver_pending(store, routes, clock=self.clock, **options)

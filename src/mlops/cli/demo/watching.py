"""The monitor over the replay: one window a day, again when its labels have come, and what people hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from modelwatch import Contract, Window, run
from modelwatch.alerts.incidents import Incident, incidents
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from modelwatch.monitor import Monitor
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from modelwatch.alerts.journal import Event

__all__ = ["Watch", "WatchedDay"]

_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True)
class WatchedDay:
    """One window's rows as they were collected, and what they are compared with.

    Parameters
    ----------
    rows
        Inputs and outputs, with ``event_time`` on the replay's clock.
    labels
        ``correlationid`` and label: known to the monitor only once they have come.
    baseline
        The held-out rows of the model that answered most of them, with its answers.
    model
        Version of that model.
    """

    window: Window
    rows: pd.DataFrame
    labels: pd.DataFrame
    baseline: pd.DataFrame
    model: str
    deployments: Mapping[str, int]


@dataclass
class Watch:
    """A monitor with its history and journal."""

    monitor: Monitor
    contract: Contract
    store: AlertStore
    days: dict[int, WatchedDay] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @classmethod
    def open(cls, file: Path, store: Path) -> Watch:
        """Read the declaration, and start a history."""
        monitor = Monitor.load(file)
        return cls(monitor, Contract.load(file.parent / str(monitor.contract)), AlertStore(store))

    @property
    def label_days(self) -> int:
        """Days until labels have come, as the monitor says."""
        return int(parse_duration(self.monitor.data.lateness).total_seconds() // _DAY_SECONDS)

    def day_ended(self, day: int, watched: WatchedDay) -> list[Event]:
        """Measure a day's inputs and outputs; its outcomes are not known yet."""
        self.days[day] = watched
        return self._measure(watched, watched.window, labels=None)

    def labels_came(self, day: int, now: Window) -> list[Event]:
        """Measure a day once more, with its labels; `now` is the day that has just ended."""
        watched = self.days[day]
        return self._measure(watched, now, labels=watched.labels)

    def open_incidents(self, action: str) -> list[Incident]:
        """Return the open incidents that ask for an action."""
        return [
            incident
            for incident in incidents(self.store, self.monitor.monitor)
            if incident.state == "open" and incident.action == action
        ]

    def incidents(self) -> list[Incident]:
        """Return every incident that there was."""
        return incidents(self.store, self.monitor.monitor)

    def measurements(self, day: int) -> list[dict[str, Any]]:
        """Return what was measured of a day, with labels once they have come."""
        found = self.store.results(self.monitor.monitor, self.days[day].window)
        rows: list[dict[str, Any]] = found["measurements"]
        return rows

    def performance(self, day: int, metric: str) -> dict[str, Any] | None:
        """Return a day's measurement of the outcome, or None while its labels are missing."""
        return next(
            (
                row
                for row in self.measurements(day)
                if row["metric"] == metric and row["signal"] == "outcome" and row["value"] is not None
            ),
            None,
        )

    def _measure(self, watched: WatchedDay, now: Window, labels: pd.DataFrame | None) -> list[Event]:
        results = run(
            self.monitor,
            watched.baseline,
            watched.rows,
            watched.window,
            contract=self.contract,
            labels=labels,
        )
        told = list(watch(self.store, self.monitor, results, now=now.end).told)
        self.events += told
        return told

"""Days of production: the stream is answered, collected and watched, and its labels come late."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from mlops.cli.alerts.delivery import deliver
from mlops.cli.demo.collected import Collected
from mlops.cli.demo.replay import Replay, ReplayClock
from mlops.cli.demo.watching import Watch, WatchedDay
from mlops.errors import DeploymentError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from mlops.cli.context import Session
    from mlops.scoring import EndpointClient, Exchange
    from mlops.usecase import UseCase
    from modelwatch.alerts.journal import Event
    from modelwatch.alerts.store import AlertStore

__all__ = ["Champion", "Production"]

_EVENTS: Final = {
    "incident_opened": "opened",
    "incident_escalated": "escalated",
    "incident_resolved": "resolved",
    "incident_reopened": "opened again",
    "incident_retracted": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Champion:
    """A model that serves, and the held-out rows that say what to expect of it."""

    version: str
    baseline: pd.DataFrame


@dataclass
class Production:
    """The endpoint's days, one after the other.

    Parameters
    ----------
    endpoint
        Opens a client of the endpoint.
    on_exchange
        Receives every exchange.
    progress
        Receives a line a day.
    tell
        Tells people what is new, at a time of the replay.
    champions
        What each deployment serves.
    """

    usecase: UseCase
    replay: Replay
    collected: Collected
    watch: Watch
    endpoint: Callable[[], EndpointClient]
    on_exchange: Callable[[Exchange], None]
    progress: Callable[[str], None]
    tell: Callable[[AlertStore, datetime], object]
    champions: dict[str, Champion] = field(default_factory=dict)
    ended: int = 0

    @classmethod
    def open(
        cls, session: Session, usecase: UseCase, sample: Any, *, on_exchange: Callable[[Exchange], None]
    ) -> Production:
        """Begin before the first day of a use case's sample stream."""
        from mlops.scoring import EndpointClient

        (identifier, *_) = (column.name for column in usecase.contract.columns if column.role == "id")
        name, home = session.settings.names.endpoint(usecase.name), session.home
        monitor = ROOT / "pipelines" / usecase.name / "monitor.yaml"
        return cls(
            usecase=usecase,
            replay=Replay.read(
                sample.stream, sample.labels, identifier=identifier, target=usecase.target.column
            ),
            collected=Collected(session.client, name, home.path / "collected"),
            watch=Watch.open(monitor, home.path / "monitoring" / "alerts.sqlite"),
            endpoint=lambda: EndpointClient(session.client, name),
            on_exchange=on_exchange,
            progress=session.output.progress,
            tell=lambda store, now: deliver(
                store, session.settings, home, session.output, clock=ReplayClock(now)
            ),
        )

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended and its last labels have come."""
        return self.ended >= self.replay.days + self.watch.label_days

    @property
    def now(self) -> datetime:
        """The replay's clock: the end of the last day."""
        return self.replay.window(self.ended - 1).end

    def note(self, exchange: Exchange) -> None:
        """Take an exchange of the stream, by whomever it was sent."""
        self.replay.note(exchange)
        self.on_exchange(exchange)

    def next_day(self) -> list[Event]:
        """Send the rest of the day's rows, if there are any, and end the day."""
        if not self.replay.is_over:
            self._send()
            return self.catch_up()
        return self._end_day()

    def catch_up(self) -> list[Event]:
        """End every day whose rows have been sent."""
        told: list[Event] = []
        while self.ended < self.replay.days_sent:
            told += self._end_day()
        return told

    def labelled(self) -> pd.DataFrame:
        """Return every row that was collected and has its label by now, in the contract's columns."""
        target = self.usecase.target.column
        last = self.ended - self.watch.label_days
        days = [self.watch.days[day] for day in sorted(self.watch.days) if day < last]
        joined = pd.concat([day.rows.merge(day.labels, on="correlationid") for day in days])
        kinds = {"integer": "int64", "number": "float64"}
        types = {c.name: kinds[c.type] for c in self.usecase.contract.columns if c.type in kinds}
        return joined[[*(c.name for c in self.usecase.contract.columns if c.name != target), target]].astype(
            types
        )

    def _send(self) -> None:
        from mlops.scoring import send_all

        failed = []
        for exchange in send_all(self.endpoint(), self.replay.rest_of_day()):
            self.note(exchange)
            failed += [] if exchange.ok else [str(exchange.problem)]
        if failed:
            raise DeploymentError("Requests failed.", got="; ".join(failed[:3]), expected="an answer to each")

    def _end_day(self) -> list[Event]:
        day, told = self.ended, list[Any]()
        now = self.replay.window(day)
        if day < self.replay.days:
            told += self.watch.day_ended(day, self._watched(day))
        labelled = day - self.watch.label_days
        if 0 <= labelled < self.replay.days:
            told += self.watch.labels_came(labelled, now)
        self.ended += 1
        self.progress(f"  {now.start:%Y-%m-%d}  {'; '.join(self._said(day, labelled, told))}")
        if told:
            self.tell(self.watch.store, now.end)
        return told

    def _watched(self, day: int) -> WatchedDay:
        answers = self.replay.answered(day)
        rows = self.collected.wait_for(
            dict(zip(answers["correlationid"], answers["deployment"], strict=True))
        )
        counts = {str(name): int(count) for name, count in answers["deployment"].value_counts().items()}
        # A day on which the champion changes is compared with what to expect of whoever answered most of it.
        champion = self.champions[max(counts, key=lambda name: counts[name])]
        return WatchedDay(
            window=self.replay.window(day),
            rows=rows.assign(event_time=answers["event_time"]),
            labels=answers[["correlationid", "outcome"]].rename(
                columns={"outcome": self.usecase.target.column}
            ),
            baseline=champion.baseline,
            model=champion.version,
            deployments=counts,
        )

    def _said(self, day: int, labelled: int, told: list[Event]) -> Iterator[str]:
        if day in self.watch.days:
            counts = self.watch.days[day].deployments
            yield ", ".join(f"{count} rows by {name}" for name, count in counts.items())
        found = self.watch.performance(labelled, "brier_score") if labelled in self.watch.days else None
        if found is not None:
            low, high = found["interval"]
            bound = "no bound" if found["threshold"] is None else f"bound {found['threshold']:.3f}"
            yield (
                f"labels of {self.replay.window(labelled).start:%m-%d}: Brier score {found['value']:.3f} "
                f"({low:.3f} to {high:.3f}, {bound})"
            )
        for event in told:
            incident = event.payload["incident"]
            rules = ", ".join(sorted({alert["rule"] for alert in incident["alerts"]}))
            yield f"{incident['severity']} incident {_EVENTS[event.kind]}: {rules}"

"""From the history to the journal: which episodes people already know, and what is new about them.

An incident keeps its name while its episode overlaps the one that was told, so late, repeated and
out-of-order windows change what is known of it and never announce it twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from modelwatch.alerts.causes import likely_cause, ranked
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.heartbeat import is_silence, resolve_silence
from modelwatch.alerts.incidents import (
    ESCALATED,
    OPENED,
    REOPENED,
    RESOLVED,
    RETRACTED,
    TOLD,
    Incident,
    incident_name,
    incidents,
    tell,
)
from modelwatch.alerts.rules import Severity
from modelwatch.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelwatch.alerts.causes import Cause
    from modelwatch.alerts.evaluation import Episode, Evaluation
    from modelwatch.alerts.journal import Event
    from modelwatch.alerts.store import AlertStore

__all__ = ["advance", "cause_of", "declared"]

_DECLARED: Final = "monitor_declared"
_FOREVER: Final = "9999"


def declared(store: AlertStore, monitor: str) -> Monitor | None:
    """Return a monitor as it was last evaluated, or None."""
    events = store.events(monitor, (_DECLARED,))
    return Monitor.parse(events[-1].payload["monitor"], where=str(store.path)) if events else None


def advance(
    store: AlertStore,
    monitor: Monitor,
    *,
    now: datetime,
    importances: Mapping[str, float] | None = None,
) -> list[Event]:
    """Fold the history, and write into the journal what changed for people.

    Parameters
    ----------
    importances
        Weights of features, for the order within an incident.

    Returns
    -------
    list of Event
        The new ones, of kinds `TOLD`. None when nothing changed: to run twice is to run once.
    """
    with store.transaction():
        before = store.events(monitor.monitor)
        changed = _declare(store, monitor, before, now)
        evaluation = evaluate(monitor, store.history(monitor.monitor))
        known = incidents(store, monitor.monitor)
        pairs, gone = _matched(evaluation, [incident for incident in known if not is_silence(incident)])
        journal = _Journal(store, evaluation, now, importances, rules_changed=changed)
        for episode, incident in pairs:
            journal.follow(episode, incident)
        for incident in gone:
            if incident.state == "open":
                tell(store, RETRACTED, replace(incident, state="retracted"), now)
        resolve_silence(store, monitor.monitor, now=now)
        return [event for event in store.events(monitor.monitor, TOLD) if event.seq > _last(before)]


def _declare(store: AlertStore, monitor: Monitor, events: Sequence[Event], now: datetime) -> bool:
    """Write the monitor down when it changed; tell whether it had been another one before."""
    document = monitor.model_dump(mode="json", by_alias=True, exclude_none=True)
    earlier = [event for event in events if event.kind == _DECLARED]
    if earlier and earlier[-1].payload["monitor"] == document:
        return False
    key = f"{monitor.monitor}/declared/{len(earlier)}"
    store.append(_DECLARED, key, monitor=monitor.monitor, payload={"monitor": document}, now=now)
    return bool(earlier)


def _matched(
    evaluation: Evaluation, known: Sequence[Incident]
) -> tuple[list[tuple[Episode, Incident | None]], list[Incident]]:
    """Pair episodes with the incidents that they are, and return those that have no episode any more."""
    left = list(known)
    pairs: list[tuple[Episode, Incident | None]] = []
    for episode in evaluation.episodes():
        key = _key(episode)
        first = _start(evaluation, episode.first)
        last = _FOREVER if episode.last is None else _start(evaluation, episode.last)
        same = next(
            (
                incident
                for incident in left
                if incident.key == key
                and incident.opened <= last
                and first <= (incident.resolved or _FOREVER)
            ),
            None,
        )
        if same is not None:
            left.remove(same)
        pairs.append((episode, same))
    return pairs, left


@dataclass(frozen=True, slots=True)
class _Journal:
    """One evaluation's writing."""

    store: AlertStore
    evaluation: Evaluation
    now: datetime
    importances: Mapping[str, float] | None
    rules_changed: bool

    def follow(self, episode: Episode, known: Incident | None) -> None:
        """Write down what is new about one episode."""
        over = episode.last is not None
        if known is not None and known.state != "open" and over:
            return
        if known is not None and known.state == "open" and not over:
            if episode.severity.rank > known.severity.rank:
                self._tell(ESCALATED, replace(self._incident(episode), id=known.id))
            return
        fresh = self._incident(episode)
        if known is None:
            # Rules that changed look at the past anew: what they find there is over, and nobody needs to run.
            fresh = replace(fresh, quiet=self.rules_changed and over)
            self._tell(OPENED, replace(fresh, state="open", resolved=None))
        elif not over:
            self._tell(REOPENED, replace(fresh, id=known.id))
        if over:
            self._tell(
                RESOLVED, fresh if known is None else replace(fresh, id=known.id, severity=known.severity)
            )

    def _tell(self, kind: str, incident: Incident) -> None:
        tell(self.store, kind, incident, self.now)

    def _incident(self, episode: Episode) -> Incident:
        evaluation = self.evaluation
        alerts = ranked(episode.alerts, self.importances)
        urgent = max(alerts, key=lambda alert: Severity(alert["severity"]).rank)
        first = _start(evaluation, episode.first)
        return Incident(
            id=incident_name(evaluation.monitor.monitor, _key(episode), first),
            monitor=evaluation.monitor.monitor,
            group=episode.group,
            owner=episode.owner,
            route=episode.route,
            state="open" if episode.last is None else "resolved",
            severity=episode.severity,
            opened=first,
            resolved=None if episode.last is None else _start(evaluation, episode.last),
            runbook=urgent["runbook"],
            action=urgent["action"],
            cause=cause_of(self.store, evaluation, episode, alerts).to_dict(),
            alerts=alerts,
        )


def cause_of(
    store: AlertStore, evaluation: Evaluation, episode: Episode, alerts: Sequence[Mapping[str, Any]]
) -> Cause:
    """Return the likely cause of an episode whose alerts were ranked, from what the store holds of it."""
    windows, monitor = evaluation.history.windows, evaluation.monitor.monitor
    worst = alerts[0]["worst"]["window"]
    window = next(each for each in windows if each.to_dict()["start"] == worst)
    before = windows[episode.first - 1 : episode.first] if episode.first else ()
    earlier = [row for each in before for row in store.results(monitor, each)["measurements"]]
    return likely_cause(alerts, store.results(monitor, window)["measurements"], earlier)


def _key(episode: Episode) -> str:
    """Return what an episode shares with the incident that it is."""
    return json.dumps([episode.group, episode.owner, episode.route], sort_keys=True)


def _start(evaluation: Evaluation, position: int) -> str:
    return evaluation.history.windows[position].to_dict()["start"]


def _last(events: Sequence[Event]) -> int:
    return events[-1].seq if events else 0

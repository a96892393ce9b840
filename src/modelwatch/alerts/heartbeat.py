"""Silence: the one thing that a monitor cannot report by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from modelwatch.alerts.incidents import OPENED, RESOLVED, TOLD, Incident, incident_name, incidents, tell
from modelwatch.alerts.rules import Severity
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from datetime import datetime

    from modelwatch.alerts.journal import Event
    from modelwatch.alerts.store import AlertStore
    from modelwatch.monitor import Monitor

__all__ = ["DEAD_MAN", "check_heartbeat", "is_silence", "resolve_silence"]

DEAD_MAN: Final = "dead-man"
"""The rule that every monitor has."""


def check_heartbeat(store: AlertStore, monitor: Monitor, *, now: datetime) -> list[Event]:
    """Open an incident when a monitor has not been evaluated for longer than two of its windows.

    To be called by a clock of its own, not by the monitor's run.

    Returns
    -------
    list of Event
        The new one; none while the incident is known.
    """
    windows = store.windows(monitor.monitor)
    data = monitor.data
    patience = 2 * parse_duration(data.window) + parse_duration(data.lateness) + parse_duration(data.offset)
    if not windows or now <= windows[-1][0].end + patience:
        return []
    last = windows[-1][0].to_dict()["end"]
    incident = Incident(
        id=incident_name(monitor.monitor, DEAD_MAN, last),
        monitor=monitor.monitor,
        group={"monitor": monitor.monitor, "rule": DEAD_MAN},
        owner=monitor.owner or "",
        route=None,
        state="open",
        severity=Severity.WARNING,
        opened=last,
        resolved=None,
        runbook=None,
        action="issue",
        cause={"kind": "not_evaluated", "text": f"Not evaluated since the window that ended at {last}."},
        alerts=(),
    )
    with store.transaction():
        before = store.events(monitor.monitor, TOLD)
        if any(event.payload["id"] == incident.id for event in before):
            return []
        tell(store, OPENED, incident, now)
        return store.events(monitor.monitor, TOLD)[len(before) :]


def is_silence(incident: Incident) -> bool:
    """Tell whether an incident is about a monitor that does not run."""
    return incident.group.get("rule") == DEAD_MAN


def resolve_silence(store: AlertStore, monitor: str, *, now: datetime) -> None:
    """Resolve a monitor's silence once it has a window after it."""
    windows = store.windows(monitor)
    for incident in incidents(store, monitor):
        if is_silence(incident) and incident.state == "open" and windows:
            last = windows[-1][0].to_dict()["end"]
            if last > incident.opened:
                tell(store, RESOLVED, replace(incident, state="resolved", resolved=last), now)

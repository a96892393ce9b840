"""What the monitor must do, and must not: each function lets days pass and says what it saw instead."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mlops.cli.demo.evidence import evidence
from mlops.cli.demo.steps import RETRAINING
from mlops.errors import MonitoringError
from modelwatch.alerts.rules import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops.cli.demo.production import Production
    from modelwatch.alerts.incidents import Incident
    from modelwatch.alerts.journal import Event

__all__ = ["FIRES_WITHIN_DAYS", "fire", "resolve", "stay_quiet"]

# The rule asks for two days of three; a third one may be half before the change and half after it.
FIRES_WITHIN_DAYS: Final = 3


def stay_quiet(production: Production, until: int) -> None:
    """Let the days before `until` pass.

    Raises
    ------
    MonitoringError
        Somebody was paged.
    """
    while production.ended < until:
        _require_quiet(production.next_day())


def fire(production: Production, changed_on: int) -> tuple[Incident, int]:
    """Let days pass until the alert that asks for a retraining fires.

    Returns
    -------
    tuple of Incident and int
        The incident and the day that it is about.

    Raises
    ------
    MonitoringError
        It fired about a day before `changed_on`, later than it should, or not at all.
    """
    while not (paging := production.watch.open_incidents(RETRAINING)):
        if production.is_over:
            raise MonitoringError(
                "Outcomes changed and the monitor did not say so.",
                where=f"day {changed_on} of the replay",
                expected=f"an alert within {FIRES_WITHIN_DAYS} days of outcomes",
            )
        # Labels come late: what becomes known today may still be about the days before.
        about = production.ended - production.watch.label_days
        told = production.next_day()
        if about < changed_on:
            _require_quiet(told)
    fired_on = production.replay.day_at(datetime.fromisoformat(paging[0].opened))
    if not changed_on <= fired_on < changed_on + FIRES_WITHIN_DAYS:
        raise MonitoringError(
            "The alert is not about the days on which outcomes changed.",
            got=f"day {fired_on}",
            expected=f"from day {changed_on} on, within {FIRES_WITHIN_DAYS} days",
        )
    return paging[0], fired_on


def resolve(production: Production) -> tuple[Incident, int]:
    """Let the rest of the stream pass, and the days that its last labels take.

    Returns
    -------
    tuple of Incident and int
        The incident, resolved, and how many days had ended by then.

    Raises
    ------
    MonitoringError
        It did not resolve, or the one change was told as more than one incident.
    """
    resolved_on = production.ended
    while not production.is_over:
        was_open = bool(production.watch.open_incidents(RETRAINING))
        production.next_day()
        if was_open and not production.watch.open_incidents(RETRAINING):
            resolved_on = production.ended
    paged = [incident for incident in production.watch.incidents() if incident.action == RETRAINING]
    if len(paged) != 1:
        raise MonitoringError(
            "One change is one incident.", got=[incident.opened for incident in paged], expected="one"
        )
    if paged[0].state != "resolved":
        raise MonitoringError(
            "The new champion serves and the alert did not resolve.",
            got=evidence(production.watch, paged[0]),
            expected="a resolved incident",
        )
    return paged[0], resolved_on


def _require_quiet(told: Iterable[Event]) -> None:
    """Raise if people were paged while nothing was wrong."""
    for event in told:
        incident = event.payload["incident"]
        if Severity(incident["severity"]) is not Severity.INFO:
            raise MonitoringError(
                "The monitor paged although outcomes are as they were.",
                where=str(incident["opened"]),
                got=[alert["rule"] for alert in incident["alerts"]],
                expected="no incident above info",
            )

"""Incidents: what people hear of, as the journal has it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from modelwatch.alerts.rules import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelwatch.alerts.store import AlertStore

__all__ = ["TOLD", "Incident", "incident_name", "incidents", "tell"]

OPENED: Final = "incident_opened"
ESCALATED: Final = "incident_escalated"
RESOLVED: Final = "incident_resolved"
REOPENED: Final = "incident_reopened"
RETRACTED: Final = "incident_retracted"
TOLD: Final = (OPENED, ESCALATED, RESOLVED, REOPENED, RETRACTED)
"""Kinds of event that change what people know of an incident."""
ACKNOWLEDGED: Final = "acknowledged"
ANNOTATED: Final = "annotated"


@dataclass(frozen=True, slots=True)
class Incident:
    """A group of alerts, from the window in which it began to fire.

    Attributes
    ----------
    state
        ``open``, ``resolved``, or ``retracted`` when late data or other rules show that there was none.
    opened, resolved
        Start of its first window, and of the last one in which it was live.
    alerts
        Rows of its alerts, by importance times effect.
    quiet
        Found in the past by rules that changed since: on record, and nobody was told.
    """

    id: str
    monitor: str
    group: Mapping[str, str | None]
    owner: str
    route: str | None
    state: str
    severity: Severity
    opened: str
    resolved: str | None
    runbook: str | None
    action: str
    cause: Mapping[str, str]
    alerts: Sequence[Mapping[str, Any]]
    quiet: bool = False
    acknowledged_by: str | None = None
    annotations: Sequence[Mapping[str, Any]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what reports, lists and notifications say of it."""
        return {
            "id": self.id,
            "monitor": self.monitor,
            "group": dict(self.group),
            "owner": self.owner,
            "route": self.route,
            "state": self.state,
            "severity": self.severity.value,
            "opened": self.opened,
            "resolved": self.resolved,
            "runbook": self.runbook,
            "action": self.action,
            "cause": dict(self.cause),
            "alerts": [dict(alert) for alert in self.alerts],
            "quiet": self.quiet,
            "acknowledged_by": self.acknowledged_by,
            "annotations": [dict(note) for note in self.annotations],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Incident:
        """Read what `to_dict` wrote."""
        return cls(**{**row, "severity": Severity(row["severity"])})

    @property
    def key(self) -> str:
        """What it shares with the episodes that it may be."""
        return json.dumps([dict(self.group), self.owner, self.route], sort_keys=True)


def incidents(store: AlertStore, monitor: str | None = None) -> list[Incident]:
    """Return the incidents that the journal knows, in the order in which they were told."""
    found: dict[str, Incident] = {}
    for event in store.events(monitor, (*TOLD, ACKNOWLEDGED, ANNOTATED)):
        name = event.payload["id"]
        if event.kind in TOLD:
            present = found.get(name)
            fresh = Incident.from_dict(event.payload["incident"])
            if present is not None:
                fresh = replace(
                    fresh, acknowledged_by=present.acknowledged_by, annotations=present.annotations
                )
            found[name] = fresh
        elif event.kind == ACKNOWLEDGED:
            found[name] = replace(found[name], acknowledged_by=event.actor)
        else:
            note = {"at": event.to_dict()["at"], "by": event.actor, **event.payload["note"]}
            found[name] = replace(found[name], annotations=(*found[name].annotations, note))
    return list(found.values())


def tell(store: AlertStore, kind: str, incident: Incident, now: datetime) -> None:
    """Write down that people are to hear of an incident; inside a transaction that saw it needs telling."""
    # Acknowledgements and notes are events of their own.
    told = replace(incident, acknowledged_by=None, annotations=())
    earlier = sum(event.payload["id"] == incident.id for event in store.events(incident.monitor, TOLD))
    store.append(
        kind,
        f"{incident.id}/{earlier}",
        monitor=incident.monitor,
        payload={"id": incident.id, "incident": told.to_dict()},
        now=now,
    )


def incident_name(monitor: str, group: str, first: str) -> str:
    """Return the name of the incident of a group that began with a window."""
    return hashlib.sha256(json.dumps([monitor, group, first]).encode()).hexdigest()[:12]

"""Asking for a retraining: once an incident, written into the journal with what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from modelwatch.alerts.incidents import Incident
    from modelwatch.alerts.store import AlertStore

__all__ = ["request_retraining"]


def request_retraining(store: AlertStore, incident: Incident, *, now: datetime) -> bool:
    """Request a retraining; return whether it was not requested before."""
    return store.append(
        "retraining_requested",
        f"{incident.id}/retraining",
        monitor=incident.monitor,
        payload={"id": incident.id, "since": incident.opened},
        now=now,
    )

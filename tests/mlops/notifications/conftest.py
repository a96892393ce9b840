"""One notification as the core writes it, in all its parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from modelwatch.alerts.outbox import Notification

if TYPE_CHECKING:
    from collections.abc import Callable

ALERT = {
    "fingerprint": "0123456789abcdef",
    "monitor": "credit",
    "rule": "drift",
    "signal": "inputs",
    "metric": "population_stability_index",
    "feature": "income",
    "segment": "country=FR",
    "state": "firing",
    "severity": "critical",
    "value": 0.1,
    "threshold": 0.2,
    "p_value": 0.001,
    "q_value": 0.002,
    "since": "2026-03-01T00:00:00Z",
    "owner": "data-science",
    "route": None,
    "runbook": "runbooks/drift.md",
    "action": "request_retraining",
    "inhibited": False,
    "worst": {
        "window": "2026-03-02T00:00:00Z",
        "value": 0.61234,
        "threshold": 0.25,
        "p_value": 1e-9,
        "q_value": 2e-8,
        "interval": [0.5, 0.7],
    },
    "importance": 1.0,
    "effect": 3.0,
    "weight": 3.0,
}
INCIDENT = {
    "id": "f09bed640bfb",
    "monitor": "credit",
    "group": {"monitor": "credit"},
    "owner": "data-science",
    "route": None,
    "state": "open",
    "severity": "critical",
    "opened": "2026-03-01T00:00:00Z",
    "resolved": None,
    "runbook": "runbooks/drift.md",
    "action": "request_retraining",
    "cause": {"kind": "unit_change", "text": "income: values are 1000 times as large."},
    "alerts": [ALERT],
    "quiet": False,
    "acknowledged_by": None,
    "annotations": [],
}


@pytest.fixture
def notification() -> Notification:
    return Notification(
        key="f09bed640bfb/0",
        kind="opened",
        monitor="credit",
        route="data-science",
        incident=INCIDENT,
        at=datetime(2026, 3, 2, 6, tzinfo=UTC),
    )


@pytest.fixture
def later(notification: Notification) -> Callable[..., Notification]:
    """The same incident at a later time."""

    def make(kind: Any, number: int, **changes: Any) -> Notification:
        incident = {**notification.incident, **changes}
        return replace(notification, kind=kind, key=f"f09bed640bfb/{number}", incident=incident)

    return make


@pytest.fixture
def hostile(notification: Notification) -> Notification:
    """Names that came out of somebody's data, as many alerts as a broken feed makes, and rows of people."""
    markup = "](https://evil.example) <!channel> @everyone <script> *b* `x` ```"
    nasty = f"{markup}\n\x1b[31m\r\nBcc: x@evil.example & \u202e"
    alerts = [
        {**ALERT, "feature": f"{nasty}{number}", "rows": [{"name": "Lovelace"}]} for number in range(400)
    ]
    cause = {"kind": "hint", "text": nasty * 100}
    return replace(
        notification,
        incident={**INCIDENT, "alerts": alerts, "cause": cause, "samples": ["Grace Hopper"], "owner": nasty},
    )

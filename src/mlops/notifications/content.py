"""What a notification says, once, in plain words; each sink sets it in its own type.

Names of features and categories come out of data, which strangers may have written. So everything here is one
line of printable text, no sink reads it as markup, and of an incident only the fields named here leave the
machine: rows of data never do, unless the settings of a sink allow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelwatch.alerts.outbox import Notification

__all__ = ["Content", "clean", "document", "shortened"]

INCIDENT_FIELDS: Final = (
    "id", "monitor", "group", "state", "severity", "opened", "resolved", "owner", "route", "runbook",
    "action", "cause", "acknowledged_by",
)  # fmt: skip
ALERT_FIELDS: Final = (
    "fingerprint", "monitor", "rule", "signal", "metric", "feature", "segment", "state", "severity", "value",
    "threshold", "p_value", "q_value", "since", "inhibited", "worst", "importance", "effect",
)  # fmt: skip
ROW_FIELDS: Final = ("rows", "samples")
"""What an incident or an alert may hold of the data itself."""

MOST_ALERTS: Final = 100
"""Of an incident's alerts, which come by importance, so many leave; receivers limit the size of a request."""

_LONGEST_LINE: Final = 300
_VERBS: Final = {
    "opened": "opened",
    "escalated": "has become worse",
    "resolved": "is resolved",
    "reopened": "is open again",
    "retracted": "was no incident after all: late data changed the numbers",
}


@dataclass(frozen=True, slots=True)
class Content:
    """The words of one notification.

    Attributes
    ----------
    title
        One line that says what happened to what.
    cause
        The likely cause, as one sentence; empty when there is none.
    facts
        Pairs of a label and a value.
    alerts
        One line per alert, the most important first.
    rows
        Lines of data, only when the sink may send them.
    """

    title: str
    severity: str
    cause: str
    facts: tuple[tuple[str, str], ...]
    alerts: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def of(cls, notification: Notification, *, include_rows: bool = False) -> Content:
        """Put a notification into words."""
        incident = notification.incident
        severity = clean(incident.get("severity") or "unknown")
        alerts: Sequence[Mapping[str, Any]] = incident.get("alerts") or ()
        verb = _VERBS[notification.kind]
        cause = (incident.get("cause") or {}).get("text")
        return cls(
            title=f"[{severity}] {clean(notification.monitor)}: incident {clean(incident['id'])} {verb}",
            severity=severity,
            cause=clean(cause) if cause else "",
            facts=tuple(_facts(incident)),
            alerts=tuple(_line(alert) for alert in alerts),
            rows=tuple(clean(row) for row in _rows(incident, alerts)) if include_rows else (),
        )

    def text(self, *, alerts: int = 50) -> str:
        """Return the whole as plain text with at most so many alerts."""
        facts = [f"{label}: {value}" for label, value in self.facts]
        parts = [[self.title], [self.cause], facts, self.ranked(alerts), list(self.rows)]
        return "\n\n".join("\n".join(part) for part in parts if any(part))

    def ranked(self, most: int) -> list[str]:
        """Return at most so many numbered lines of alerts, and a last one that says how many are left out."""
        lines = [f"{position}. {line}" for position, line in enumerate(self.alerts[:most], 1)]
        left = len(self.alerts) - len(lines)
        return [*lines, f"and {left} more"] if left else lines


def document(notification: Notification, *, include_rows: bool = False) -> dict[str, Any]:
    """Return a notification as JSON-ready data: the fields that may leave, and no others."""
    extra = ROW_FIELDS if include_rows else ()
    incident = notification.incident
    alerts = incident.get("alerts") or ()
    return {
        "version": 1,
        "key": notification.key,
        "kind": notification.kind,
        "monitor": notification.monitor,
        "route": notification.route,
        "at": notification.at.isoformat(),
        "incident": {
            **{name: incident[name] for name in (*INCIDENT_FIELDS, *extra) if name in incident},
            "alert_count": len(alerts),
            "alerts": [
                {name: alert[name] for name in (*ALERT_FIELDS, *extra) if name in alert}
                for alert in alerts[:MOST_ALERTS]
            ],
        },
    }


def clean(value: object) -> str:
    """Return a value as one line without control characters, which could steer a terminal or a header."""
    text = " ".join(str(value).split())
    return shortened("".join(char if char.isprintable() else "�" for char in text), _LONGEST_LINE)


def shortened(text: str, most: int) -> str:
    """Return at most so many characters, the last of which says when there were more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _facts(incident: Mapping[str, Any]) -> list[tuple[str, str]]:
    labels = {
        "monitor": "Monitor",
        "severity": "Severity",
        "opened": "Since",
        "resolved": "Until",
        "owner": "Owner",
        "runbook": "Runbook",
        "acknowledged_by": "Acknowledged by",
        "id": "Incident",
    }
    return [(label, clean(incident[key])) for key, label in labels.items() if incident.get(key)]


def _line(alert: Mapping[str, Any]) -> str:
    names = [str(alert[key]) for key in ("signal", "metric", "feature", "segment") if alert.get(key)]
    # The worst value is why people are told; the last one may look harmless again.
    numbers = {**alert, **(alert.get("worst") or {})}
    ends = numbers.get("interval")
    interval = f" ({_number(ends[0])} to {_number(ends[1])})" if ends else ""
    bound = f", bound {_number(numbers['threshold'])}" if numbers.get("threshold") is not None else ""
    proof = next((key for key in ("q_value", "p_value") if numbers.get(key) is not None), None)
    evidence = f", {proof[0]} = {_number(numbers[proof])}" if proof else ""
    return clean(f"{' '.join(names)}: {_number(numbers.get('value'))}{interval}{bound}{evidence}")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "no value"


def _rows(incident: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> list[object]:
    return [row for holder in (incident, *alerts) for name in ROW_FIELDS for row in holder.get(name) or ()]

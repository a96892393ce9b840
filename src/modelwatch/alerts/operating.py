"""What people do about incidents: acknowledge, note what was done, silence for a while. Each is an event."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from modelwatch.alerts.incidents import ACKNOWLEDGED, ANNOTATED, Incident, incidents
from modelwatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelwatch.alerts.store import AlertStore

__all__ = [
    "LONGEST_SILENCE", "Silence", "acknowledge", "annotate", "find", "lift_silence", "silence", "silenced",
    "silences",
]  # fmt: skip

LONGEST_SILENCE: Final = timedelta(days=30)
"""What is muted for longer should be another rule."""
_SILENCED: Final = "silenced"
_LIFTED: Final = "silence_lifted"
_MATCHED: Final = ("rule", "signal", "metric", "feature", "segment", "severity")


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody is told of for a while.

    Attributes
    ----------
    matchers
        Patterns (``*`` and ``?``) by what they match of an alert; all must match.
    owner, reason, until
        Who muted them, why, and when it ends.
    """

    id: str
    monitor: str
    matchers: Mapping[str, str]
    owner: str
    reason: str
    until: datetime

    def matches(self, alert: Mapping[str, Any]) -> bool:
        """Tell whether it mutes an alert."""
        return all(
            fnmatchcase(str(alert.get(name) or ""), pattern) for name, pattern in self.matchers.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "monitor": self.monitor,
            "matchers": dict(self.matchers),
            "owner": self.owner,
            "reason": self.reason,
            "until": self.until.isoformat(),
        }


def find(store: AlertStore, name: str) -> Incident:
    """Return the incident of that name.

    Raises
    ------
    UsageError
        If there is none; the message has the nearest one.
    """
    known = {incident.id: incident for incident in incidents(store)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UsageError(
            "There is no such incident",
            where=str(store.path),
            got=name,
            expected=near[0] if near else f"one of {len(known)} incidents",
            next_step="mlops alerts list",
        )
    return known[name]


def acknowledge(store: AlertStore, name: str, *, actor: str, now: datetime) -> bool:
    """Say that somebody looks after an incident; False when somebody did already."""
    incident = find(store, name)
    return store.append(
        ACKNOWLEDGED,
        f"{name}/acknowledged",
        monitor=incident.monitor,
        payload={"id": name},
        now=now,
        actor=_named(actor, "actor"),
    )


def annotate(
    store: AlertStore, name: str, *, actor: str, text: str, outcome: str | None = None, now: datetime
) -> None:
    """Note what was done about an incident, and what came of it."""
    with store.transaction():
        incident = find(store, name)
        store.append(
            ANNOTATED,
            f"{name}/note/{len(incident.annotations)}",
            monitor=incident.monitor,
            payload={"id": name, "note": {"text": _named(text, "text"), "outcome": outcome}},
            now=now,
            actor=_named(actor, "actor"),
        )


def silence(
    store: AlertStore,
    monitor: str,
    matchers: Mapping[str, str],
    *,
    owner: str,
    reason: str,
    until: datetime,
    now: datetime,
) -> Silence:
    """Mute alerts until a time.

    Raises
    ------
    UsageError
        If it has no owner, reason or end, ends in the past or after more than `LONGEST_SILENCE`, or matches
        by something that alerts do not have.
    """
    for name in matchers:
        if name not in _MATCHED:
            raise UsageError("An alert has no such part", got=name, expected=f"one of {', '.join(_MATCHED)}")
    if until.tzinfo is None or not now < until <= now + LONGEST_SILENCE:
        raise UsageError(
            "A silence ends within 30 days from now",
            got=until.isoformat(),
            expected=f"a time with a zone, up to {(now + LONGEST_SILENCE).isoformat(timespec='minutes')}",
        )
    with store.transaction():
        number = len(store.events(monitor, (_SILENCED,)))
        made = Silence(
            f"{monitor}/silence/{number}", monitor, dict(matchers), _named(owner, "owner"),
            _named(reason, "reason"), until,
        )  # fmt: skip
        store.append(
            _SILENCED, made.id, monitor=monitor, payload={"silence": made.to_dict()}, now=now, actor=owner
        )
    return made


def lift_silence(store: AlertStore, name: str, *, actor: str, now: datetime) -> bool:
    """End a silence before its time; False when it had ended.

    Raises
    ------
    UsageError
        If there is no such silence.
    """
    known = {event.key: event.monitor for event in store.events(None, (_SILENCED,))}
    if name not in known:
        raise UsageError("There is no such silence", got=name, expected=f"one of {sorted(known)}")
    return store.append(
        _LIFTED, f"{name}/lifted", monitor=known[name], payload={"id": name}, now=now, actor=actor
    )


def silences(store: AlertStore, monitor: str | None, *, now: datetime) -> list[Silence]:
    """Return the silences in force."""
    lifted = {event.payload["id"] for event in store.events(monitor, (_LIFTED,))}
    found = []
    for event in store.events(monitor, (_SILENCED,)):
        row = event.payload["silence"]
        made = Silence(**{**row, "until": datetime.fromisoformat(row["until"])})
        if made.id not in lifted and now < made.until:
            found.append(made)
    return found


def silenced(incident: Mapping[str, Any], muted: Iterable[Silence]) -> bool:
    """Tell whether each alert of an incident (or its group, where it has no alerts) is silenced."""
    about = incident["alerts"] or [{**incident["group"], "severity": incident["severity"]}]
    in_force = [each for each in muted if each.monitor == incident["monitor"]]
    return all(any(each.matches(alert) for each in in_force) for alert in about)


def _named(text: str, what: str) -> str:
    if not text.strip():
        raise UsageError(f"The {what} is missing", expected=f"a {what} that others understand later")
    return text

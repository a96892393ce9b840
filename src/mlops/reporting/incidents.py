"""Incidents and alerts as pages show them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mlops.reporting.definitions import text_of
from mlops.reporting.formats import NOTHING, bound, listed, moment, number, plural, significance
from modelwatch.metrics import METRICS, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops.reporting.timeline import Series
    from modelwatch.metrics import Metric

    Windows = Sequence[tuple[str | None, str | None]]

__all__ = ["SEVERITIES", "Alert", "Incident", "alerts_of", "incidents_of"]

SEVERITIES: Final = ("info", "warning", "critical")
# What is worth showing of an alert that has not become an incident.
_WATCHED: Final = ("firing", "recovering", "pending", "error")
_WAITING: Final = {"no_data": "no data", "insufficient": "too few rows"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule on one series.

    Attributes
    ----------
    first
        Window since which it has been in its state.
    worst
        The most alarming value of the incident.
    beyond
        The latest value lies beyond the threshold.
    """

    rule: str
    signal: str
    metric: str
    feature: str | None
    segment: str | None
    state: str
    severity: str
    value: str
    threshold: str
    evidence: str
    since: str | None
    inhibited: bool
    first: int = 0
    worst: str = NOTHING
    beyond: bool = False

    @property
    def name(self) -> str:
        """Feature, or what else the rule watches."""
        return self.feature or text_of(self.metric).short

    @property
    def subject(self) -> str:
        """The same, with the segment."""
        return f"{self.name} in {self.segment}" if self.segment else self.name


@dataclass(frozen=True, slots=True)
class Incident:
    """What somebody is, or was, told of.

    Attributes
    ----------
    first, last
        Windows of the page's timeline from which and up to which it was open.
    quiet
        Found in the past, by rules that changed since: nobody was told.
    """

    id: str
    state: str
    severity: str
    group: str
    opened: str | None
    resolved: str | None
    owner: str
    route: str
    runbook: str
    action: str
    cause: str
    acknowledged_by: str
    alerts: tuple[Alert, ...]
    annotations: tuple[str, ...]
    first: int
    last: int
    quiet: bool = False

    @property
    def open(self) -> bool:
        """Whether it still is one."""
        return self.state == "open"

    @property
    def features(self) -> tuple[str, ...]:
        """Features concerned, the most concerned first."""
        return tuple(dict.fromkeys(alert.feature for alert in self.alerts if alert.feature))

    def concerns(self, feature: str | None) -> bool:
        """Whether one of its alerts is about this feature."""
        return any(alert.feature == feature for alert in self.alerts)

    def span(self, series: Series) -> tuple[int, int] | None:
        """Return the windows in which it was about a series, None where it never was."""
        key = series.signal, series.metric, series.feature, series.segment
        starts = [
            alert.first
            for alert in self.alerts
            if (alert.signal, alert.metric, alert.feature, alert.segment) == key
        ]
        return (min(max(self.first, min(starts)), self.last), self.last) if starts else None

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it is about, the most concerned first; a segment is named where it is the only one."""
        segments: dict[str, list[str | None]] = defaultdict(list)
        for alert in self.alerts:
            segments[alert.name].append(alert.segment)
        return tuple(
            f"{name} in {found[0]}" if len(found) == 1 and found[0] else name
            for name, found in segments.items()
        )

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        return listed(self.subjects) if self.subjects else self.cause.rstrip(".") or self.group


def incidents_of(found: Iterable[Mapping[str, Any]], windows: Windows) -> tuple[Incident, ...]:
    """Return incidents, the open and severe ones first, then the newest."""
    read = [_incident(entry, windows) for entry in found]
    read.sort(key=lambda incident: incident.opened or "", reverse=True)
    read.sort(key=lambda incident: (not incident.open, -_rank(incident.severity)))
    return tuple(read)


def _incident(entry: Mapping[str, Any], windows: Windows) -> Incident:
    opened, resolved = _text(entry.get("opened")), _text(entry.get("resolved"))
    state = str(entry.get("state") or "open")
    first = _window_at(opened, windows, default=0)
    last = max(first, _window_at(resolved, windows, default=len(windows) - 1))
    cause = entry.get("cause") or {}
    return Incident(
        id=str(entry.get("id") or ""),
        state=state,
        severity=str(entry.get("severity") or "warning"),
        group=_group(entry.get("group")),
        opened=opened,
        resolved=resolved,
        owner=_text(entry.get("owner")) or "",
        route=_text(entry.get("route")) or "",
        runbook=_text(entry.get("runbook")) or "",
        action=_text(entry.get("action")) or "",
        cause=str(cause.get("text") or "") if isinstance(cause, Mapping) else str(cause),
        acknowledged_by=_text(entry.get("acknowledged_by")) or "",
        alerts=_ordered(_alert(row, windows) for row in entry.get("alerts") or ()),
        quiet=bool(entry.get("quiet")),
        annotations=tuple(_annotation(note) for note in entry.get("annotations") or ()),
        first=first,
        last=last,
    )


def waiting(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return how many alerts could not be judged, and why; nothing where there are none."""
    counted = Counter(str(row.get("state")) for row in rows)
    return "; ".join(
        f"{plural(counted[state], 'alert')} could not be judged: {why}"
        for state, why in _WAITING.items()
        if counted[state]
    )


def silence_line(silence: Mapping[str, Any]) -> str:
    """Return a silence in one line: what it mutes, until when, by whom and why."""
    matched = ", ".join(f"{name} {pattern}" for name, pattern in (silence.get("matchers") or {}).items())
    until = moment(_text(silence.get("until")))
    return f"{matched or 'everything'} until {until}, by {silence.get('owner')}: {silence.get('reason')}"


def alerts_of(rows: Iterable[Mapping[str, Any]], windows: Windows = ()) -> tuple[Alert, ...]:
    """Return the alerts that are worth a line, in the order given."""
    return tuple(_alert(row, windows) for row in rows if row.get("state") in _WATCHED)


def _ordered(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Put what still fires first, each part in the order given: by importance and effect."""
    return tuple(sorted(alerts, key=lambda alert: alert.state != "firing"))


def _alert(row: Mapping[str, Any], windows: Windows) -> Alert:
    metric = str(row.get("metric") or "")
    unit = text_of(metric).unit
    entry = METRICS.get(metric)
    sign = "≥" if entry is not None and entry.direction is Direction.LOWER_IS_WORSE else "≤"
    limit = row.get("threshold")
    evidence = row.get("q_value")
    return Alert(
        rule=str(row.get("rule") or ""),
        signal=str(row.get("signal") or ""),
        metric=metric,
        feature=_text(row.get("feature")),
        segment=_text(row.get("segment")),
        state=str(row.get("state") or "firing"),
        severity=str(row.get("severity") or ""),
        value=number(row.get("value"), unit),
        threshold=NOTHING if limit is None else f"{sign}\u00a0{bound(limit, unit)}",
        evidence=significance(evidence if evidence is not None else row.get("p_value")),
        since=_text(row.get("since")),
        inhibited=bool(row.get("inhibited")),
        first=_window_at(_text(row.get("since")), windows, default=0),
        worst=number((row.get("worst") or {}).get("value"), unit),
        beyond=_beyond(entry, row.get("value"), limit),
    )


def _beyond(entry: Metric | None, value: float | None, limit: float | None) -> bool:
    return entry is not None and value is not None and limit is not None and entry.breaches(value, limit)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _group(group: Any) -> str:
    if isinstance(group, Mapping):
        return ", ".join(f"{key} {value}" for key, value in group.items())
    if isinstance(group, (list, tuple)):
        return ", ".join(map(str, group))
    return str(group or "")


def _annotation(note: Any) -> str:
    """Return a note, an action taken or its outcome as one line, whoever wrote it when."""
    if not isinstance(note, Mapping):
        return str(note)
    when = note.get("at") or note.get("when")
    who = note.get("actor") or note.get("by")
    said = [
        str(note[key]) if key in ("text", "note") else f"{key}: {note[key]}"
        for key in ("text", "note", "action", "outcome")
        if note.get(key)
    ]
    head = " ".join(part for part in (moment(_text(when)) if when else "", str(who or "")) if part)
    body = "; ".join(said)
    return f"{head}: {body}" if head else body


def _window_at(text: str | None, windows: Windows, *, default: int) -> int:
    """Return the window that holds a time, the last one for what came after it."""
    if text is None:
        return default
    try:
        at = _utc(text)
        for position, (start, end) in enumerate(windows):
            if start is not None and end is not None and at < _utc(end):
                return position
    except ValueError:
        return default
    return max(0, len(windows) - 1)


def _utc(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read

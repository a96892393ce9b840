"""The verdict: one sentence that is true, and says first what somebody has to act on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlops.reporting.definitions import text_of
from mlops.reporting.figures import reading
from mlops.reporting.formats import NOTHING, day, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops.reporting.incidents import Alert, Incident
    from mlops.reporting.timeline import Series, Timeline

__all__ = ["Verdict", "verdict_of"]

Kind = Literal["critical", "warning", "info", "fine", "unknown"]
_WRONG = ("breach", "schema_error", "error")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader must know in five seconds.

    Attributes
    ----------
    kind, word
        The sign beside the sentence, and the same in one or two words.
    sentence
        Complete, with the numbers it rests on.
    limits
        What the sentence does not cover: rows too few to tell, alerts not yet confirmed.
    following
        What may be behind it and what to do: likely cause, runbook, action, whether somebody is on it.
    """

    kind: Kind
    word: str
    sentence: str
    limits: str = ""
    following: tuple[tuple[str, str], ...] = ()


def verdict_of(
    timeline: Timeline,
    features: int,
    incidents: Sequence[Incident] = (),
    alerts: Sequence[Alert] = (),
    *,
    has_rules: bool = False,
) -> Verdict:
    """Return the verdict on the latest window, in the light of incidents where rules make some.

    Parameters
    ----------
    features
        How many features there are.
    has_rules
        Whether rules decide what becomes an alert; without them a breach is the strongest word there is.
    """
    series = [one for one in timeline.series if one.status[-1] is not None]
    wrong = [one for one in series if one.status[-1] in _WRONG]
    opened = [incident for incident in incidents if incident.open]
    firing = [alert for alert in alerts if alert.state in ("firing", "recovering") and not alert.inhibited]
    if opened:
        return _of_incidents(opened, _limits(series))
    if firing:
        names = listed(list(dict.fromkeys(alert.subject for alert in firing)))
        sentence = f"{plural(len(firing), 'alert')} {_is(len(firing))} firing: {names}."
        return Verdict("warning", "firing", sentence, _limits(series))
    if wrong:
        return _of_breaches(wrong, features, alerts, _limits(series), has_rules=has_rules)
    return _without_breach(series, features)


def _without_breach(series: Sequence[Series], features: int) -> Verdict:
    statuses = Counter(str(one.status[-1]) for one in series)
    if statuses.total() == statuses["no_data"]:
        note = next((one.note for one in series if one.note), "")
        return Verdict("unknown", "nothing measured", "Nothing was measured in this window.", note)
    judged = sum(one.threshold[-1] is not None and one.status[-1] == "ok" for one in series)
    if judged:
        of_what = f" of {plural(features, 'feature')}" if features else ""
        sentence = f"No breach: {plural(judged, 'judged measurement')}{of_what} within bounds."
        return Verdict("fine", "fine", sentence, _limits(series))
    if statuses["ok"]:
        sentence = f"{plural(statuses['ok'], 'measurement')}, and no threshold to hold any of them to."
        return Verdict("info", "not judged", sentence, _limits(series))
    sentence = f"None of {plural(len(series), 'measurement')} could be judged."
    return Verdict("unknown", "cannot tell", sentence, _limits(series))


def _of_incidents(opened: Sequence[Incident], limits: str) -> Verdict:
    first = opened[0]
    kinds: dict[str, Kind] = {"critical": "critical", "warning": "warning"}
    head = f"A {first.severity} incident is open"
    if first.severity == "info":
        head = "An incident for information is open"
    if len(opened) > 1:
        head = f"{len(opened)} incidents are open, the most severe one {first.severity}"
    since = f" since {day(first.opened)}" if first.opened else ""
    sentence = f"{head}{since}: {_told(first)}."
    following = (
        ("likely cause", first.cause.rstrip(".") if first.alerts else ""),
        ("runbook", first.runbook),
        ("action", first.action.replace("_", " ")),
        ("acknowledged by", first.acknowledged_by or "nobody yet"),
    )
    return Verdict(
        kinds.get(first.severity, "info"),
        first.severity,
        sentence,
        limits,
        tuple((name, value) for name, value in following if value),
    )


def _told(incident: Incident) -> str:
    """Return what an incident is about, with the numbers of its strongest alert."""
    lead = incident.alerts[0] if incident.alerts else None
    # The latest value where it is the reason; where it has come back, how bad it was.
    value = NOTHING if lead is None else lead.value if lead.beyond else f"up to {lead.worst}"
    if lead is None or value.endswith(NOTHING):
        return incident.title
    bound = f", threshold {lead.threshold}" if lead.threshold != NOTHING else ""
    metric = f"{text_of(lead.metric).short} " if lead.feature else ""
    return listed([f"{incident.subjects[0]} ({metric}{value}{bound})", *incident.subjects[1:]])


def _of_breaches(
    wrong: Sequence[Series], features: int, alerts: Sequence[Alert], limits: str, *, has_rules: bool
) -> Verdict:
    concerned = list(dict.fromkeys(one.feature for one in wrong if one.feature))
    lead = max(wrong, key=lambda one: (one.status[-1] == "breach", one.segment is None, one.strain() or 0.0))
    amount = len(concerned) or len(wrong)
    what = f"{amount} of {plural(features, 'feature')}" if concerned else plural(amount, "measurement")
    named = lead.feature or lead.text.name
    where = f" in {lead.segment}" if lead.segment else ""
    need = "needs" if amount == 1 else "need"
    first = "" if amount == 1 else "first of all "
    said = reading(lead)
    # A note about a column that is missing names it already.
    subject = "" if lead.value[-1] is None and named in said else f"{named}{where}, "
    sentence = f"{what} {need} a look: {first}{subject}{said}."
    if any(one.status[-1] != "breach" for one in wrong):
        return Verdict("critical", "broken", sentence, limits)
    if has_rules:
        pending = sum(alert.state == "pending" for alert in alerts)
        more = f"{plural(pending, 'alert')} pending" if pending else "No rule has made an alert of it"
        return Verdict("info", "watching", sentence, _joined((more, limits)))
    return Verdict("warning", "breach", sentence, limits)


def _limits(series: Iterable[Series]) -> str:
    statuses = Counter(one.status[-1] for one in series)
    return _joined(
        f"{plural(statuses[status], 'measurement')} {had}"
        for status, had in (("insufficient", "had too few rows to tell"), ("no_data", "had no data"))
        if statuses[status]
    )


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def _is(amount: int) -> str:
    return "is" if amount == 1 else "are"

"""What the page of one monitor says: everything known of its latest window, and of the windows before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.reporting.definitions import DEFINITIONS, MetricText, text_of
from mlops.reporting.drawing import spans
from mlops.reporting.features import FeatureView, features_of
from mlops.reporting.formats import count, day, plural, window_label
from mlops.reporting.incidents import Alert, Incident, alerts_of, incidents_of, silence_line, waiting
from mlops.reporting.performance import performance_of, whole_of
from mlops.reporting.quality import QualityTable, quality_of
from mlops.reporting.rules import rule_rows
from mlops.reporting.segments import Gap, Segment, fairness_of, segment_metrics, segments_of
from mlops.reporting.verdict import Verdict, verdict_of
from modelwatch.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from mlops.reporting.figures import Figure
    from mlops.reporting.timeline import Timeline
    from modelwatch.monitor import Monitor
    from modelwatch.profiles import Profile

__all__ = ["MonitorView", "Subject", "view"]

Ticks = tuple[tuple[float, str], ...]
_TICKS: Final = 5
# In this order; `bare` is fine but without a threshold, so nothing was judged.
_STATUSES: Final = {
    "breach": ("breach", "breach"),
    "schema_error": ("error", "broken schema"),
    "error": ("error", "error"),
    "ok": ("fine", "within bounds"),
    "bare": ("info", "not judged"),
    "insufficient": ("unknown", "too few rows"),
    "no_data": ("unknown", "no data"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is made from; all but the timeline may be unknown.

    Attributes
    ----------
    monitor
        The declaration: owner, rules, kinds of signals.
    incidents, alerts
        As `modelwatch.alerts` hands them out, as plain mappings; None where nothing keeps alert state.
    profiles
        Of baseline and production, for histograms.
    silences
        Those in force.
    """

    timeline: Timeline
    monitor: Monitor | None = None
    incidents: Sequence[Mapping[str, Any]] | None = None
    alerts: Sequence[Mapping[str, Any]] | None = None
    profiles: tuple[Profile, Profile] | None = None
    silences: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class MonitorView:
    """The page in parts, in the order in which they stand on it.

    Attributes
    ----------
    ticks
        Dates below a picture of all windows: place in percent, text.
    judges
        Whether rules make incidents of measurements.
    watched
        Alerts that are part of no open incident.
    waiting
        How many alerts could not be judged, in words.
    """

    monitor: str
    description: str
    window: str
    ends: str | None
    windows: tuple[str, ...]
    ticks: Ticks
    verdict: Verdict
    facts: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, str], ...]
    judges: bool
    incidents: tuple[Incident, ...]
    watched: tuple[Alert, ...]
    waiting: str
    silences: tuple[str, ...]
    incident_strip: Markup | None
    features: tuple[FeatureView, ...]
    quality: QualityTable
    performance: tuple[Figure, ...]
    whole: tuple[Figure, ...]
    segments: tuple[Segment, ...]
    segment_metrics: tuple[str, ...]
    fairness: tuple[Gap, ...]
    definitions: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, MetricText, str], ...]
    rules: tuple[tuple[str, ...], ...]

    @property
    def lone(self) -> bool:
        """There is one window, so no history."""
        return len(self.windows) < 2

    @property
    def closed(self) -> tuple[Incident, ...]:
        """Incidents that are over, the newest first."""
        return tuple(incident for incident in self.incidents if not incident.open)

    @property
    def anchors(self) -> dict[str, str]:
        """Where each feature's details are."""
        return {feature.name: feature.anchor for feature in self.features}

    @property
    def metric_ids(self) -> frozenset[str]:
        """Metrics that have an entry among the definitions."""
        return frozenset(entry[0] for entry in self.metrics)

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """Anchors and names for the navigation."""
        present = (
            ("incidents", "Incidents", self.judges),
            ("features", "Features", self.features),
            ("details", "Then and now", self.features),
            ("quality", "Quality", self.quality.measured),
            ("performance", "Performance", self.performance),
            ("whole", "Whole window", self.whole),
            ("segments", "Segments", self.segments or self.fairness),
            ("definitions", "Definitions", True),
        )
        return tuple((anchor, name) for anchor, name, shown in present if shown)


def view(subject: Subject) -> MonitorView:
    """Return what the page of a monitor says."""
    timeline, monitor = subject.timeline, subject.monitor
    incidents = incidents_of(subject.incidents or (), timeline.windows)
    alerts = alerts_of(subject.alerts or (), timeline.windows)
    signals = monitor.signals if monitor is not None else {}
    alphas = {name: signal.alpha for name, signal in signals.items()}
    predictions = frozenset(name for name, signal in signals.items() if signal.type == "prediction_drift")
    features = features_of(timeline, incidents, alerts, subject.profiles, predictions, alphas)
    rules = rule_rows(monitor)
    told = {(one.rule, one.feature, one.segment) for each in incidents if each.open for one in each.alerts}
    labels = tuple(window_label(*window) for window in timeline.windows)
    return MonitorView(
        monitor=timeline.monitor,
        description=(monitor.description or "") if monitor is not None else "",
        window=labels[-1] if labels else "no window",
        ends=timeline.windows[-1][1] if timeline.windows else None,
        windows=labels,
        ticks=_ticks([start for start, _ in timeline.windows]),
        verdict=verdict_of(timeline, len(features), incidents, alerts, has_rules=bool(rules)),
        facts=_facts(timeline, monitor),
        counts=_counts(timeline),
        judges=subject.incidents is not None or bool(rules) or bool(alerts),
        incidents=incidents,
        watched=tuple(one for one in alerts if (one.rule, one.feature, one.segment) not in told),
        waiting=waiting(subject.alerts or ()),
        silences=tuple(map(silence_line, subject.silences)),
        incident_strip=_incident_strip(incidents, len(labels)),
        features=features,
        quality=quality_of(timeline),
        performance=performance_of(timeline, incidents, alphas),
        whole=whole_of(timeline, incidents, alphas),
        segments=segments_of(timeline),
        segment_metrics=segment_metrics(timeline),
        fairness=fairness_of(timeline),
        definitions=tuple((name, DEFINITIONS.get(name, "")) for name in timeline.definitions),
        metrics=_metrics(timeline),
        rules=rules,
    )


def _ticks(starts: Sequence[str | None]) -> Ticks:
    """Return at most five dates, evenly spread."""
    last = len(starts) - 1
    wanted = sorted({round(last * i / (_TICKS - 1)) for i in range(_TICKS)}) if starts else []
    return tuple(
        (round(100 * (i + 0.5) / len(starts), 1), day(start))
        for i in wanted
        if (start := starts[i]) is not None
    )


def _facts(timeline: Timeline, monitor: Monitor | None) -> tuple[tuple[str, str], ...]:
    now = [int(one.latest.get("n_production") or one.rows[-1]) for one in timeline.overall()]
    then = [int(one.latest.get("n_baseline") or 0) for one in timeline.overall()]
    facts = [
        ("rows in this window", count(max(now, default=0))),
        ("rows of the baseline", count(max(then)) if any(then) else ""),
        ("windows", _windows(timeline)),
        ("owner", (monitor.owner or "") if monitor is not None else ""),
        ("baseline", (monitor.baseline.asset or monitor.baseline.path or "") if monitor is not None else ""),
        ("definition", ", ".join(timeline.definitions)),
    ]
    return tuple((name, value) for name, value in facts if value)


def _windows(timeline: Timeline) -> str:
    shown = count(len(timeline.windows))
    return (
        shown if len(timeline.windows) == timeline.known else f"the last {shown} of {count(timeline.known)}"
    )


def _counts(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    statuses = Counter(
        "bare" if one.status[-1] == "ok" and one.threshold[-1] is None else str(one.status[-1])
        for one in timeline.series
        if one.status[-1] is not None
    )
    return tuple(
        (kind, f"{count(statuses[status])} {word}")
        for status, (kind, word) in _STATUSES.items()
        if statuses[status]
    )


def _incident_strip(incidents: Sequence[Incident], windows: int) -> Markup | None:
    if windows < 2 or not incidents:
        return None
    bars = [
        (one.first, one.last, one.severity, f"{one.severity}: {one.title}, {one.state}")
        for one in reversed(incidents)
    ]
    words = f"{plural(len(incidents), 'incident')}: " + "; ".join(title for *_, title in bars)
    return spans(bars, windows, words)


def _metrics(timeline: Timeline) -> tuple[tuple[str, MetricText, str], ...]:
    """Return each metric in use with its definition ids, in the registry's order."""
    used: dict[str, set[str]] = {}
    for series in timeline.series:
        used.setdefault(series.metric, set()).update({series.definition} - {""})
    order = [name for name in METRICS if name in used] + [name for name in used if name not in METRICS]
    return tuple((name, text_of(name), ", ".join(sorted(used[name]))) for name in order)

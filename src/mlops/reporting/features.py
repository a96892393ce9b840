"""Features: one row of the heat map each, and what stands behind it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.reporting.distributions import from_buckets, from_profiles
from mlops.reporting.drawing import strip
from mlops.reporting.figures import ALPHA, Figure, figure, reading, words_of
from mlops.reporting.formats import NOTHING, day, number, plural
from mlops.reporting.levels import Level
from modelwatch.metrics import METRICS, Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from mlops.reporting.distributions import Distribution
    from mlops.reporting.incidents import Alert, Incident
    from mlops.reporting.timeline import Series, Timeline
    from modelwatch.profiles import Profile

__all__ = ["FAMILIES", "THRESHOLD_AT", "FeatureView", "features_of"]

FAMILIES: Final = (Family.DRIFT, Family.QUALITY, Family.SKEW)
# Pages open the details of what is in trouble, and print them.
_MOST_OPEN: Final = 12
THRESHOLD_AT: Final = 40.0
_LABEL_METRICS: Final = ("label_coverage", "label_lag_seconds")


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One feature.

    Attributes
    ----------
    anchor
        Id of its details in the page.
    levels
        The worst level of each window over all metrics of the feature.
    primary
        The figure that the table shows numbers of: the first judged drift metric.
    strain
        How near the feature is to a threshold, in percent of a picture with the threshold at `THRESHOLD_AT`.
    figures
        Histories that say something: of drift, or with anything but calm in them.
    also
        What else was measured, in words.
    """

    anchor: str
    name: str
    role: str
    level: Level
    levels: tuple[Level, ...]
    strip: Markup
    strain: float | None
    words: str
    primary: Figure | None
    nulls: str
    figures: tuple[Figure, ...]
    distribution: Distribution | None
    also: tuple[str, ...]
    notes: tuple[str, ...]
    segments: tuple[tuple[str, str], ...]
    alerts: tuple[Alert, ...]
    firing: bool
    open: bool


def features_of(  # noqa: PLR0917
    timeline: Timeline,
    incidents: Sequence[Incident] = (),
    alerts: Sequence[Alert] = (),
    profiles: tuple[Profile, Profile] | None = None,
    predictions: frozenset[str] = frozenset(),
    alphas: Mapping[str, float] | None = None,
) -> tuple[FeatureView, ...]:
    """Return every feature, those in trouble first, then by how near they are to their threshold.

    Parameters
    ----------
    profiles
        Of baseline and production, for histograms; without them the buckets of drift measurements are shown.
    predictions
        Names of signals that watch predictions.
    alphas
        Largest q-value that is evidence, by signal.
    """
    grouped: dict[str, list[Series]] = defaultdict(list)
    for series in timeline.overall():
        if series.feature is not None and series.family in FAMILIES and series.metric not in _LABEL_METRICS:
            grouped[series.feature].append(series)
    segments: dict[str, list[Series]] = defaultdict(list)
    for series in timeline.segmented():
        if series.feature is not None and series.level().alarming:
            segments[series.feature].append(series)
    order = sorted(grouped, key=lambda name: _urgency(grouped[name], name, incidents), reverse=True)
    views = []
    for position, name in enumerate(order):
        builder = _Builder(name, position, timeline, grouped[name], alphas or {})
        views.append(
            builder.view(
                [incident for incident in incidents if incident.concerns(name)],
                tuple(alert for alert in alerts if alert.feature == name),
                segments[name],
                profiles,
                is_prediction=any(series.signal in predictions for series in grouped[name]),
            )
        )
    return tuple(views)


def _urgency(series: list[Series], name: str, incidents: Sequence[Incident]) -> tuple[bool, bool, float]:
    firing = any(incident.open and incident.concerns(name) for incident in incidents)
    strains = [strain for one in series if (strain := one.strain()) is not None]
    return firing, any(one.level().alarming for one in series), max(strains, default=0.0)


@dataclass(frozen=True, slots=True)
class _Builder:
    name: str
    position: int
    timeline: Timeline
    series: list[Series]
    alphas: Mapping[str, float]

    def view(
        self,
        incidents: Sequence[Incident],
        alerts: tuple[Alert, ...],
        segments: Sequence[Series],
        profiles: tuple[Profile, Profile] | None,
        *,
        is_prediction: bool,
    ) -> FeatureView:
        anchor = f"feature-{self.position + 1}"
        levels = tuple(
            Level.worst(found) for found in zip(*(one.levels() for one in self.series), strict=True)
        )
        drawn = sorted((one for one in self.series if _worth_a_figure(one)), key=_weight)
        figures = tuple(
            figure(f"{anchor}-{i}", one, alpha=self.alphas.get(one.signal, ALPHA), incidents=incidents)
            for i, one in enumerate(drawn)
        )
        told = [alert for one in incidents if one.open for alert in one.alerts if alert.feature == self.name]
        firing = any(
            alert.state in ("firing", "recovering") and not alert.inhibited for alert in (*told, *alerts)
        )
        return FeatureView(
            anchor=anchor,
            name=self.name,
            role="prediction" if is_prediction else "",
            level=levels[-1],
            levels=levels,
            strip=strip(levels, _spoken(self.name, levels, self.timeline)),
            strain=self._strain(),
            words=self._words(levels[-1]),
            primary=next((one for one in figures if one.series.family is Family.DRIFT), None),
            nulls=self._nulls(),
            figures=figures,
            distribution=self._distribution(profiles),
            also=_also([one for one in self.series if one not in drawn]),
            notes=tuple(dict.fromkeys(_remark(one) for one in self.series if one.note)),
            segments=tuple((str(one.segment), reading(one)) for one in segments),
            alerts=alerts,
            firing=firing,
            open=(firing or levels[-1].alarming) and self.position < _MOST_OPEN,
        )

    def _words(self, level: Level) -> str:
        worst = max(self.series, key=lambda one: (one.level() is level, one.judged, one.strain() or 0.0))
        return worst.text.short if level.alarming else words_of(worst)

    def _strain(self) -> float | None:
        strains = [strain for one in self.series if (strain := one.strain()) is not None]
        return round(min(100.0, THRESHOLD_AT * max(strains)), 1) if strains else None

    def _nulls(self) -> str:
        found = next((one for one in self.series if one.metric == "null_value_rate"), None)
        return number(found.value[-1], found.text.unit) if found else NOTHING

    def _distribution(self, profiles: tuple[Profile, Profile] | None) -> Distribution | None:
        bucketed = next(
            (drawn for one in self.series if (drawn := from_buckets(one.details)) is not None), None
        )
        if profiles is None:
            return bucketed
        # What was compared as categories is shown as categories, whatever its type.
        kind = "categorical" if bucketed is not None and bucketed.kind == "categories" else None
        before, after = (side.columns.get(self.name) for side in profiles)
        return from_profiles(before, after, kind) or bucketed


def _worth_a_figure(series: Series) -> bool:
    if series.family is Family.DRIFT:
        return True
    # A window alone has no history: numbers side by side are worth a line each.
    lone = len(series.value) == 1
    return (lone and (series.judged or bool(series.value[0]))) or any(
        level not in (Level.CALM, Level.ABSENT) for level in series.levels()
    )


def _weight(series: Series) -> tuple[bool, bool, int]:
    order = list(METRICS)
    position = order.index(series.metric) if series.metric in METRICS else len(order)
    return series.family is not Family.DRIFT, not series.judged, position


def _remark(series: Series) -> str:
    # What is noted of drift is about the column; of a rate, about that rate.
    return series.note if series.family is Family.DRIFT else f"{series.text.short}: {series.note}"


def _also(series: Sequence[Series]) -> tuple[str, ...]:
    held = [one for one in series if one.value[-1] is not None]
    told = [reading(one) for one in held if one.value[-1] or one.judged]
    zero = list(dict.fromkeys(one.text.short for one in held if not one.value[-1] and not one.judged))
    return (*told, *(["no " + ", no ".join(zero)] if zero else []))


def _spoken(name: str, levels: Sequence[Level], timeline: Timeline) -> str:
    """Return a strip in words."""
    hits = [position for position, level in enumerate(levels) if level.alarming]
    words = f"{name}, {plural(len(levels), 'window')}: "
    if not hits:
        return words + f"no breach; latest: {levels[-1].words}"
    start, _ = timeline.windows[hits[-1]]
    last = f", the last on {day(start)}" if start else ""
    return words + f"{plural(len(hits), 'breach', 'breaches')}{last}; latest: {levels[-1].words}"

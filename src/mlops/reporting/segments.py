"""Segments: where the whole looks fine and a part of it does not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.reporting.drawing import Scale, spread, strip
from mlops.reporting.figures import reading, threshold_of
from mlops.reporting.formats import count, number
from mlops.reporting.levels import Level
from mlops.reporting.performance import PERFORMANCE
from modelwatch.metrics import Family

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops.reporting.timeline import Series, Timeline

__all__ = ["Gap", "Segment", "Whisker", "fairness_of", "segment_metrics", "segments_of"]

_MOST_FINDINGS: Final = 4


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval on an axis shared by all segments: positions in percent."""

    text: str
    interval: str
    level: Level
    at: float | None
    low: float | None
    high: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment in the latest window."""

    name: str
    rows: str
    level: Level
    strip: Markup
    findings: tuple[str, ...]
    more: int
    performance: tuple[Whisker | None, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap between groups, with each group's rate and interval."""

    series: Series
    level: Level
    value: str
    interval: str
    threshold: str
    groups: tuple[tuple[str, Whisker], ...]


def segment_metrics(timeline: Timeline) -> tuple[str, ...]:
    """Return the metrics of performance that any segment was measured by."""
    return tuple(dict.fromkeys(one.metric for one in timeline.segmented() if one.family in PERFORMANCE))


def segments_of(timeline: Timeline) -> tuple[Segment, ...]:
    """Return every segment, the alarming ones first."""
    grouped: dict[str, list[Series]] = defaultdict(list)
    for series in timeline.segmented():
        grouped[str(series.segment)].append(series)
    metrics = segment_metrics(timeline)
    axes = {
        metric: _axis([one for one in timeline.segmented() if one.metric == metric]) for metric in metrics
    }
    rows = []
    for name, found in grouped.items():
        levels = timeline.segments[name]
        alarming = sorted(
            (one for one in found if one.level().alarming), key=lambda one: -(one.strain() or 0.0)
        )
        told = [f"{one.feature}: {reading(one)}" if one.feature else reading(one) for one in alarming]
        measured = {one.metric: one for one in found if one.family in PERFORMANCE}
        rows.append(
            Segment(
                name,
                count(max(one.rows[-1] for one in found)),
                levels[-1],
                strip(levels, f"{name}: {levels[-1].words} in the latest window"),
                tuple(told[:_MOST_FINDINGS]),
                max(0, len(told) - _MOST_FINDINGS),
                tuple(
                    whisker(measured[metric], axes[metric]) if metric in measured else None
                    for metric in metrics
                ),
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.level.alarming, row.name)))


def fairness_of(timeline: Timeline) -> tuple[Gap, ...]:
    """Return the gaps between groups in the latest window."""
    gaps = []
    for series in timeline.overall():
        if series.family is not Family.FAIRNESS or series.status[-1] is None:
            continue
        rates, intervals = series.details.get("rates") or {}, series.details.get("intervals") or {}
        ends = [end for pair in intervals.values() for end in pair] or [0.0, 1.0]
        axis = _padded(min(ends), max(ends))
        groups = tuple(
            (str(name), _placed(rate, tuple(intervals.get(name, (None, None))), axis))
            for name, rate in rates.items()
        )
        unit = series.text.unit
        gaps.append(
            Gap(
                series,
                series.level(),
                number(series.value[-1], unit),
                _between(series.low[-1], series.high[-1]),
                threshold_of(series),
                groups,
            )
        )
    return tuple(gaps)


def whisker(series: Series, axis: Scale) -> Whisker:
    """Return the latest value of a series on an axis."""
    drawn = _placed(series.value[-1], (series.low[-1], series.high[-1]), axis)
    bound = series.threshold[-1]
    return Whisker(
        number(series.value[-1], series.text.unit) if series.value[-1] is not None else series.level().words,
        drawn.interval,
        series.level(),
        drawn.at,
        drawn.low,
        drawn.high,
        None if bound is None else axis.along(bound),
    )


def _placed(value: float | None, interval: tuple[float | None, ...], axis: Scale) -> Whisker:
    low, high = interval
    ends = [None if end is None else axis.along(end) for end in (value, low, high)]
    return Whisker(number(value), _between(low, high), Level.CALM, ends[0], ends[1], ends[2], None)


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def _axis(series: list[Series]) -> Scale:
    ends = [
        value
        for one in series
        for value in (one.value[-1], one.low[-1], one.high[-1], one.threshold[-1])
        if value is not None
    ]
    return _padded(min(ends), max(ends)) if ends else Scale(0.0, 1.0)


def _padded(low: float, high: float) -> Scale:
    margin = 0.06 * (high - low) or 0.5
    return spread(low - margin, high + margin)

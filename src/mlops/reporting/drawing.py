"""Small pictures as inline SVG, compact enough for hundreds on one page.

Coordinates are whole numbers in a box that CSS stretches to its column; strokes do not scale, labels are HTML
beside the picture, so that text keeps its size on every screen. Levels differ in height as well as in colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from mlops.reporting.levels import Level
from mlops.reporting.units import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops.reporting.timeline import Numbers, Series

__all__ = ["CELLS", "Scale", "chart", "evidence", "path", "scale_of", "spans", "spread", "strip"]

# One cell of a strip, from its lower end: a height for each level, so that the strip reads in grey too.
CELLS: Final = {
    Level.CALM: ("calm", "9v-2"),
    Level.NEAR: ("near", "9v-4"),
    Level.UNPROVEN: ("unproven", "9v-6"),
    Level.BREACH: ("breach", "9v-7"),
    Level.DOUBLE: ("double", "10v-10"),
    Level.INSUFFICIENT: ("few", "8v-1"),
    Level.NO_DATA: ("none", "9v-.5"),
    Level.ERROR: ("error", "9v-8"),
}
_CELL: Final = 2
_STEP: Final = 10
_TALL: Final = 1000
_HEADROOM: Final = 1.08
# A value far beyond its threshold must not flatten what happens around it.
_MOST_THRESHOLDS: Final = 6.0
_SMALLEST_P: Final = 1e-4


# `Markup.format` escapes what it puts in: names of features come from data, and end in attributes and titles.
_PATH: Final = Markup('<path class="{}" d="{}"/>')
_STRIP: Final = Markup(
    '<svg class="{}" viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
)
_SPAN: Final = Markup('<rect class="{}" x="{}" y="2" width="{}" height="6"><title>{}</title></rect>')
_INCIDENT: Final = Markup('<rect class="incident" x="{}" y="0" width="{}" height="{}"/>')


def path(name: str, drawn: str) -> Markup:
    """Return a path, or nothing where there is nothing to draw."""
    return _PATH.format(name, drawn) if drawn else Markup()


def strip(levels: Sequence[Level], label: str) -> Markup:
    """Return one row of the heat map: one mark a window, its height and colour by its level."""
    marks = Markup().join(
        path(name, "".join(f"M{_CELL * i + 1} {drawn}" for i, found in enumerate(levels) if found is level))
        for level, (name, drawn) in CELLS.items()
    )
    return _STRIP.format("strip", _CELL * max(1, len(levels)), label, marks)


def spans(intervals: Iterable[tuple[int, int, str, str]], windows: int, label: str) -> Markup:
    """Return a row of the heat map with bars from one window to another: first, last, class, title."""
    bars = Markup().join(
        _SPAN.format(name, _CELL * first, _CELL * (last - first + 1), title)
        for first, last, name, title in intervals
    )
    return _STRIP.format("strip spans", _CELL * max(1, windows), label, bars)


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis of a chart: what is drawn at the bottom and at the top.

    Attributes
    ----------
    clipped
        Some values lie above the top, and are drawn there.
    """

    low: float
    high: float
    clipped: bool = False

    def y(self, value: float) -> int:
        """Return the height of a value, clipped to the picture; 0 is the top."""
        share = (value - self.low) / (self.high - self.low)
        return round(_TALL * (1 - min(1.0, max(0.0, share))))

    def percent(self, value: float) -> float:
        """Return the distance of a value from the top in percent, for a label beside the picture."""
        return round(self.y(value) * 100 / _TALL, 1)

    def along(self, value: float) -> float:
        """Return the distance of a value from the low end in percent, for an axis that lies."""
        return round(100 - self.percent(value), 1)


def scale_of(series: Series) -> Scale:
    """Return an axis on which values, intervals and thresholds can be seen.

    Amounts start at zero. Scores get the range they need: what matters is near their threshold.
    """
    bounds = [bound for bound in series.threshold if bound is not None]
    held = [*_held(series.value), *bounds, *_held(series.low), *_held(series.high)]
    if not held:
        return Scale(0.0, 1.0)
    low, high = min(held), max(held)
    if not series.higher_is_worse:
        margin = (high - low or abs(high) or 1.0) * (_HEADROOM - 1)
        # There is nothing above all of the rows.
        ceiling = 1.0 if series.text.unit is Unit.SHARE and high <= 1 else math.inf
        return spread(low - 2 * margin, min(high + margin, ceiling))
    most = _MOST_THRESHOLDS * max(bounds, default=0.0)
    clipped = 0 < most < high
    high = most if clipped else high
    low = min(0.0, low)
    top = high if clipped else low + (high - low) * _HEADROOM
    return spread(low, top, clipped=clipped)


def spread(low: float, high: float, *, clipped: bool = False) -> Scale:
    """Return an axis between two ends, or around a single value."""
    return Scale(low, high if high > low else low + (abs(low) or 1.0), clipped)


def chart(series: Series, scale: Scale, shaded: Iterable[tuple[int, int]] = ()) -> Markup:
    """Return the history of a series: its line, interval, threshold, and a dot for each window of note.

    Parameters
    ----------
    shaded
        First and last window of each incident.
    """
    levels = series.levels()
    parts = [
        *(_INCIDENT.format(_STEP * first, _STEP * (last - first + 1), _TALL) for first, last in shaded),
        path("band", _band(series, scale)),
        path("bound", _steps(series.threshold, scale)),
        path("line", _line(series.value, scale)),
        path("dot few", _dots(series, scale, levels, (Level.INSUFFICIENT,))),
        path("dot unproven", _dots(series, scale, levels, (Level.UNPROVEN,))),
        path("dot breach", _dots(series, scale, levels, (Level.BREACH, Level.DOUBLE))),
        path("gap", _gaps(series, levels)),
    ]
    return Markup().join(parts)


def evidence(series: Series, alpha: float) -> Markup:
    """Return the evidence of each window as a tick: the smaller q, the taller; strong below alpha."""
    strong: list[str] = []
    weak: list[str] = []
    for window, value in enumerate(series.evidence):
        if value is None:
            continue
        height = round(_TALL * math.log10(max(value, _SMALLEST_P)) / math.log10(_SMALLEST_P))
        (strong if value < alpha else weak).append(f"M{_x(window)} {_TALL}v-{max(height, 20)}")
    return path("weak", "".join(weak)) + path("strong", "".join(strong))


def _held(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _x(window: int) -> int:
    return _STEP * window + _STEP // 2


def _line(values: Numbers, scale: Scale) -> str:
    """Return a line through neighbours, broken where a window has no value."""
    drawn = []
    for missing, run in groupby(enumerate(values), key=lambda pair: pair[1] is None):
        if not missing:
            points = [f"{_x(i)} {scale.y(value)}" for i, value in run if value is not None]
            drawn.append("M" + "L".join(points))
    return "".join(drawn)


def _steps(bounds: Numbers, scale: Scale) -> str:
    drawn, start = [], 0
    for bound, run in groupby(bounds):
        length = len(list(run))
        if bound is not None:
            drawn.append(f"M{_STEP * start} {scale.y(bound)}h{_STEP * length}")
        start += length
    return "".join(drawn)


def _band(series: Series, scale: Scale) -> str:
    """Return the area between the ends of the confidence intervals; a lone window is a bar."""
    drawn = []
    ends = list(enumerate(zip(series.low, series.high, strict=True)))
    for missing, run in groupby(ends, key=lambda item: None in item[1]):
        if missing:
            continue
        held = [(i, low, high) for i, (low, high) in run if low is not None and high is not None]
        if len(held) == 1:
            i, low, high = held[0]
            drawn.append(f"M{_x(i) - 2} {scale.y(low)}H{_x(i) + 2}V{scale.y(high)}H{_x(i) - 2}z")
            continue
        above = "L".join(f"{_x(i)} {scale.y(high)}" for i, _, high in held)
        below = "L".join(f"{_x(i)} {scale.y(low)}" for i, low, _ in reversed(held))
        drawn.append(f"M{above}L{below}z")
    return "".join(drawn)


def _gaps(series: Series, levels: Sequence[Level]) -> str:
    """Return a mark on the axis for each window that should have a value and has none."""
    silent = (Level.NO_DATA, Level.ERROR, Level.INSUFFICIENT)
    return "".join(
        f"M{_x(i)} {_TALL}v-90"
        for i, (level, value) in enumerate(zip(levels, series.value, strict=True))
        if level in silent and value is None
    )


def _dots(series: Series, scale: Scale, levels: Sequence[Level], wanted: tuple[Level, ...]) -> str:
    return "".join(
        f"M{_x(i)} {scale.y(value)}h0"
        for i, (level, value) in enumerate(zip(levels, series.value, strict=True))
        if level in wanted and value is not None
    )

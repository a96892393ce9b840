"""One series as a figure: its picture, the labels beside it, and what it says in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.reporting.drawing import chart, evidence, scale_of
from mlops.reporting.formats import NOTHING, bound, number, plural, significance
from mlops.reporting.levels import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from mlops.reporting.incidents import Incident
    from mlops.reporting.timeline import Series

__all__ = ["ALPHA", "Figure", "figure", "reading", "series_data"]

# Without a declaration at hand the default of `alpha` in a signal is the one that applied.
ALPHA = 0.05
_LABELS_APART = 14.0
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """What a template needs to show one series.

    Attributes
    ----------
    key
        Of the series in the page's data.
    labels
        Beside the picture: distance from the top in percent, text, class.
    before
        The baseline's own value, where it was measured with the same labels and metric.
    evidence
        Ticks of q-values; None where the metric has no evidence.
    """

    key: str
    series: Series
    level: Level
    picture: Markup
    labels: tuple[tuple[float, str, str], ...]
    evidence: Markup | None
    alpha: float
    value: str
    interval: str
    before: str
    threshold: str
    words: str
    significance: str
    summary: str

    @property
    def lone(self) -> bool:
        """A single window has no history to draw."""
        return len(self.series.value) == 1


def figure(key: str, series: Series, *, alpha: float = ALPHA, incidents: Iterable[Incident] = ()) -> Figure:
    """Return the figure of a series, shaded where one of the incidents is about it."""
    shaded = [span for incident in incidents if (span := incident.span(series)) is not None]
    scale = scale_of(series)
    unit = series.text.unit
    limit = series.threshold[-1]
    top = number(scale.high, unit)
    labels = [(scale.percent(scale.high), f"≥\u00a0{bound(scale.high, unit)}" if scale.clipped else top, "")]
    if limit is not None:
        labels.append((scale.percent(limit), bound(limit, unit), "bound"))
    labels.append((100.0, bound(scale.low, unit) if not scale.low else number(scale.low, unit), ""))
    has_evidence = any(value is not None for value in series.evidence)
    return Figure(
        key=key,
        series=series,
        level=series.level(),
        picture=chart(series, scale, shaded),
        labels=_apart(labels),
        evidence=evidence(series, alpha) if has_evidence and len(series.value) > 1 else None,
        alpha=alpha,
        value=number(series.value[-1], unit),
        interval=_interval(series),
        before=_before(series),
        threshold=threshold_of(series),
        words=words_of(series),
        significance=significance(series.evidence[-1]),
        summary=summary(series),
    )


def _apart(labels: list[tuple[float, str, str]]) -> tuple[tuple[float, str, str], ...]:
    """Drop labels that would stand on top of the threshold's."""
    kept = [label for label in labels if label[2]]
    for label in labels:
        if not label[2] and all(abs(label[0] - other[0]) >= _LABELS_APART for other in kept):
            kept.append(label)
    return tuple(sorted(kept))


def _before(series: Series) -> str:
    value = series.details.get("baseline_value")
    return "" if value is None else number(value, series.text.unit)


def _interval(series: Series) -> str:
    low, high = series.low[-1], series.high[-1]
    if low is None or high is None:
        return ""
    unit = series.text.unit
    return f"{number(low, unit)} to {number(high, unit)}"


def threshold_of(series: Series) -> str:
    """Return the latest threshold with the side on which it is fine to be."""
    limit = series.threshold[-1]
    if limit is None:
        return NOTHING
    sign = "≤" if series.higher_is_worse else "≥"
    return f"{sign}\u00a0{bound(limit, series.text.unit)}"


def words_of(series: Series) -> str:
    """Return the latest state in words; without a threshold nothing was judged, which is no praise."""
    level = series.level()
    if level is Level.DOUBLE:
        return Level.BREACH.words
    return "not judged" if level is Level.CALM and series.threshold[-1] is None else level.words


def reading(series: Series) -> str:
    """Return the latest value, its threshold and its evidence in a few words."""
    if series.value[-1] is None:
        return series.note or series.level().words
    words = f"{series.text.short} {number(series.value[-1], series.text.unit)}"
    aside = []
    if series.threshold[-1] is not None:
        aside.append(f"threshold {threshold_of(series)}")
    if series.q_value[-1] is not None:
        aside.append(f"q\u00a0{_equals(significance(series.q_value[-1]))}")
    return f"{words} ({', '.join(aside)})" if aside else words


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"=\u00a0{text}"


def summary(series: Series) -> str:
    """Return in words what the picture shows, for those who cannot see it."""
    levels = series.levels()
    breaches = sum(level in (Level.BREACH, Level.DOUBLE) for level in levels)
    held = [value for value in series.value if value is not None]
    unit = series.text.unit
    words = [f"{series.text.name} over {plural(len(levels), 'window')}"]
    if held:
        ends = f"from {number(min(held), unit)} to {number(max(held), unit)}"
        words.append(f"{ends}, now {number(series.value[-1], unit)}")
    if series.judged:
        words.append(f"threshold {threshold_of(series)}, {plural(breaches, 'breach', 'breaches')}")
    return "; ".join(words)


def series_data(series: Series) -> dict[str, Any]:
    """Return the numbers of a series for the page's own script, which shows them on demand."""
    data: dict[str, Any] = {
        "name": series.text.short,
        "unit": series.text.unit.value,
        "levels": "".join(series.levels()),
        "value": [_rounded(value) for value in series.value],
    }
    bounds = set(series.threshold)
    data["threshold"] = (
        _rounded(series.threshold[-1])
        if len(bounds) == 1
        else [_rounded(bound) for bound in series.threshold]
    )
    if any(value is not None for value in series.evidence):
        data["evidence"] = [_rounded(value, 2) for value in series.evidence]
    if any(value is not None for value in series.low):
        data["low"] = [_rounded(value) for value in series.low]
        data["high"] = [_rounded(value) for value in series.high]
    return data


def _rounded(value: float | None, digits: int = _DIGITS) -> float | None:
    if value is None:
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded

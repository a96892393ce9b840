"""The measurements of one monitor over its windows, in the shape that pages draw."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from mlops.reporting.definitions import MetricText, text_of
from mlops.reporting.levels import DOUBLE, HALF, Level, segment_levels
from modelwatch.alerts.history import CODES, NUMBERS
from modelwatch.metrics import METRICS, Direction, Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.alerts.history import History

__all__ = ["Series", "Timeline"]

Numbers = tuple[float | None, ...]
_MOST_WINDOWS: Final = 180
"""Windows that a page shows: more marks than that side by side cannot be told apart."""
_NAMES: Final = {code: name for name, code in CODES.items()}
# Where one series stands twice, its history has the most alarming row.
_ALARM: Final = ("ok", "insufficient", "no_data", "error", "schema_error", "breach")


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one feature in one segment.

    The tuples have one entry a window, oldest first; None where there is nothing.
    """

    signal: str
    metric: str
    feature: str | None
    segment: str | None
    value: Numbers
    p_value: Numbers
    q_value: Numbers
    low: Numbers
    high: Numbers
    threshold: Numbers
    status: tuple[str | None, ...]
    rows: tuple[int, ...]
    latest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> MetricText:
        """Name, unit and meaning of the metric."""
        return text_of(self.metric)

    @property
    def family(self) -> Family | None:
        """What kind of data the metric reads; None for a metric of someone else's."""
        entry = METRICS.get(self.metric)
        return entry.family if entry else None

    @property
    def higher_is_worse(self) -> bool:
        """Direction in which the metric gets worse."""
        entry = METRICS.get(self.metric)
        return entry is None or entry.direction is Direction.HIGHER_IS_WORSE

    @property
    def judged(self) -> bool:
        """Whether any window had a threshold for it."""
        return any(bound is not None for bound in self.threshold)

    @property
    def evidence(self) -> Numbers:
        """Q-value, else p-value, of each window."""
        pairs = zip(self.q_value, self.p_value, strict=True)
        return tuple(q if q is not None else p for q, p in pairs)

    @property
    def note(self) -> str:
        """What the latest measurement says about itself."""
        return str(self.latest.get("note") or "")

    @property
    def details(self) -> Mapping[str, Any]:
        """Buckets, rates of groups and the like, of the latest measurement."""
        found = self.latest.get("details")
        return found if isinstance(found, Mapping) else {}

    @property
    def definition(self) -> str:
        """Definition id of the latest measurement."""
        return str(self.latest.get("definition") or "")

    def level(self, window: int = -1) -> Level:
        """Return the `Level` of one window."""
        status = self.status[window]
        if status is None:
            return Level.ABSENT
        if status in ("error", "schema_error"):
            return Level.ERROR
        if status in ("no_data", "insufficient"):
            return Level.NO_DATA if status == "no_data" else Level.INSUFFICIENT
        strain = self.strain(window)
        if status == "breach":
            return Level.DOUBLE if strain is not None and strain >= DOUBLE else Level.BREACH
        if self._beyond(window):
            return Level.UNPROVEN
        return Level.NEAR if strain is not None and strain > HALF else Level.CALM

    def levels(self) -> list[Level]:
        """Return the level of every window."""
        return [self.level(window) for window in range(len(self.status))]

    def strain(self, window: int = -1) -> float | None:
        """Return the value in units of its threshold, for metrics where more is worse; else None."""
        value, bound = self.value[window], self.threshold[window]
        if value is None or not bound or bound < 0 or self.family is None or not self.higher_is_worse:
            return None
        return value / bound

    def _beyond(self, window: int) -> bool:
        value, bound, entry = self.value[window], self.threshold[window], METRICS.get(self.metric)
        return value is not None and bound is not None and entry is not None and entry.breaches(value, bound)


@dataclass(frozen=True, slots=True)
class Timeline:
    """All series of a monitor.

    Attributes
    ----------
    windows
        Start and end in ISO 8601, oldest first; one of (None, None) for a run over all rows.
    series
        Those of all rows with every window, those of segments with the latest alone.
    segments
        The worst level of every window, by segment.
    known
        How many windows there are, shown or not.
    """

    monitor: str
    windows: tuple[tuple[str | None, str | None], ...]
    series: tuple[Series, ...]
    segments: Mapping[str, tuple[Level, ...]]
    known: int

    @classmethod
    def of_result(cls, result: Mapping[str, Any]) -> Timeline:
        """Return a timeline of one window from the content of ``results.json``, with or without a time."""
        window = result.get("window") or {}
        series = tuple(_single(row) for row in result["measurements"])
        segments: dict[str, list[Level]] = defaultdict(list)
        for one in series:
            if one.segment is not None:
                segments[one.segment].append(one.level())
        worst = {name: (Level.worst(levels),) for name, levels in segments.items()}
        return cls(str(result["monitor"]), ((window.get("start"), window.get("end")),), series, worst, 1)

    @classmethod
    def of_history(cls, history: History, latest: Mapping[str, Any] | None = None) -> Timeline:
        """Return a timeline of a stored history, of its last windows where there are very many.

        Parameters
        ----------
        latest
            The last window's ``results.json``, for notes and distributions.
        """
        rows = sorted((latest or {}).get("measurements", ()), key=lambda row: _ALARM.index(row["status"]))
        found: dict[tuple[Any, ...], Mapping[str, Any]] = {
            (row["signal"], row["metric"], row.get("feature"), row.get("segment")): row for row in rows
        }
        known, shown = len(history.windows), _last(history, _MOST_WINDOWS)
        series = tuple(
            _column(shown, position, found.get(tuple(key), {})) for position, key in enumerate(shown.series)
        )
        windows = tuple((window.start.isoformat(), window.end.isoformat()) for window in shown.windows)
        return cls(history.monitor, windows, series, segment_levels(shown), known)

    @property
    def definitions(self) -> list[str]:
        """Definition ids in use."""
        return sorted({series.definition for series in self.series if series.definition})

    def overall(self) -> list[Series]:
        """Return the series of all rows together."""
        return [series for series in self.series if series.segment is None]

    def segmented(self) -> list[Series]:
        """Return the series of single segments."""
        return [series for series in self.series if series.segment is not None]


def _numbers(values: Sequence[float]) -> Numbers:
    return tuple(None if math.isnan(value) else value for value in values)


def _last(history: History, count: int) -> History:
    """Return the history of the last ``count`` windows."""
    cut = {name: getattr(history, name)[-count:] for name in (*NUMBERS, "status", "rows")}
    return replace(history, windows=history.windows[-count:], **cut)


def _column(history: History, position: int, latest: Mapping[str, Any]) -> Series:
    key = history.series[position]
    rows = slice(None) if key.segment is None else slice(-1, None)

    def numbers(name: str) -> Numbers:
        return _numbers(getattr(history, name)[rows, position].tolist())

    return Series(
        signal=key.signal,
        metric=key.metric,
        feature=key.feature,
        segment=key.segment,
        value=numbers("value"),
        p_value=numbers("p_value"),
        q_value=numbers("q_value"),
        low=numbers("low"),
        high=numbers("high"),
        threshold=numbers("threshold"),
        status=tuple(_NAMES.get(code) for code in history.status[rows, position].tolist()),
        rows=tuple(history.rows[rows, position].tolist()),
        latest=latest,
    )


def _single(row: Mapping[str, Any]) -> Series:
    low, high = row.get("interval") or (None, None)
    return Series(
        row["signal"],
        row["metric"],
        row.get("feature"),
        row.get("segment"),
        (row.get("value"),),
        (row.get("p_value"),),
        (row.get("q_value"),),
        (low,),
        (high,),
        (row.get("threshold"),),
        (row.get("status"),),
        (int(row.get("n_production") or 0),),
        row,
    )

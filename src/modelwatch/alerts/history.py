"""Measurements of one monitor over its windows, as arrays: what alert state is folded from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from modelwatch.errors import UsageError
from modelwatch.results import Status
from modelwatch.sources.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

STATUSES = tuple(Status)
"""Array codes of statuses are positions in this; `ABSENT` is none of them."""
ABSENT = len(STATUSES)
CODES = {status.value: code for code, status in enumerate(STATUSES)}
NUMBERS = ("value", "p_value", "q_value", "low", "high", "threshold")


class SeriesKey(NamedTuple):
    """What is measured again in each window."""

    signal: str
    metric: str
    feature: str | None
    segment: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Values of every series in every window, oldest window first.

    Attributes
    ----------
    windows
        In order of their start; none overlaps another.
    series
        The columns of the arrays.
    value, p_value, q_value, low, high, threshold
        Arrays of shape (windows, series), NaN where there is nothing; ``low`` and ``high`` are the ends of
        the confidence interval.
    status
        Codes of `STATUSES`, and `ABSENT` where a window did not measure a series.
    rows
        Production rows behind each value.
    """

    monitor: str
    windows: tuple[Window, ...]
    series: tuple[SeriesKey, ...]
    value: NDArray[np.float64]
    p_value: NDArray[np.float64]
    q_value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    threshold: NDArray[np.float64]
    status: NDArray[np.uint8]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, results: Sequence[Mapping[str, Any]], monitor: str | None = None) -> Self:
        """Build a history from the contents of ``results.json`` files, in any order.

        Raises
        ------
        UsageError
            If a result has no window, or two windows overlap.
        """
        ordered = sorted(results, key=lambda result: window_of(result).start)
        return cls.stack(
            monitor or (str(ordered[0]["monitor"]) if ordered else ""),
            [window_of(result) for result in ordered],
            [Columns.of(result["measurements"]) for result in ordered],
        )

    @classmethod
    def stack(cls, monitor: str, windows: Sequence[Window], columns: Sequence[Columns]) -> Self:
        """Put windows, ordered by their start, above each other.

        Raises
        ------
        UsageError
            If two windows overlap.
        """
        for before, after in pairwise(windows):
            if after.start < before.end:
                raise UsageError(
                    "Two windows of a monitor overlap",
                    where=monitor,
                    got=f"{before.start:%Y-%m-%dT%H:%MZ} to {before.end:%Y-%m-%dT%H:%MZ}, and from "
                    f"{after.start:%Y-%m-%dT%H:%MZ}",
                    expected="windows that share no time",
                )
        places: dict[SeriesKey, int] = {}
        positions: list[NDArray[np.intp]] = []
        for window in columns:
            # Windows mostly measure the same series: looking them up once is enough.
            if positions and window.series == columns[len(positions) - 1].series:
                positions.append(positions[-1])
            else:
                found = [places.setdefault(key, len(places)) for key in window.series]
                positions.append(np.array(found, dtype=np.intp))
        shape = len(columns), len(places)
        arrays: dict[str, NDArray[Any]] = {name: np.full(shape, np.nan) for name in NUMBERS}
        arrays["status"] = np.full(shape, ABSENT, dtype=np.uint8)
        arrays["rows"] = np.zeros(shape, dtype=np.int64)
        for row, (window, place) in enumerate(zip(columns, positions, strict=True)):
            for name, array in arrays.items():
                array[row, place] = getattr(window, name)
        return cls(monitor, tuple(windows), tuple(places), **arrays)

    def upto(self, count: int) -> History:
        """Return the history of the first ``count`` windows."""
        cut = {name: getattr(self, name)[:count] for name in (*NUMBERS, "status", "rows")}
        return History(self.monitor, self.windows[:count], self.series, **cut)


@dataclass(frozen=True, slots=True)
class Columns:
    """One window's measurements as arrays, each of one value a series."""

    series: tuple[SeriesKey, ...]
    value: NDArray[np.float64]
    p_value: NDArray[np.float64]
    q_value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    threshold: NDArray[np.float64]
    status: NDArray[np.uint8]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, measurements: Sequence[Mapping[str, Any]]) -> Self:
        """Read the measurements of ``results.json``.

        Where one series stands twice, the more alarming row counts: nothing is hidden by what follows it.
        """
        rows: dict[SeriesKey, Mapping[str, Any]] = {}
        for row in measurements:
            key = SeriesKey(row["signal"], row["metric"], row.get("feature"), row.get("segment"))
            if key not in rows or _ALARM[row["status"]] > _ALARM[rows[key]["status"]]:
                rows[key] = row
        chosen = list(rows.values())
        intervals = [row.get("interval") or (None, None) for row in chosen]
        return cls(
            tuple(rows),
            _floats(row["value"] for row in chosen),
            _floats(row.get("p_value") for row in chosen),
            _floats(row.get("q_value") for row in chosen),
            _floats(low for low, _ in intervals),
            _floats(high for _, high in intervals),
            _floats(row.get("threshold") for row in chosen),
            np.array([CODES[row["status"]] for row in chosen], dtype=np.uint8),
            np.array([row.get("n_production") or 0 for row in chosen], dtype=np.int64),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns of numbers by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "series"}


_ALARM = {
    Status.OK: 0,
    Status.INSUFFICIENT: 1,
    Status.NO_DATA: 2,
    Status.ERROR: 3,
    Status.SCHEMA_ERROR: 4,
    Status.BREACH: 5,
}


def window_of(result: Mapping[str, Any]) -> Window:
    """Return the window of a ``results.json``.

    Raises
    ------
    UsageError
        If it has none: state over time needs to know when.
    """
    window = result.get("window") or {}
    if not window.get("start") or not window.get("end"):
        raise UsageError(
            "The result has no window, so it has no place in a history",
            where=str(result.get("monitor")),
            expected="a start and an end",
            next_step="measure a window: mlops monitor run --start TIME --end TIME",
        )
    return Window(datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"]))


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

"""Windows of time: half-open, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from modelwatch.columns import without_views
from modelwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_DURATION = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


def parse_duration(text: str) -> timedelta:
    """Return an ISO 8601 duration of weeks, days, hours, minutes and seconds (``P7D``, ``PT6H``)."""
    match = _DURATION.match(text)
    if match is None or text.endswith(("P", "T")):
        raise UsageError("Not a duration", got=repr(text), expected="ISO 8601 such as P7D or PT6H")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Window:
    """Events at or after ``start`` and before ``end``; both carry a zone and are kept in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            moment: datetime = getattr(self, name)
            if moment.tzinfo is None:
                raise UsageError("A window needs times with a zone", where=name, got=moment.isoformat())
            object.__setattr__(self, name, moment.astimezone(UTC))
        if self.start >= self.end:
            raise UsageError("A window must start before it ends", got=f"{self.start} to {self.end}")

    @classmethod
    def before(cls, run_at: datetime, size: timedelta, offset: timedelta = timedelta(0)) -> Window:
        """Return the window of ``size`` that ends ``offset`` before ``run_at``."""
        return cls(run_at - offset - size, run_at - offset)

    @classmethod
    def latest(cls, at: datetime, size: timedelta, delay: timedelta = timedelta(0)) -> Window:
        """Return the last window of ``size`` that had ended ``delay`` before ``at``.

        Windows follow each other from a Monday at midnight, UTC, so that a week begins on a Monday and a day
        at midnight, whenever the run was started.
        """
        whole = (at - delay - _FIRST_MONDAY) // size
        end = _FIRST_MONDAY + whole * size
        return cls(end - size, end)

    @property
    def length(self) -> timedelta:
        """Duration; a day of daylight saving has 23 or 25 hours of it."""
        return self.end - self.start

    def hours(self) -> Iterator[datetime]:
        """Yield the beginning of each UTC hour that the window touches."""
        hour = self.start.replace(minute=0, second=0, microsecond=0)
        while hour < self.end:
            yield hour
            hour += timedelta(hours=1)

    def overlap(self, other: Window) -> Window | None:
        """Return what two windows share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def to_dict(self) -> dict[str, str]:
        """Return start and end as ISO 8601 in UTC."""
        return {name: getattr(self, name).isoformat().replace("+00:00", "Z") for name in ("start", "end")}


def utc_times(column: pa.ChunkedArray | pa.Array, *, timezone: str | None, name: str) -> Any:
    """Return a column of event times as UTC timestamps in microseconds; what is no time becomes null.

    Raises
    ------
    SourceError
        If times carry no zone and none is declared, or the column holds no times.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = without_views(column)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parsed(column, timezone, name)
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us"))
        kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.timestamp("us", tz="UTC"))
    if not pa.types.is_timestamp(kind):
        raise SourceError("The event time is no time", where=name, got=str(kind))
    if kind.tz is None:
        import pyarrow.compute as pc  # noqa: PLC0415

        zone = _zone(timezone, name).key
        # A clock time that daylight saving skips or repeats is read as the earlier one, and never lost.
        column = pc.assume_timezone(
            column.cast(pa.timestamp("us"), safe=False), zone, ambiguous="earliest", nonexistent="earliest"
        )
    return column.cast(pa.timestamp("us", tz="UTC"), safe=False)


def _parsed(column: pa.ChunkedArray | pa.Array, timezone: str | None, name: str) -> Any:
    try:
        # Arrow reads texts that all carry a zone, a hundred times as fast.
        return column.cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:
        pass
    moments: list[datetime | None] = []
    for text in column.to_pylist():
        try:
            moment = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=_zone(timezone, name))
        moments.append(moment)
    return pa.array(moments, type=pa.timestamp("us", tz="UTC"))


def require_zone(timezone: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    UsageError
        If there is none of this name.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            "Unknown time zone", got=repr(timezone), expected="a name such as UTC or Europe/Berlin"
        ) from error


def _zone(timezone: str | None, name: str) -> ZoneInfo:
    if timezone is None:
        raise SourceError(
            "Event times carry no zone",
            where=name,
            expected="times with a zone, or a declared zone",
            next_step="set `timezone` in the contract",
        )
    try:
        return require_zone(timezone)
    except UsageError as error:
        raise SourceError(error.what, where=name, got=error.got, expected=error.expected) from error


class Undated(NamedTuple):
    """Rows that no window can hold, since they have no time that can be read, among ``of`` rows."""

    rows: int = 0
    of: int = 0

    def plus(self, rows: int, of: int) -> Undated:
        """Return the sum of both."""
        return Undated(self.rows + rows, self.of + of)


ALL_DATED = Undated()


class Inside(NamedTuple):
    """Which rows lie in a window, and those that can lie in none."""

    mask: pa.ChunkedArray | pa.Array
    undated: Undated


def inside(times: pa.ChunkedArray | pa.Array, window: Window, *, timezone: str | None, name: str) -> Inside:
    """Return which event times lie in ``window``; a row without a time does not."""
    import pyarrow.compute as pc  # noqa: PLC0415

    moments = utc_times(times, timezone=timezone, name=name)
    mask = pc.fill_null(
        pc.and_(
            pc.greater_equal(moments, pa.scalar(window.start, moments.type)),
            pc.less(moments, pa.scalar(window.end, moments.type)),
        ),
        False,
    )
    return Inside(mask, Undated(moments.null_count, len(moments)))


def within(table: pa.Table, window: Window, event_time: str, *, timezone: str | None) -> pa.Table:
    """Return the rows of ``table`` whose event time lies in ``window``; rows without a time are left out."""
    if event_time not in table.column_names:
        raise missing_event_time(event_time, table.column_names)
    return table.filter(inside(table.column(event_time), window, timezone=timezone, name=event_time).mask)


def missing_event_time(name: str, columns: list[str]) -> SourceError:
    """Return the error that data have no column of event times."""
    return SourceError("The event time column is missing", where=name, got=columns)

"""Windows of any source: by its own means where it has some, else batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from modelwatch.sources.base import Source, TableSource, only
from modelwatch.sources.windows import ALL_DATED, Undated, Window, inside, missing_event_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


@runtime_checkable
class Windowed(Protocol):
    """A source that can find the rows of a window without reading the rest."""

    def within(self, window: Window, event_time: str, timezone: str | None) -> Source:
        """Return the rows of ``window``."""
        ...


def windowed(source: Source, window: Window, event_time: str, *, timezone: str | None) -> Source:
    """Return the rows of ``source`` whose event time lies in ``window``; rows without a time are left out.

    Raises
    ------
    SourceError
        If the event time is missing, holds no times, or carries no zone where none is declared.
    """
    if isinstance(source, Windowed):
        return source.within(window, event_time, timezone)
    if isinstance(source, TableSource):
        if event_time not in source.table.column_names:
            raise missing_event_time(event_time, source.table.column_names)
        times = source.table.column(event_time)
        mask, undated = inside(times, window, timezone=timezone, name=event_time)
        return TableSource(source.table.filter(mask), source.duplicate_names, undated)
    return _Filtered(source, window, event_time, timezone)


@dataclass(slots=True)
class _Filtered:
    """Rows of a window; ``undated`` tells of the last reading."""

    source: Source
    window: Window
    event_time: str
    timezone: str | None
    undated: Undated = ALL_DATED

    @property
    def schema(self) -> pa.Schema:
        return self.source.schema

    @property
    def duplicate_names(self) -> tuple[str, ...]:
        return self.source.duplicate_names

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        self.undated = ALL_DATED
        if not self.schema.names:
            # Without a row, lines of JSON have no columns either.
            return
        if self.event_time not in self.schema.names:
            raise missing_event_time(self.event_time, self.schema.names)
        read = None if columns is None else list(dict.fromkeys([*columns, self.event_time]))
        for batch in self.source.batches(read):
            if self.event_time not in batch.schema.names:
                self.undated = self.undated.plus(batch.num_rows, batch.num_rows)
                continue
            times = batch.column(self.event_time)
            found = inside(times, self.window, timezone=self.timezone, name=self.event_time)
            self.undated = self.undated.plus(*found.undated)
            yield only(batch.filter(found.mask), columns)

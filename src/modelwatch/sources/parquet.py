"""Parquet: read column by column, by row groups, in windows of time."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from modelwatch.columns import Bounds, Kind, kind_of
from modelwatch.errors import SourceError
from modelwatch.sources.base import reading
from modelwatch.sources.windows import ALL_DATED, Undated, inside, missing_event_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelwatch.sources.windows import Window


_EXPECTED = "a whole Parquet file"


class _Part(NamedTuple):
    """One row group: its file, footer and position, and which of its rows count (None: all)."""

    file: Path
    metadata: Any
    group: int
    mask: Any = None

    @property
    def rows(self) -> int:
        """Rows that count."""
        return int(
            self.metadata.row_group(self.group).num_rows if self.mask is None else self.mask.true_count
        )


@dataclass(slots=True)
class ParquetSource:
    """Parquet files of one schema, read row group by row group, strings as the stored dictionaries."""

    files: list[Path]
    # (k, n): only every n-th row group, beginning with the k-th, so that n readers share the files.
    share: tuple[int, int] = (0, 1)
    schema: pa.Schema = field(init=False)
    duplicate_names: tuple[str, ...] = field(default=(), init=False)
    undated: Undated = field(default=ALL_DATED, init=False)
    _metadata: list[Any] = field(init=False, repr=False)
    _texts: list[str] = field(init=False, repr=False)
    _parts: list[_Part] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._metadata = []
        for file in self.files:
            with reading(file, _EXPECTED):
                self._metadata.append(pq.read_metadata(file))
        self.schema = self._metadata[0].schema.to_arrow_schema()
        for file, metadata in zip(self.files, self._metadata, strict=True):
            names = set(metadata.schema.to_arrow_schema().names)
            if names != set(self.schema.names):
                raise SourceError(
                    "Files of one source have different columns",
                    where=str(file),
                    got=sorted(names ^ set(self.schema.names)),
                )
        self._texts = [f.name for f in self.schema if kind_of(f.type) is Kind.TEXT]
        self._parts = self._shared()

    @property
    def rows(self) -> int:
        """Rows that are read, known from the footers."""
        return sum(part.rows for part in self._parts)

    @property
    def row_groups(self) -> int:
        """Row groups of all files."""
        return sum(metadata.num_row_groups for metadata in self._metadata)

    def within(self, window: Window, event_time: str, timezone: str | None) -> ParquetSource:
        """Return the rows of ``window``: one bit a row is kept, row groups outside are not read at all.

        Raises
        ------
        SourceError
            If there is no such column, or it holds no times.
        """
        import pyarrow.compute as pc  # noqa: PLC0415

        if event_time not in self.schema.names:
            raise missing_event_time(event_time, self.schema.names)
        position = self._position(event_time)
        parts, undated = [], ALL_DATED
        for file, part in self._opened():
            known = None if position is None else _time_bounds(part, position)
            if known is not None and (known.high < window.start or known.low >= window.end):
                undated = undated.plus(max(known.without, 0), part.rows)
                continue
            complete = known is not None and known.without == 0
            if known is not None and complete and window.start <= known.low and known.high < window.end:
                undated = undated.plus(0, part.rows)
                parts.append(part)
                continue
            with reading(part.file, _EXPECTED):
                times = file.read_row_group(part.group, columns=[event_time], use_threads=False).column(0)
            mask, without = inside(times, window, timezone=timezone, name=event_time)
            undated = undated.plus(*without)
            mask = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
            if part.mask is not None:
                mask = pc.and_(mask, part.mask)
            if mask.true_count:
                parts.append(part._replace(mask=mask))
        selected = copy(self)
        selected._parts = parts  # noqa: SLF001  (a copy of this very class)
        selected.undated = undated
        return selected

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of at most 65,536."""
        for file, part in self._opened():
            begun = 0
            with reading(part.file, _EXPECTED):
                for batch in file.iter_batches(columns=columns, row_groups=[part.group], use_threads=False):
                    mask = None if part.mask is None else part.mask.slice(begun, batch.num_rows)
                    begun += batch.num_rows
                    yield batch if mask is None else batch.filter(mask)

    def size(self, name: str) -> int:
        """Return how many bytes one column takes once decompressed, by the footers."""
        position = self._position(name)
        if position is None:
            return 0
        return sum(
            part.metadata.row_group(part.group).column(position).total_uncompressed_size
            for part in self._parts
        )

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield one column row group by row group."""
        position = self._position(name)
        for file, part in self._opened():
            # A generator of its own lets go of one row group before the next is decoded, into the same
            # memory, which the cache still has.
            with reading(part.file, _EXPECTED):
                yield from _chunks(file, part, name, position)

    def _position(self, name: str) -> int | None:
        """Return the position of a flat column in the footers, None where nested columns shift it."""
        position: int = self.schema.get_field_index(name)
        flat = self._metadata[0].num_columns == len(self.schema)
        return position if flat and self._metadata[0].schema.column(position).name == name else None

    def _shared(self) -> list[_Part]:
        first, step = self.share
        groups = (
            _Part(file, metadata, group)
            for file, metadata in zip(self.files, self._metadata, strict=True)
            for group in range(metadata.num_row_groups)
        )
        return list(islice(groups, first, None, step))

    def _opened(self) -> Iterator[tuple[Any, _Part]]:
        import pyarrow.parquet as pq  # noqa: PLC0415

        for path, parts in groupby(self._parts, key=itemgetter(0)):
            held = list(parts)
            with (
                reading(path, _EXPECTED),
                pq.ParquetFile(
                    path, metadata=held[0].metadata, read_dictionary=self._texts, pre_buffer=False
                ) as opened,
            ):
                for part in held:
                    yield opened, part


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A folder partitioned by its path (``key=value``), read batch by batch."""

    dataset: Any
    folder: Path
    duplicate_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> DatasetSource:
        """Return the Parquet files below ``folder``."""
        import pyarrow.dataset as ds  # noqa: PLC0415

        with reading(folder, _EXPECTED):
            return cls(ds.dataset(folder, format="parquet", partitioning="hive"), folder)

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.dataset.schema

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns``."""
        with reading(self.folder, _EXPECTED):
            yield from self.dataset.to_batches(columns=columns, batch_readahead=2, fragment_readahead=1)


def _chunks(
    file: Any, part: _Part, name: str, position: int | None
) -> Iterator[tuple[pa.Array, Bounds | None]]:
    column = file.read_row_group(part.group, columns=[name], use_threads=False).column(0)
    bounds = None
    if part.mask is not None:
        column = column.filter(part.mask)
    elif position is not None:
        bounds = _bounds(part.metadata.row_group(part.group).column(position))
    if column.num_chunks == 1:
        array, column = column.chunk(0), None
        yield array, bounds
        return
    for array in column.chunks:
        yield array, bounds


class _TimeBounds(NamedTuple):
    """First and last event of a row group, and how many of its rows have no time (-1: not known)."""

    low: datetime
    high: datetime
    without: int


def _time_bounds(part: _Part, position: int) -> _TimeBounds | None:
    """Return the span of a row group by its footer, None where that does not tell."""
    statistics = part.metadata.row_group(part.group).column(position).statistics
    if part.mask is not None or statistics is None or not statistics.has_min_max:
        return None
    low, high = statistics.min, statistics.max
    if not isinstance(low, datetime) or low.tzinfo is None:
        # Clock times that daylight saving repeats are not in order: a naive span is no proof.
        return None
    return _TimeBounds(low, high, int(statistics.null_count) if statistics.has_null_count else -1)


def _bounds(column: Any) -> Bounds | None:
    """Return the extremes of a chunk of plain numbers from its footer, where they are stored."""
    statistics = column.statistics
    if (
        statistics is None
        or not statistics.has_min_max
        or statistics.logical_type.type not in ("NONE", "INT")
    ):
        return None
    low, high = statistics.min, statistics.max
    if isinstance(low, bool) or not isinstance(low, (int, float)) or math.isnan(low) or math.isnan(high):
        return None
    return Bounds(low, high)

"""What a source is, and those in memory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from modelwatch.errors import SourceError
from modelwatch.sources.windows import ALL_DATED, Undated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.columns import Bounds


@runtime_checkable
class Source(Protocol):
    """Data that can be read in Arrow batches.

    ``schema`` has names and types, each name once; columns whose names occur more than once are not read and
    named in ``duplicate_names``. Formats without a schema of their own (JSON lines, collected events) list
    what their first rows have: later batches may hold more columns, or lack some.
    """

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        ...

    @property
    def duplicate_names(self) -> tuple[str, ...]:
        """Names that occur more than once."""
        ...

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns`` (by default of all there are), in bounded memory."""
        ...


@runtime_checkable
class ColumnSource(Source, Protocol):
    """A source that can be read one column at a time, so that columns can be shared among threads."""

    @property
    def rows(self) -> int:
        """Number of rows, known without reading them."""
        ...

    def size(self, name: str) -> int:
        """Return about how many bytes one column takes, known without reading it."""
        ...

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield the arrays of one column, with their extremes where the format knows them."""
        ...


@contextmanager
def reading(where: object, expected: str) -> Iterator[None]:
    """Say in this package's words what Arrow and the file system say of data that cannot be read.

    Parameters
    ----------
    where
        The file or folder concerned.
    expected
        What it should be.

    Raises
    ------
    SourceError
        In place of their errors.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            "The data cannot be read",
            where=str(where),
            got=str(error),
            expected=expected,
            next_step="write the file anew, or leave it out",
        ) from error


class ReadAgain(Exception):  # noqa: N818  (an instruction to the reader, not an error)
    """A column is not what its first block looked like: what was read so far must be dropped."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """An Arrow table; ``undated`` rows were left out of the window that it is."""

    table: pa.Table
    duplicate_names: tuple[str, ...] = ()
    undated: Undated = ALL_DATED

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.table.schema

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the table's batches."""
        yield from (self.table if columns is None else self.table.select(columns)).to_batches()

    def size(self, name: str) -> int:
        """Return how many bytes one column takes."""
        return int(self.table.column(name).nbytes)

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield the arrays of one column."""
        for chunk in self.table.column(name).chunks:
            yield chunk, None


@dataclass(slots=True)
class BatchSource:
    """Record batches from anywhere, read once."""

    schema: pa.Schema
    iterator: Iterator[pa.RecordBatch]
    duplicate_names: tuple[str, ...] = ()
    _used: bool = field(default=False, repr=False)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches that are left.

        Raises
        ------
        SourceError
            On a second reading: the batches are gone.
        """
        if self._used:
            raise SourceError("A stream of batches can be read once", next_step="pass a table or a path")
        self._used = True
        for batch in self.iterator:
            yield batch if columns is None else batch.select(columns)


def read_table(source: Source, columns: list[str] | None = None) -> pa.Table:
    """Read ``columns`` of a source (by default all) into memory, null where a batch lacks one."""
    if isinstance(source, TableSource):
        return source.table if columns is None else source.table.select(columns)
    if isinstance(source, ColumnSource):
        names = source.schema.names if columns is None else columns
        return pa.table([_whole(source, name) for name in names], names=names)
    while True:
        try:
            return assembled(list(source.batches(columns)), source.schema, columns)
        except ReadAgain:
            continue


def _whole(source: ColumnSource, name: str) -> pa.ChunkedArray:
    """Return one column, texts as such whether or not they are stored as a dictionary."""
    kind = source.schema.field(name).type
    chunks = [chunk if chunk.type == kind else chunk.cast(kind) for chunk, _ in source.chunks(name)]
    return pa.chunked_array(chunks, type=kind)


def assembled(batches: list[pa.RecordBatch], schema: pa.Schema, columns: list[str] | None) -> pa.Table:
    """Return batches as one table, types that differ from batch to batch widened, at worst to texts."""
    wanted = pa.schema([field for field in schema if columns is None or field.name in columns])
    tables = [pa.Table.from_batches([batch]) for batch in batches] or [wanted.empty_table()]
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        whole = pa.concat_tables([_as_texts(table) for table in tables], promote_options="permissive")
    for name in columns or ():
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(whole.num_rows))
    return whole if columns is None else whole.select(columns)


def _as_texts(table: pa.Table) -> pa.Table:
    """Return a table whose plain values are texts, as a column of mixed values is read."""
    for position, name in enumerate(table.column_names):
        kind = table.schema.field(name).type
        if not pa.types.is_nested(kind) and not pa.types.is_null(kind):
            table = table.set_column(position, name, table.column(name).cast(pa.string()))
    return table


def only(batch: pa.RecordBatch, columns: list[str] | None) -> pa.RecordBatch:
    """Return those of ``columns`` that a batch has; all of it for None."""
    if columns is None:
        return batch
    held = set(batch.schema.names)
    return batch.select([name for name in columns if name in held])

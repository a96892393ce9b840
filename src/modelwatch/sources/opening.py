"""One way in for every kind of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa

from modelwatch.errors import SourceError
from modelwatch.sources.tables import table_from_columns, table_from_frame

if TYPE_CHECKING:
    from modelwatch.contract import Contract
    from modelwatch.scanning import Bounds


@runtime_checkable
class Source(Protocol):
    """Data that can be read in Arrow batches.

    ``schema`` has names and types, each name once; columns whose names occur more than once are not read and
    named in ``duplicate_names``.
    """

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        ...

    @property
    def duplicate_names(self) -> tuple[str, ...]:
        """Names that occur more than once."""
        ...

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns``, in bounded memory."""
        ...


@runtime_checkable
class ColumnSource(Source, Protocol):
    """A source that can be read one column at a time, so that columns can be shared among threads."""

    @property
    def rows(self) -> int:
        """Number of rows, known without reading them."""
        ...

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield the arrays of one column, with their extremes where the format knows them."""
        ...


@dataclass(frozen=True, slots=True)
class TableSource:
    """An Arrow table."""

    table: pa.Table
    duplicate_names: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.table.schema

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the table's batches."""
        yield from self.table.select(columns).to_batches()

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

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
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
            yield batch.select(columns)


def open_source(  # noqa: PLR0911  (one line a kind)
    source: Any, *, columns: Iterable[str] | None = None, contract: Contract | None = None
) -> Source:
    """Return any data as a `Source`.

    Parameters
    ----------
    source
        A path or several (Parquet, CSV, JSONL, a folder of them, a data collector's folder), a pandas frame,
        an Arrow table, batches or a reader of them, or a mapping from column name to values.
    columns
        Names to read; all by default.
    contract
        Helps readers of text formats with the types.

    Raises
    ------
    SourceError
        If the data cannot be read.
    """
    if isinstance(source, (str, Path)) or _is_paths(source):
        from modelwatch.sources.files import open_paths  # noqa: PLC0415

        paths = [source] if isinstance(source, (str, Path)) else list(source)
        return open_paths([Path(path) for path in paths], contract=contract)
    if isinstance(source, pa.Table):
        return _unique(source)
    if isinstance(source, pa.RecordBatch):
        return _unique(pa.Table.from_batches([source]))
    if isinstance(source, pa.RecordBatchReader):
        return BatchSource(source.schema, iter(source))
    if isinstance(source, Mapping):
        return TableSource(table_from_columns(source))
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return TableSource(*table_from_frame(source, columns))
    if isinstance(source, Source):
        return source
    if isinstance(source, Iterable):
        return _from_batches(iter(source))
    raise SourceError("Not a source of data", got=type(source).__name__)


def _is_paths(source: Any) -> bool:
    return (
        isinstance(source, (list, tuple)) and bool(source) and all(isinstance(p, (str, Path)) for p in source)
    )


def _unique(table: pa.Table) -> TableSource:
    repeated = tuple(sorted(n for n, times in Counter(table.column_names).items() if times > 1))
    positions = [i for i, name in enumerate(table.column_names) if name not in repeated]
    return TableSource(table.select(positions) if repeated else table, repeated)


def _from_batches(batches: Iterator[Any]) -> BatchSource:
    first = next(batches, None)
    if first is None:
        return BatchSource(pa.schema([]), iter(()))
    if not isinstance(first, pa.RecordBatch):
        raise SourceError("Expected Arrow record batches", got=type(first).__name__)

    def chained() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return BatchSource(first.schema, chained())

"""One way in for every kind of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.errors import SourceError
from modelwatch.sources.base import BatchSource, Source, TableSource
from modelwatch.sources.tables import table_from_columns, table_from_frame, without_string_views

if TYPE_CHECKING:
    from modelwatch.contract import Contract


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
        return _from_batches(iter(source), source.schema)
    if isinstance(source, Mapping):
        return _unique(table_from_columns(source))
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
    table = without_string_views(table)
    positions = [i for i, name in enumerate(table.column_names) if name not in repeated]
    return TableSource(table.select(positions) if repeated else table, repeated)


def _from_batches(batches: Iterator[Any], schema: pa.Schema | None = None) -> BatchSource:
    first = next(batches, None)
    if first is None:
        empty = (schema or pa.schema([])).empty_table()
        return BatchSource(without_string_views(empty).schema, iter(()))
    if not isinstance(first, pa.RecordBatch):
        raise SourceError("Expected Arrow record batches", got=type(first).__name__)
    begun = without_string_views(first)

    def chained() -> Iterator[pa.RecordBatch]:
        yield begun
        yield from map(without_string_views, batches)

    return BatchSource(begun.schema, chained())

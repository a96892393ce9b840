"""Data in memory: pandas frames of any vintage, Arrow tables and batches, mappings of columns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.columns import as_array, without_views
from modelwatch.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def table_from_frame(frame: Any, columns: Iterable[str] | None = None) -> tuple[pa.Table, tuple[str, ...]]:
    """Return a pandas frame as an Arrow table, and the names that occur more than once.

    Columns are converted one by one: a column of mixed objects must not take the others down. The index stays
    out.
    """
    names = [str(name) for name in frame.columns]
    repeated = tuple(sorted(name for name, times in Counter(names).items() if times > 1))
    wanted = set(names) if columns is None else set(columns)
    arrays, kept = [], []
    for position, name in enumerate(names):
        if name in wanted and name not in repeated:
            arrays.append(as_array(frame.iloc[:, position]))
            kept.append(name)
    return pa.Table.from_arrays(arrays, names=kept), repeated


def table_from_columns(columns: Mapping[str, Any]) -> pa.Table:
    """Return a mapping from name to one-dimensional data as an Arrow table."""
    arrays = {name: as_array(values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise SourceError("Columns differ in length", got=lengths, expected="as many values in each")
    return pa.Table.from_arrays(list(arrays.values()), names=[str(name) for name in arrays])


def without_string_views(rows: Any) -> Any:
    """Return a table or a batch whose string views are plain strings."""
    views = [position for position, field in enumerate(rows.schema) if pa.types.is_string_view(field.type)]
    for position in views:
        name = rows.schema.field(position).name
        rows = rows.set_column(position, name, without_views(rows.column(position)))
    return rows


def table_from_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """Return a list of records as an Arrow table; a key that a record lacks is null there."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return table_from_columns({name: [row.get(name) for row in rows] for name in names})

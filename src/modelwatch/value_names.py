"""The names of a segment column's values: what counts them and what selects their rows, on both sides.

A value has one name however a side stores it. Whole numbers are named without a fraction, exactly, whatever
their type; truth values, and texts that spell numbers or times, are named as the column's kind reads them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from modelwatch.categories import shortened
from modelwatch.columns import Kind, kind_of, parsed_times, plain
from modelwatch.performance.classes import label_name, number_name

if TYPE_CHECKING:
    from modelwatch.column_profiles import ColumnProfile

_TRUTHS = {"0": "false", "false": "false", "1": "true", "true": "true"}
_DIGITS = {"false": "0", "true": "1"}
# From here on a double stands for several whole numbers.
_EXACT = 2.0**53


def value_names(
    values: pa.ChunkedArray | pa.Array, reading: Kind | None = None
) -> pa.ChunkedArray | pa.Array:
    """Return the name of each value as text, null where there is none.

    Parameters
    ----------
    values
        Shape ``(n,)``. Nulls and NaN have no name; nor have lists, structs and bytes.
    reading
        Kind as which the column is read on both sides: under `Kind.NUMBER` the text "1.0", 1 and True are
        "1", under `Kind.BOOLEAN` they are "true". None takes the values for what they are.
    """
    if isinstance(values, pa.ChunkedArray):
        names = [value_names(chunk, reading) for chunk in values.chunks]
        return pa.chunked_array(names, type=pa.string())
    kind = kind_of(values.type)
    if kind in (Kind.EMPTY, Kind.OPAQUE):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    return pa.array(_named(encoded.dictionary, kind, reading), type=pa.string()).take(encoded.indices)


def profiled_names(column: ColumnProfile) -> dict[str, int]:
    """Return the rows of each value that a profile tells apart, where the rows themselves are not at hand."""
    if column.cells is None:
        held = column.categories
        return {} if held is None else dict(held.counts)
    if column.cells.shift:
        return {}
    edges, counts = column.cells.edges()[0], column.cells.counts
    exact = np.abs(edges) < _EXACT
    values, rows = edges[exact].tolist(), counts[exact].tolist()
    if column.kind is Kind.TIME:
        dated = column.type not in ("time", "duration")
        names = _of_ticks([int(value) for value in values], dated=dated)
    else:
        names = [label_name(value) for value in values]
    return dict(zip(names, rows, strict=True))


def _named(distinct: pa.Array, kind: Kind, reading: Kind | None) -> list[str | None]:
    if kind is Kind.TIME:
        dated = not (pa.types.is_time(distinct.type) or pa.types.is_duration(distinct.type))
        return _of_ticks(plain(distinct).to_pylist(), dated=dated)
    # NaN is no value, whatever engine made it.
    written = [None if value != value else value for value in distinct.to_pylist()]  # noqa: PLR0124
    names = [None if value is None else label_name(value) for value in written]
    if kind is Kind.TEXT and reading is Kind.TIME:
        moments = _of_ticks(plain(parsed_times(distinct)[0]).to_pylist(), dated=True)
        names = [name if moment is None else moment for name, moment in zip(names, moments, strict=True)]
    return [None if name is None else shortened(_read(name, kind, reading)) for name in names]


def _read(name: str, kind: Kind, reading: Kind | None) -> str:
    """Return the name of a value of one kind in a column of another."""
    if reading is Kind.BOOLEAN and kind is not Kind.BOOLEAN:
        return _TRUTHS.get(name.casefold(), name)
    if reading is Kind.NUMBER and kind is Kind.BOOLEAN:
        return _DIGITS[name]
    if reading is Kind.NUMBER and kind is Kind.TEXT:
        return number_name(name)
    return name


def _of_ticks(ticks: list[Any], *, dated: bool) -> list[Any]:
    """Return times by their microseconds: ISO 8601 in UTC, as short as it can be; midnight is a date."""
    if not dated:
        return [None if tick is None else str(timedelta(microseconds=tick)) for tick in ticks]
    moments = np.array([np.iinfo(np.int64).min if tick is None else tick for tick in ticks], dtype=np.int64)
    names = np.datetime_as_string(moments.view("datetime64[us]"), unit="auto").tolist() if ticks else []
    return [None if tick is None else name for tick, name in zip(ticks, names, strict=True)]

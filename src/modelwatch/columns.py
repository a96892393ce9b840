"""Logical kinds of columns, and the numbers and texts in an Arrow array.

Everything enters as Arrow: one set of types for pandas 2 and 3, nullable and Arrow dtypes, files and Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from modelwatch.errors import SourceError

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray

# What a person or a CSV writer means by a number; "nan", "1_000" and "" are none.
NUMBER_PATTERN = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


Number = int | float


class Kind(StrEnum):
    """What a column's values are, whatever bits they are stored in."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIME = "time"
    EMPTY = "empty"
    OPAQUE = "opaque"


def kind_of(data_type: pa.DataType) -> Kind:
    """Return the logical kind of an Arrow type; nested and binary values are counted but not compared."""
    types = pa.types
    if types.is_dictionary(data_type):
        return kind_of(data_type.value_type)
    if types.is_boolean(data_type):
        return Kind.BOOLEAN
    if types.is_integer(data_type) or types.is_floating(data_type) or types.is_decimal(data_type):
        return Kind.NUMBER
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return Kind.TEXT
    if types.is_temporal(data_type) and not types.is_interval(data_type):
        return Kind.TIME
    return Kind.EMPTY if types.is_null(data_type) else Kind.OPAQUE


def is_integer(data_type: pa.DataType) -> bool:
    """Tell whether the type holds whole numbers only."""
    return bool(pa.types.is_integer(data_type))


def type_name(data_type: pa.DataType) -> str:
    """Return the name of a type without what engines and formats disagree on: units, offsets, zones."""
    types = pa.types
    if types.is_dictionary(data_type):
        return type_name(data_type.value_type)
    if kind_of(data_type) is Kind.TEXT:
        return "string"
    for known, name in (
        (types.is_timestamp, "timestamp"),
        (types.is_date, "date"),
        (types.is_time, "time"),
        (types.is_duration, "duration"),
    ):
        if known(data_type):
            return name
    return str(data_type)


def without_views(column: Any) -> Any:
    """Return an array (chunked or not) of string views as plain strings: Arrow computes little with views."""
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def as_array(values: Any) -> pa.Array:
    """Return any one-dimensional data as one Arrow array.

    Mixed Python objects become their texts, so that a contract can count which of them are not what they
    should be.

    Raises
    ------
    SourceError
        If the data are not one-dimensional.
    """
    if isinstance(values, pa.ChunkedArray):
        return as_array(values.combine_chunks() if values.num_chunks != 1 else values.chunk(0))
    if isinstance(values, pa.Array):
        return without_views(values)
    _require_column(values)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        # Arrow knows the byte order of the machine only.
        values = np.asarray(values).astype(dtype.newbyteorder("="))
    if not hasattr(values, "__len__"):
        values = list(values)
    converted = values if hasattr(values, "__arrow_array__") or isinstance(values, np.ndarray) else None
    try:
        # from_pandas reads NaN as null, which is what it means in a column of data.
        result = pa.array(values if converted is None else converted, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError):
        result = pa.array([text_of(value) for value in list(values)], type=pa.string())
    return result.combine_chunks() if isinstance(result, pa.ChunkedArray) else result


def _require_column(values: Any) -> None:
    """Refuse what is no column of values: a table, a single value, nothing."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise SourceError("A column must be one-dimensional", got=f"shape {values.shape}")
        return
    if (
        hasattr(values, "columns")
        or isinstance(values, (str, bytes, Mapping))
        or not hasattr(values, "__iter__")
    ):
        got = repr(values)[:80] if isinstance(values, (str, bytes, int, float)) else type(values).__name__
        raise SourceError("Not a column of values", got=got, expected="a list, an array or a series")


def text_of(value: object) -> str | None:
    """Return the text of a Python value, None for what pandas counts as missing."""
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):  # noqa: PLR0124
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def plain(array: pa.Array) -> pa.Array:
    """Return numbers and times, whatever their encoding, as plain int64 or float64; the rest unchanged."""
    if pa.types.is_dictionary(array.type) and kind_of(array.type) is not Kind.TEXT:
        array = array.dictionary_decode()
    kind = kind_of(array.type)
    if kind is Kind.TIME:
        return _ticks(array)
    if kind is not Kind.NUMBER:
        return array
    if pa.types.is_uint64(array.type):
        # Beyond int64 a whole number is kept as the nearest double.
        import pyarrow.compute as pc  # noqa: PLC0415  (data of the usual types do without)

        high = pc.max(array).as_py()
        return array.cast(pa.float64() if high is not None and high >= 1 << 63 else pa.int64(), safe=False)
    if is_integer(array.type):
        return array if pa.types.is_int64(array.type) else array.cast(pa.int64())
    return array if pa.types.is_float64(array.type) else array.cast(pa.float64(), safe=False)


def _ticks(array: pa.Array) -> pa.Array:
    """Return dates, times and durations as whole microseconds, which every engine can hold."""
    types = pa.types
    if types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)
    elif types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    elif types.is_duration(array.type):
        array = array.cast(pa.duration("us"), safe=False)
    elif types.is_time32(array.type):
        array = array.cast(pa.time64("us"))
    elif types.is_time64(array.type):
        array = array.cast(pa.time64("us"), safe=False)
    return array.view(pa.int64()) if array.type.bit_width == 64 else array.cast(pa.int64())


class Bounds(NamedTuple):
    """Extremes of the values of one block, as a Parquet footer knows them."""

    low: Number
    high: Number


class NumberBlock(NamedTuple):
    """The buffer of an int64 or float64 array, ``values`` (n,), and the positions of nulls, or None."""

    values: FloatArray | IntArray
    nulls: IntArray | None


def number_block(array: pa.Array) -> NumberBlock:
    """Return the buffer of an int64 or float64 array; under a null it may hold anything."""
    part = slice(array.offset, array.offset + len(array))
    nulls = null_positions(array) if array.null_count else None
    buffer = array.buffers()[1]
    if pa.types.is_float64(array.type):
        return NumberBlock(np.frombuffer(buffer, dtype=np.float64)[part], nulls)
    return NumberBlock(np.frombuffer(buffer, dtype=np.int64)[part], nulls)


def null_positions(array: pa.Array) -> IntArray:
    """Return where ``array`` is null; only bytes of its bitmap with a hole are looked at closely."""
    size, offset = len(array), array.offset
    bitmap = np.frombuffer(array.buffers()[0], dtype=np.uint8)[offset // 8 : (offset + size + 7) // 8]
    holed = np.flatnonzero(bitmap != 0xFF)
    bits = np.flatnonzero(np.unpackbits(~bitmap[holed], bitorder="little").view(np.bool_))
    positions: IntArray = holed.take(bits >> 3)
    positions <<= 3
    bits &= 7
    positions += bits
    if not offset % 8 and (not positions.size or positions[-1] < size):
        return positions
    positions -= offset % 8
    return positions[(positions >= 0) & (positions < size)]


def texts(array: pa.Array) -> pa.Array:
    """Return categories as strings: text as it is, truth values and whole numbers by their usual names."""
    kind = kind_of(array.type)
    if pa.types.is_dictionary(array.type):
        if kind is Kind.TEXT:
            return array
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type) or pa.types.is_large_string(array.type):
        return array
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def parsed_times(array: pa.Array) -> tuple[pa.Array, int]:
    """Return the ISO 8601 times that texts spell (UTC without a zone), and how many texts spell none."""
    spelled = array.cast(pa.string())
    try:
        # Arrow reads texts that all carry a zone, a hundred times as fast.
        taken = spelled.cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:
        moments = [None if text is None else _moment(text) for text in spelled.to_pylist()]
        taken = pa.array(moments, type=pa.timestamp("us", tz="UTC"))
    return taken, taken.null_count - array.null_count


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def parsed_numbers(array: pa.Array) -> tuple[pa.Array, int]:
    """Return the numbers that a text array spells (float64), and how many non-null texts spell none."""
    import pyarrow.compute as pc  # noqa: PLC0415

    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    spelled = pc.match_substring_regex(encoded.dictionary, NUMBER_PATTERN)
    # Arrow's own parser knows no leading plus and no spaces around.
    bare = pc.replace_substring_regex(pc.utf8_trim_whitespace(encoded.dictionary), r"^\+", "")
    numbers = pc.if_else(spelled, bare, None).cast(pa.float64())
    taken = numbers.take(encoded.indices)
    return taken, taken.null_count - array.null_count

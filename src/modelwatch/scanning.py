"""From Arrow arrays of one column to its profile."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from modelwatch.categories import CategoryCounter
from modelwatch.column_contracts import Role
from modelwatch.column_profiles import ColumnProfile, plain_number
from modelwatch.columns import (
    Bounds,
    Kind,
    Number,
    NumberBlock,
    is_integer,
    kind_of,
    number_block,
    parsed_numbers,
    parsed_times,
    plain,
    texts,
    type_name,
)
from modelwatch.counting import BLOCK, NumberCounter
from modelwatch.sources.windows import utc_times

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray
    from modelwatch.column_contracts import ColumnContract
    from modelwatch.scratch import Scratch


class ColumnScanner:
    """Profiles one column, fed array by array in any batching.

    Parameters
    ----------
    name
        Name of the column.
    data_type
        Type in which it arrives.
    column
        Its contract, which decides what counts as a value of the right type and range.
    scratch
        Buffers of the thread that feeds it.
    timezone
        Zone of event times that carry none; UTC by default.
    """

    def __init__(
        self,
        name: str,
        data_type: pa.DataType,
        column: ColumnContract | None,
        scratch: Scratch,
        timezone: str | None = None,
    ) -> None:
        self._name = name
        self._column = column
        self._scratch = scratch
        dated = column is not None and column.role is Role.EVENT_TIME and timezone != "UTC"
        self._timezone = timezone if dated else None
        self._rows = self._missing = self._type_errors = self._out_of_range = 0
        self._low: Number | None = None
        self._high: Number | None = None
        self._waiting: list[pa.Array] = []
        self._waiting_rows = 0
        self._type: pa.DataType
        self._kind: Kind
        self._whole: bool
        self._numbers: NumberCounter | None
        self._categories: CategoryCounter | None
        self._become(data_type)

    def add(self, array: pa.Array, bounds: Bounds | None = None) -> None:
        """Count one array; ``bounds``, where known, spare a pass over its values."""
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = array.dictionary_decode()
        self._rows += len(array)
        self._missing += array.null_count
        arrived = kind_of(array.type)
        valid = len(array) - array.null_count
        if not valid:
            return
        if self._kind is Kind.EMPTY and self._column is None:
            self._become(array.type)
        if self._whole and arrived is Kind.NUMBER and not is_integer(array.type):
            # Whole numbers first, others later: lines of JSON have no schema to tell.
            self._whole, self._type = False, array.type
        if self._categories is not None and arrived is self._kind:
            self._categories.add(texts(array))
        elif self._numbers is not None and arrived is self._kind:
            self._add_numbers(plain(self._dated(array)), bounds)
        elif self._kind is Kind.NUMBER and arrived is Kind.TEXT:
            numbers, errors = parsed_numbers(array)
            self._type_errors += errors
            self._whole = False
            if self._categories is not None:
                self._categories.add(texts(array))
            elif errors < valid:
                self._add_numbers(numbers, None)
        elif self._kind is Kind.TIME and arrived is Kind.TEXT:
            times, errors = parsed_times(array) if self._timezone is None else self._parsed(array)
            self._type_errors += errors
            if errors < valid:
                self._add_numbers(plain(times), None)
        elif arrived is not self._kind:
            self._type_errors += valid

    def _dated(self, array: pa.Array) -> pa.Array:
        """Return event times in UTC, those without a zone read as of the declared one."""
        if self._timezone is None or not _is_event_time(array.type):
            return array
        if kind_of(array.type) is Kind.TEXT:
            array = array.cast(pa.string())
        times: pa.Array = utc_times(array, timezone=self._timezone, name=self._name)
        return times

    def _parsed(self, array: pa.Array) -> tuple[pa.Array, int]:
        times = self._dated(array)
        return times, times.null_count - array.null_count

    def _become(self, data_type: pa.DataType) -> None:
        """Count values of this type, as the contract reads them."""
        self._type = data_type
        self._kind = kind = self._column.value_kind if self._column else kind_of(data_type)
        # Numbered rows are names: what matters of them is whether one comes twice.
        named = kind in (Kind.TEXT, Kind.BOOLEAN) or (
            self._column is not None and self._column.identifies and kind is Kind.NUMBER
        )
        numbers = kind in (Kind.NUMBER, Kind.TIME) and not named
        self._numbers = NumberCounter(self._scratch) if numbers else None
        self._categories = CategoryCounter(self._scratch) if named else None
        self._whole = is_integer(data_type) or kind is Kind.TIME

    def result(self) -> ColumnProfile:
        """Return the profile of all that was added."""
        self._drain()
        numbers = self._numbers
        cells = numbers.cells() if numbers is not None else None
        categories = self._categories.result() if self._categories is not None else None
        whole = self._whole and self._kind in (Kind.NUMBER, Kind.TIME)
        profile = ColumnProfile(
            name=self._name,
            type=type_name(self._type),
            kind=self._kind,
            integer=whole,
            rows=self._rows,
            missing=self._missing + (numbers.nan if numbers else 0),
            type_errors=self._type_errors,
            out_of_range=None,
            positive_infinite=numbers.positive_infinite if numbers else 0,
            negative_infinite=numbers.negative_infinite if numbers else 0,
            minimum=plain_number(self._low),
            maximum=plain_number(self._high),
            cells=cells,
            categories=categories,
        )
        return profile if self._column is None else _checked(profile, self._column, self._out_of_range)

    def _add_numbers(self, array: pa.Array, bounds: Bounds | None) -> None:
        """Count large arrays at once, collect small ones first."""
        if len(array) >= BLOCK:
            self._count(array, bounds)
            return
        if self._waiting and self._waiting[0].type != array.type:
            self._drain()
        self._waiting.append(array)
        self._waiting_rows += len(array)
        if self._waiting_rows >= BLOCK:
            self._drain()

    def _drain(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        if waiting:
            self._count(waiting[0] if len(waiting) == 1 else pa.concat_arrays(waiting), None)

    def _count(self, array: pa.Array, bounds: Bounds | None) -> None:
        if array.null_count == len(array) or self._numbers is None:
            return
        block = number_block(array)
        if bounds is None or not (math.isfinite(bounds.low) and math.isfinite(bounds.high)):
            bounds = _finite_bounds(block, self._scratch)
        low, high = bounds if bounds is not None else (None, None)
        if low is not None and high is not None:
            self._low = low if self._low is None else min(self._low, low)
            self._high = high if self._high is None else max(self._high, high)
            self._check_range(block, low, high)
        if block.values.dtype == np.float64:
            floats: FloatArray = block.values.view(np.float64)
            self._numbers.add_floats(floats, block.nulls, low, high)
        elif low is not None and high is not None:
            integers: IntArray = block.values.view(np.int64)
            self._numbers.add_integers(integers, block.nulls, int(low), int(high))

    def _check_range(self, block: NumberBlock, low: Number, high: Number) -> None:
        """Count finite values outside the contract's range, looking only where the extremes tell of some."""
        column = self._column
        if column is None:
            return
        if column.minimum is not None and low < column.minimum:
            self._out_of_range += _count_where(block, block.values < column.minimum, -math.inf)
        if column.maximum is not None and high > column.maximum:
            self._out_of_range += _count_where(block, block.values > column.maximum, math.inf)


def _is_event_time(data_type: pa.DataType) -> bool:
    types = pa.types
    return types.is_timestamp(data_type) or types.is_date(data_type) or kind_of(data_type) is Kind.TEXT


def _count_where(
    block: NumberBlock, condition: np.ndarray[tuple[int], np.dtype[np.bool_]], infinity: float
) -> int:
    if block.values.dtype == np.float64:
        condition &= block.values != infinity
    count = int(np.count_nonzero(condition))
    return count if block.nulls is None else count - int(np.count_nonzero(condition[block.nulls]))


def _finite_bounds(block: NumberBlock, scratch: Scratch) -> Bounds | None:
    """Return the extremes of the finite values, None without any."""
    values = block.values
    if block.nulls is not None:
        # Nulls take the place of a neighbour rather than being cut out: one copy, no mask.
        present = int(np.setdiff1d(np.arange(block.nulls.size + 1), block.nulls, assume_unique=True)[0])
        copy = scratch.index(values.size) if values.dtype == np.int64 else scratch.double(values.size)
        copy[:] = values
        copy[block.nulls] = values[present]
        values = copy
    low, high = values.min(), values.max()
    if values.dtype == np.int64:
        return Bounds(int(low), int(high))
    if not (np.isfinite(low) and np.isfinite(high)):
        values = values[np.isfinite(values)]
        if not values.size:
            return None
        low, high = values.min(), values.max()
    return Bounds(float(low), float(high))


def _checked(profile: ColumnProfile, column: ColumnContract, outside: int) -> ColumnProfile:
    """Return the profile with the count of values outside the contract's range or list."""
    if (column.minimum, column.maximum) != (None, None):
        # An infinity lies outside every range.
        return replace(profile, out_of_range=outside + profile.non_finite)
    distribution = profile.distribution("categorical") if column.allowed is not None else None
    if column.allowed is None or distribution is None or distribution.kind != "categorical":
        return replace(profile, out_of_range=0)
    allowed = set(column.allowed)
    counts = distribution.counts  # type: ignore[union-attr]
    return replace(profile, out_of_range=sum(rows for name, rows in counts.items() if name not in allowed))

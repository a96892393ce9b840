"""The hot loop: counting a number column's values into cells, about two nanoseconds a value.

A conversion to float32, a shift and `numpy.add.at` do nearly all the work (see `modelwatch.cells` for why
the result equals that of the plain bits). What float32 cannot tell apart - zeros from subnormals, infinities
from 1e300 - is recognised by its cell and counted again from the original values, which real data hardly ever
need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwatch.cells import FIRST_ROUNDED_SHIFT, LAST_SHIFT, LIMIT, Cells, counted, keys_of

if TYPE_CHECKING:
    from modelwatch.arrays import BoolArray, FloatArray, IntArray
    from modelwatch.scratch import Scratch

# Rows collected before counting: below this, the fixed cost of a table outweighs the rows.
BLOCK = 1 << 16
SAMPLE = 1 << 15
INTEGER_WINDOW = 1 << 16
# Integers that a double holds exactly lie between minus this and this.
EXACT_INTEGERS = 1 << 53
# Largest table worth clearing.
TABLE = 1 << 18
# Dropping half of a float32's bits takes no shifting.
HALF = 16
_FLOAT32_MANTISSA = 23
# float32 and float64 exponents are biased by 127 and 1023.
_BIAS = 1023 - 127
_SPECIAL_EXPONENT = 255
# Fields 0 and 1 are special too: next to the subnormals the two formats round at different places.
_FIRST_PLAIN_EXPONENT = 2


class NumberCounter:
    """Counts of one number column, fed block by block.

    Attributes
    ----------
    nan, positive_infinite, negative_infinite
        Rows that have no cell.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.nan = self.positive_infinite = self.negative_infinite = 0
        self._scratch = scratch
        self._cells = Cells.empty()
        self._shift = 0
        self._zeros = 0
        # Counts of the float32 codes from `_base` on, all at the working shift.
        self._table: IntArray | None = None
        self._base = 0
        self._integers: IntArray | None = None
        self._integer_base = 0

    def add_integers(self, values: IntArray, nulls: IntArray | None, low: int, high: int) -> None:
        """Count integers that lie in [low, high] wherever ``nulls`` (positions) does not name them."""
        if high - low >= INTEGER_WINDOW:
            if max(abs(low), abs(high)) > EXACT_INTEGERS:
                # Rounding to a double first is what makes a cell of the two that float32 could give.
                doubles = self._scratch.double(values.size)
                doubles[:] = values
                self.add_floats(doubles, nulls, float(low), float(high))
            else:
                self.add_floats(values, nulls, float(low), float(high))
            return
        table = self._integer_table(low, high)
        index = self._scratch.index(values.size)
        np.subtract(values, self._integer_base, out=index)
        if nulls is not None:
            index[nulls] = low - self._integer_base
        np.add.at(table, index, 1)
        if nulls is not None:
            table[low - self._integer_base] -= nulls.size

    def add_floats(
        self,
        values: FloatArray | IntArray,
        nulls: IntArray | None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """Count numbers wherever ``nulls`` (positions) does not name them; NaN and infinities are told apart.

        ``low`` and ``high``, where known, enclose all finite values.
        """
        if values.size < BLOCK // 4:
            self._add_plainly(_without(values, nulls))
            return
        if self._shift < FIRST_ROUNDED_SHIFT:
            self._refine(values[:SAMPLE] if nulls is None else _without(values[: 2 * SAMPLE], nulls)[:SAMPLE])
        drop = self._drop
        base, size = 0, 1 << (32 - drop) if drop > 0 else TABLE + 1
        if 0 < drop < HALF and low is not None and high is not None and (low > 0 or high < 0):
            base, size = _window(low, high, drop)
        if size > TABLE or not self._count(values, nulls, base, size):
            self._add_plainly(_without(values, nulls))

    def cells(self) -> Cells:
        """Return all that was counted."""
        self._flush()
        if self._integers is not None:
            held = np.flatnonzero(self._integers)
            self._merge(Cells.of(held + self._integer_base, self._integers[held]))
            self._integers = None
        return self._cells

    @property
    def _drop(self) -> int:
        """Low bits of a float32 that the working shift drops."""
        return self._shift - FIRST_ROUNDED_SHIFT + 1

    def _count(self, values: FloatArray | IntArray, nulls: IntArray | None, base: int, size: int) -> bool:
        """Count a block by its float32 codes, ``base`` to ``base + size``; False if one lies outside."""
        drop = self._drop
        rounded = self._scratch.single(values.size)
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(rounded, values, casting="same_kind")
        if nulls is not None:
            rounded[nulls] = np.uint32(base << drop).view(np.float32) if base else np.nan
        table = self._table_of(base, size)
        codes = rounded.view(np.uint32)
        if drop != HALF:
            if self._base:
                np.subtract(codes, np.uint32(self._base << drop), out=codes)
            np.right_shift(codes, np.uint32(drop), out=codes)
            if base and codes.max() >= table.size:
                # NaN and infinities are not between the extremes of the finite values.
                return False
        # The upper half of a little-endian float32 is the number shifted by `HALF` already.
        self._scratch.tally(table, rounded.view("<u2")[1::2] if drop == HALF else codes)
        if base:
            if nulls is not None:
                table[base - self._base] -= nulls.size
        else:
            self._settle_specials(values, nulls, table)
        if np.count_nonzero(table) > LIMIT:
            self._flush()
        return True

    def _table_of(self, base: int, size: int) -> IntArray:
        """Return the table, grown to hold codes from ``base`` to ``base + size``."""
        if self._table is None:
            self._table, self._base = np.zeros(size, dtype=np.int64), base
        first = min(base, self._base)
        last = max(base + size, self._base + self._table.size)
        if last - first > self._table.size:
            table = np.zeros(last - first, dtype=np.int64)
            table[self._base - first :][: self._table.size] = self._table
            self._table, self._base = table, first
        return self._table

    def _settle_specials(
        self, values: FloatArray | IntArray, nulls: IntArray | None, table: IntArray
    ) -> None:
        """Move what the special exponents of float32 hold out of ``table`` and to where it belongs."""
        width = 1 << (_FLOAT32_MANTISSA - self._drop)
        half = table.size // 2
        tiny = [table[start : start + _FIRST_PLAIN_EXPONENT * width] for start in (0, half)]
        huge = [table[start + _SPECIAL_EXPONENT * width : start + half] for start in (0, half)]
        few = sum(int(part.sum()) for part in tiny)
        many = sum(int(part.sum()) for part in huge) - (0 if nulls is None else nulls.size)
        for part in (*tiny, *huge):
            part[:] = 0
        if not few and not many:
            return
        zeros = int(values.size - np.count_nonzero(values))
        if nulls is not None:
            zeros -= int(np.count_nonzero(values[nulls] == 0))
        if zeros == few and not many:
            self._zeros += zeros
            return
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.abs(values)
            special = ~((size >= 2.0**-125) & (size < np.finfo(np.float32).max))
            rounded = values.astype(np.float32)
        if nulls is not None:
            special[nulls] = False
        # Values next to the largest float32 may have been counted as plain: only those rounded to infinity
        # are not.
        special &= ~(np.isfinite(rounded) & (np.abs(rounded) >= 2.0**-125))
        self._add_plainly(values[special])

    def _add_plainly(self, numbers: FloatArray | IntArray) -> None:
        values = numbers.astype(np.float64, copy=False)
        finite = values[np.isfinite(values)]
        if finite.size < values.size:
            self.nan += int(np.count_nonzero(np.isnan(values)))
            self.positive_infinite += int(np.count_nonzero(values == np.inf))
            self.negative_infinite += int(np.count_nonzero(values == -np.inf))
        if not finite.size:
            return
        self._refine(finite[:SAMPLE])
        keys = keys_of(np.ascontiguousarray(finite), self._shift)
        low, high = int(keys.min()), int(keys.max())
        if high - low < TABLE:
            counts = np.bincount(keys - low)
            held = np.flatnonzero(counts)
            found = Cells(self._shift, held + low, counts[held])
        else:
            found = Cells(self._shift, *counted(keys))
        self._merge(found)

    def _refine(self, numbers: FloatArray | IntArray) -> None:
        """Raise the working shift to what a sample needs: the final one can only be higher."""
        shift = _shift_of(numbers)
        if shift > self._shift:
            self._flush()
            self._shift = shift

    def _merge(self, cells: Cells) -> None:
        self._cells = self._cells.merge(cells)
        if self._cells.shift > self._shift:
            self._flush()
            self._shift = self._cells.shift

    def _flush(self) -> None:
        table, self._table = self._table, None
        if table is not None:
            codes = np.flatnonzero(table)
            self._merge(_cells_of_codes(codes + self._base, table[codes], self._drop))
        zeros, self._zeros = self._zeros, 0
        if zeros:
            self._merge(Cells.of(np.zeros(1), np.array([zeros])))

    def _integer_table(self, low: int, high: int) -> IntArray:
        if self._integers is not None:
            base, end = self._integer_base, self._integer_base + self._integers.size
            if base <= low and high < end:
                return self._integers
            low, high = min(low, base), max(high, end - 1)
            if high - low >= 2 * INTEGER_WINDOW:
                held = np.flatnonzero(self._integers)
                self._merge(Cells.of(held + base, self._integers[held]))
                self._integers = None
                return self._integer_table(min(base, low), high)
        table = np.zeros(high - low + 1, dtype=np.int64)
        if self._integers is not None:
            table[self._integer_base - low :][: self._integers.size] = self._integers
        self._integers, self._integer_base = table, low
        return table


def _without(values: FloatArray | IntArray, nulls: IntArray | None) -> FloatArray | IntArray:
    if nulls is None:
        return values
    held: BoolArray = np.ones(values.size, dtype=np.bool_)
    held[nulls[nulls < values.size]] = False
    return values[held]


def _window(low: float, high: float, drop: int) -> tuple[int, int]:
    """Return first code and number of codes of the numbers of one sign in [low, high]."""
    with np.errstate(over="ignore"):
        codes = np.array([low, high]).astype(np.float32).view(np.uint32) >> drop
    first, last = int(codes.min()), int(codes.max())
    exponents = (np.array([first, last]) & ((1 << (31 - drop)) - 1)) >> (_FLOAT32_MANTISSA - drop)
    if exponents.min() < _FIRST_PLAIN_EXPONENT or exponents.max() >= _SPECIAL_EXPONENT:
        return 0, TABLE + 1
    return first, last - first + 1


def _shift_of(sample: FloatArray | IntArray) -> int:
    """Return the shift that a sample of numbers needs, by its float32s if those alone are too many."""
    with np.errstate(over="ignore", invalid="ignore"):
        codes = sample.astype(np.float32).view(np.uint32)
    exponents = (codes >> np.uint32(_FLOAT32_MANTISSA)) & np.uint32(_SPECIAL_EXPONENT)
    codes = np.sort(codes[(exponents >= _FIRST_PLAIN_EXPONENT) & (exponents < _SPECIAL_EXPONENT)])
    differ = codes[1:] ^ codes[:-1]
    if np.count_nonzero(differ) < LIMIT:
        values = sample.astype(np.float64, copy=False)
        values = values[np.isfinite(values)]
        return Cells.of(values).shift if values.size else 0
    # The differing bits of neighbours tell at which shift they begin to share a cell.
    for drop in range(1, 32):
        if np.count_nonzero(differ >> np.uint32(drop)) < LIMIT:
            return FIRST_ROUNDED_SHIFT - 1 + drop
    return LAST_SHIFT


def _cells_of_codes(codes: IntArray, counts: IntArray, drop: int) -> Cells:
    """Return the cells of shifted float32 bit patterns (plain exponents, and 0 for zero)."""
    bits = 31 - drop
    magnitude = codes & ((1 << bits) - 1)
    keys = np.where(magnitude == 0, 0, magnitude + (_BIAS << (_FLOAT32_MANTISSA - drop)))
    keys = np.where(codes >> bits, -keys, keys)
    order = np.argsort(keys, kind="stable")
    return Cells(FIRST_ROUNDED_SHIFT - 1 + drop, keys[order], counts[order]).within()

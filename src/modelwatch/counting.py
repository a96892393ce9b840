"""The hot loop: counting a number column's values into cells, about two nanoseconds a value.

A conversion to float32, a shift and `numpy.bincount` do nearly all the work (see `modelwatch.cells` for why
the result equals that of the plain bits). What float32 cannot tell apart - zeros from subnormals, infinities
from 1e300 - is recognised by its cell and counted again from the original values, which real data hardly ever
need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwatch.cells import FIRST_ROUNDED_SHIFT, LIMIT, Cells, keys_of

if TYPE_CHECKING:
    from modelwatch.arrays import BoolArray, FloatArray, IntArray
    from modelwatch.scratch import Scratch

# Rows collected before counting: below this, the fixed cost of a table outweighs the rows.
BLOCK = 1 << 16
SAMPLE = 1 << 15
INTEGER_WINDOW = 1 << 16
# Largest table worth clearing and adding for one block.
TABLE = 1 << 18
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
        self._table: IntArray | None = None
        self._base = 0
        self._integers: IntArray | None = None
        self._integer_base = 0

    def add_integers(self, values: IntArray, nulls: IntArray | None, low: int, high: int) -> None:
        """Count integers that lie in [low, high] wherever ``nulls`` (positions) does not name them."""
        if high - low >= INTEGER_WINDOW:
            doubles = self._scratch.double(values.size)
            doubles[:] = values
            self.add_floats(doubles, nulls, float(low), float(high))
            return
        table = self._integer_table(low, high)
        index = self._scratch.index(values.size)
        np.subtract(values, self._integer_base, out=index)
        if nulls is not None:
            index[nulls] = low - self._integer_base
        counts = np.bincount(index, minlength=table.size)
        table += counts
        if nulls is not None:
            table[low - self._integer_base] -= nulls.size

    def add_floats(
        self, values: FloatArray, nulls: IntArray | None, low: float | None = None, high: float | None = None
    ) -> None:
        """Count numbers wherever ``nulls`` (positions) does not name them; NaN and infinities are told apart.

        ``low`` and ``high``, where known, enclose all finite values.
        """
        if values.size < BLOCK // 4:
            self._add_plainly(_without(values, nulls))
            return
        if self._shift < FIRST_ROUNDED_SHIFT:
            self._refine(values[:SAMPLE] if nulls is None else _without(values[: 2 * SAMPLE], nulls))
        drop = self._shift - FIRST_ROUNDED_SHIFT + 1
        base, size = 0, 1 << (32 - drop) if drop > 0 else TABLE + 1
        if drop > 0 and low is not None and high is not None and (low > 0 or high < 0):
            base, size = _window(low, high, drop)
        if size > TABLE:
            self._add_plainly(_without(values, nulls))
        else:
            self._add_rounded(values, nulls, drop, base, size)

    def cells(self) -> Cells:
        """Return all that was counted."""
        self._flush()
        if self._integers is not None:
            held = np.flatnonzero(self._integers)
            self._merge(Cells.of(held + self._integer_base, self._integers[held]))
            self._integers = None
        return self._cells

    def _add_rounded(
        self, values: FloatArray, nulls: IntArray | None, drop: int, base: int, size: int
    ) -> None:
        rounded = self._scratch.single(values.size)
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(rounded, values, casting="same_kind")
        if nulls is not None:
            rounded[nulls] = np.uint32(base << drop).view(np.float32) if base else np.nan
        index = self._scratch.index(values.size)
        if drop == 16:
            # The upper half of a little-endian float32 is the shifted number already.
            index[:] = rounded.view("<u2")[1::2]
        else:
            codes = rounded.view(np.uint32)
            np.right_shift(codes, np.uint32(drop), out=codes)
            index[:] = codes
        if base:
            index -= base
            counts = _counts_within(index, size)
            if counts is None:
                # NaN and infinities are not between the extremes of the finite values.
                self._add_plainly(_without(values, nulls))
                return
            if nulls is not None:
                counts[0] -= nulls.size
        else:
            # Without negative numbers the upper half stays away, and with it half the cost of a table.
            counts = np.bincount(index, minlength=size // 2)
            self._settle_specials(values, nulls, counts, drop)
        self._accumulate(base, counts, drop)

    def _accumulate(self, base: int, counts: IntArray, drop: int) -> None:
        """Add a block's codes to the table, which grows to hold them."""
        if self._shift - FIRST_ROUNDED_SHIFT + 1 != drop:
            # The block's special values were too many for this shift.
            codes = np.flatnonzero(counts)
            self._merge(_cells_of_codes(codes + base, counts[codes], drop))
            return
        if self._table is None:
            self._table, self._base = counts.astype(np.int64), base
        else:
            first = min(base, self._base)
            last = max(base + counts.size, self._base + self._table.size)
            if (first, last) != (self._base, self._base + self._table.size):
                table = np.zeros(last - first, dtype=np.int64)
                table[self._base - first :][: self._table.size] = self._table
                self._table, self._base = table, first
            self._table[base - first :][: counts.size] += counts
        if np.count_nonzero(self._table) > LIMIT:
            self._flush()

    def _settle_specials(
        self, values: FloatArray, nulls: IntArray | None, counts: IntArray, drop: int
    ) -> None:
        """Move what the special exponents of float32 hold out of ``counts`` and to where it belongs."""
        width = 1 << (_FLOAT32_MANTISSA - drop)
        half = 1 << (31 - drop)
        tiny = [counts[start : start + _FIRST_PLAIN_EXPONENT * width] for start in (0, half)]
        huge = [counts[start + _SPECIAL_EXPONENT * width : start + half] for start in (0, half)]
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
            counts[0] = zeros
            return
        with np.errstate(invalid="ignore"):
            size = np.abs(values)
            special = ~((size >= 2.0**-125) & (size < np.finfo(np.float32).max))
        if nulls is not None:
            special[nulls] = False
        # Values next to the largest float32 may have been counted as plain: only those rounded to infinity
        # are not.
        rounded = self._scratch.single(values.size)
        special &= ~(np.isfinite(rounded) & (np.abs(rounded) >= 2.0**-125))
        self._add_plainly(values[special])

    def _add_plainly(self, values: FloatArray) -> None:
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
            keys, counts = np.unique(keys, return_counts=True)
            found = Cells(self._shift, keys, counts)
        self._merge(found)

    def _refine(self, sample: FloatArray) -> None:
        """Raise the working shift to what ``sample`` needs: the final one can only be higher."""
        sample = sample[np.isfinite(sample)]
        if self._shift == 0 or self._shift < FIRST_ROUNDED_SHIFT:
            shift = Cells.of(sample).shift if sample.size else 0
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
            drop = self._shift - FIRST_ROUNDED_SHIFT + 1
            self._merge(_cells_of_codes(codes + self._base, table[codes], drop))

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


def _without(values: FloatArray, nulls: IntArray | None) -> FloatArray:
    if nulls is None:
        return values
    held: BoolArray = np.ones(values.size, dtype=np.bool_)
    held[nulls[nulls < values.size]] = False
    return values[held]


def _counts_within(index: IntArray, size: int) -> IntArray | None:
    """Return counts of 0 to ``size`` - 1, None if ``index`` holds anything else (`bincount` checks)."""
    try:
        counts: IntArray = np.bincount(index, minlength=size)
    except ValueError:
        return None
    return counts if counts.size == size else None


def _window(low: float, high: float, drop: int) -> tuple[int, int]:
    """Return first code and number of codes of the numbers of one sign in [low, high]."""
    with np.errstate(over="ignore"):
        codes = np.array([low, high]).astype(np.float32).view(np.uint32) >> drop
    first, last = int(codes.min()), int(codes.max())
    exponents = (np.array([first, last]) & ((1 << (31 - drop)) - 1)) >> (_FLOAT32_MANTISSA - drop)
    if exponents.min() < _FIRST_PLAIN_EXPONENT or exponents.max() >= _SPECIAL_EXPONENT:
        return 0, TABLE + 1
    return first, last - first + 1


def _cells_of_codes(codes: IntArray, counts: IntArray, drop: int) -> Cells:
    """Return the cells of shifted float32 bit patterns (plain exponents, and 0 for zero)."""
    bits = 31 - drop
    magnitude = codes & ((1 << bits) - 1)
    keys = np.where(magnitude == 0, 0, magnitude + (_BIAS << (_FLOAT32_MANTISSA - drop)))
    keys = np.where(codes >> bits, -keys, keys)
    order = np.argsort(keys, kind="stable")
    return Cells(FIRST_ROUNDED_SHIFT - 1 + drop, keys[order], counts[order]).within()

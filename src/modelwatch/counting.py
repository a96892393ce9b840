"""The hot loop: counting a number column's values into cells, about two nanoseconds a value.

A shift of its bits makes a position in a table of each number, and `numpy.add.at` counts it. NaN, infinities
and what else has no place in the table are recognised by their codes and counted again from the values, which
real data hardly ever need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.cells import Cells, counted, keys_of

if TYPE_CHECKING:
    from modelwatch.arrays import BoolArray, FloatArray, IntArray, NumberArray
    from modelwatch.scratch import Scratch

# Rows collected before counting: below this, the fixed cost of a table outweighs the rows.
BLOCK = 1 << 16
SAMPLE = 1 << 15
INTEGER_WINDOW = 1 << 16
# Most codes that a table counts; only the pages of those that occur are ever touched.
TABLE = 1 << 21
# NaN and the infinities have the last of a double's exponents, which its 52 bits of mantissa follow.
_SPECIAL_EXPONENT = 0x7FF
_MANTISSA = 52


class _Window(NamedTuple):
    """Codes from ``base`` on."""

    base: int
    size: int


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
        # Counts of the codes from `_base` on, all at the working shift.
        self._table: IntArray | None = None
        self._base = 0
        self._integers: IntArray | None = None
        self._integer_base = 0

    def add_integers(self, values: IntArray, nulls: IntArray | None, low: int, high: int) -> None:
        """Count integers that lie in [low, high] wherever ``nulls`` (positions) does not name them."""
        if high - low >= INTEGER_WINDOW:
            self.add_floats(values, nulls, float(low), float(high))
            return
        table = self._integer_table(low, high)
        fill = low - self._integer_base
        for rows, index, holes in self._scratch.blocks(values.size, nulls):
            np.subtract(values[rows], self._integer_base, out=index)
            if holes is not None:
                index[holes] = fill
            np.add.at(table, index, 1)
        if nulls is not None:
            table[fill] -= nulls.size

    def add_floats(
        self,
        values: NumberArray,
        nulls: IntArray | None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """Count numbers, as doubles, wherever ``nulls`` (positions) does not name them.

        ``low`` and ``high`` enclose all finite values; None where there are none.
        """
        if values.size < BLOCK // 4 or low is None or high is None:
            self._add_plainly(_without(values, nulls))
            return
        window = _window(low, high, self._shift)
        if window.size > TABLE:
            self._refine(values[:SAMPLE] if nulls is None else _without(values[: 2 * SAMPLE], nulls)[:SAMPLE])
            window = _window(low, high, self._shift)
        table = self._table_for(window)
        if table is None:
            self._add_plainly(_without(values, nulls))
        else:
            self._count(values, nulls, table)

    def cells(self) -> Cells:
        """Return all that was counted."""
        self._flush()
        self._flush_integers()
        return self._cells

    def _table_for(self, window: _Window) -> IntArray | None:
        """Return the table, grown to hold the codes of ``window``, or None if that takes too large a one."""
        table, first, end = self._table, window.base, window.base + window.size
        if table is not None:
            first, end = min(first, self._base), max(end, self._base + table.size)
        if first < 1 << (63 - self._shift) < end:
            # Between positive and negative codes lie those of NaN and infinity: all or none of them.
            first, end = 0, 1 << (64 - self._shift)
        if end - first > TABLE:
            return None
        if table is None or end - first > table.size:
            self._table = np.zeros(end - first, dtype=np.int64)
            if table is not None:
                self._table[self._base - first :][: table.size] = table
            self._base = first
        return self._table

    def _count(self, values: NumberArray, nulls: IntArray | None, table: IntArray) -> None:
        """Count a block whose finite values have their places in ``table``."""
        shift, base, size = np.uint64(self._shift), np.uint64(self._base), table.size
        everything = size == 1 << (64 - self._shift)
        strays = []
        for rows, index, holes in self._scratch.blocks(values.size, nulls):
            codes = index.view(np.uint64)
            np.right_shift(self._doubles(values[rows]).view(np.uint64), shift, out=codes)
            if base:
                # What lies below wraps around to beyond.
                np.subtract(codes, base, out=codes)
            if holes is not None:
                codes[holes] = 0
            if not everything and codes.max() >= size:
                beyond = np.flatnonzero(codes >= size)
                strays.append(values[rows][beyond].astype(np.float64))
                codes[beyond] = 0
                table[0] -= beyond.size
            np.add.at(table, index, 1)
        if nulls is not None:
            table[0] -= nulls.size
        if everything and self._forget_specials(table):
            held = _without(values, nulls)
            strays.append(held[~np.isfinite(held)].astype(np.float64))
        if strays:
            self._add_plainly(np.concatenate(strays))

    def _doubles(self, values: NumberArray) -> FloatArray:
        if values.dtype == np.float64:
            return values.view(np.float64)
        doubles = self._scratch.double(values.size)
        doubles[:] = values
        return doubles

    def _forget_specials(self, table: IntArray) -> bool:
        """Clear the codes of NaN and the infinities, which share some; tell whether there were any."""
        first = _SPECIAL_EXPONENT << (_MANTISSA - self._shift)
        half = table.size // 2
        specials = table[first:half], table[half + first :]
        found = any(part.any() for part in specials)
        for part in specials:
            part[:] = 0
        return found

    def _add_plainly(self, numbers: NumberArray) -> None:
        values = numbers.astype(np.float64, copy=False)
        finite = values[np.isfinite(values)]
        if finite.size < values.size:
            self.nan += int(np.count_nonzero(np.isnan(values)))
            self.positive_infinite += int(np.count_nonzero(values == np.inf))
            self.negative_infinite += int(np.count_nonzero(values == -np.inf))
        if not finite.size:
            return
        self._refine(finite[:SAMPLE])
        keys = keys_of(finite, self._shift)
        low, high = int(keys.min()), int(keys.max())
        if high - low < TABLE:
            counts = np.bincount(keys - low)
            held = np.flatnonzero(counts)
            found = Cells(self._shift, held + low, counts[held])
        else:
            found = Cells(self._shift, *counted(keys))
        self._merge(found)

    def _refine(self, sample: NumberArray) -> None:
        """Raise the working shift to what a sample needs: the final one can only be higher."""
        shift = Cells.of(sample[np.isfinite(sample)]).shift
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
            held = np.flatnonzero(table)
            codes = held.view(np.uint64) + np.uint64(self._base)
            self._merge(Cells.of_codes(codes, table[held], self._shift).within())

    def _integer_table(self, low: int, high: int) -> IntArray:
        """Return the table of whole numbers, grown to hold [low, high], or begun anew if that is far off."""
        held, base = self._integers, self._integer_base
        first, end = low, high + 1
        if held is not None:
            first, end = min(first, base), max(end, base + held.size)
            if end - first > 2 * INTEGER_WINDOW:
                self._flush_integers()
                held, first, end = None, low, high + 1
        if held is not None and end - first == held.size:
            return held
        table = np.zeros(end - first, dtype=np.int64)
        if held is not None:
            table[base - first :][: held.size] = held
        self._integers, self._integer_base = table, first
        return table

    def _flush_integers(self) -> None:
        table, self._integers = self._integers, None
        if table is not None:
            held = np.flatnonzero(table)
            self._merge(Cells.of(held + self._integer_base, table[held]))


def _without(values: NumberArray, nulls: IntArray | None) -> NumberArray:
    if nulls is None:
        return values
    held: BoolArray = np.ones(values.size, dtype=np.bool_)
    held[nulls[nulls < values.size]] = False
    return values[held]


def _window(low: float, high: float, shift: int) -> _Window:
    """Return the codes of the numbers in [low, high]: all there are, if those are of both signs."""
    if low <= 0 <= high:
        return _Window(0, 1 << (64 - shift))
    ends = np.array([low, high], dtype=np.float64).view(np.uint64) >> np.uint64(shift)
    first = int(ends.min())
    return _Window(first, int(ends.max()) - first + 1)

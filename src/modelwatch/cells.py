"""Exact, mergeable histograms of a number column, and the cells they are made of.

Layout
------
The bits of a positive float64, read as an integer, grow with the number. Dropping the lowest ``shift`` bits
groups neighbours into *cells* whose width is proportional to their distance from zero. A column keeps the
smallest shift with at most `LIMIT` occupied cells. That shift depends on the set of values alone - not on
their order, their batches or the machine - and grows when values are added. So profiles merge exactly, in any
order and grouping, and agree bit by bit across engines without anybody agreeing on a layout beforehand. A
column with at most `LIMIT` distinct values has shift 0 and stays exact.

The *code* of a number is what is left of its 64 bits, sign included: what the hot loop of
`modelwatch.counting` counts. Its *key* is signed: the cell of -x is minus the cell of x, and cell 0 holds
both zeros.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, CodeArray, FloatArray, IntArray

LIMIT = 4096
# Beyond this a cell spans whole powers of two; no set of floats needs it under LIMIT.
LAST_SHIFT = 52
_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_LARGEST_BITS = int(np.float64(np.finfo(np.float64).max).view(np.int64))


def keys_of(values: FloatArray, shift: int) -> IntArray:
    """Return the signed cell of each finite value, shape of ``values``."""
    bits = values.view(np.int64)
    magnitude = (bits & _MAGNITUDE) >> shift
    return np.where(bits < 0, -magnitude, magnitude)


def coarsened(keys: IntArray, shift: int, to: int) -> IntArray:
    """Return the cells at shift ``to`` that hold the cells ``keys`` of a lower or equal ``shift``."""
    if to == shift:
        return keys
    magnitude = np.abs(keys) >> (to - shift)
    return np.where(keys < 0, -magnitude, magnitude)


def _value_at(magnitudes: IntArray, shift: int) -> FloatArray:
    """Return the smallest number of each cell, for keys without sign."""
    return np.asarray(np.minimum(magnitudes << shift, _LARGEST_BITS).view(np.float64))


def _summed(keys: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Add up the counts of equal neighbours; ``keys`` ascend."""
    if keys.size == 0:
        return keys, counts
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.add.reduceat(counts, first)


def counted(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct ones of ``keys``, ascending, and how often each occurs."""
    ordered = np.sort(keys)
    first = np.flatnonzero(np.concatenate([ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1]]))
    return ordered[first], np.diff(first, append=ordered.size)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Counts of occupied cells.

    Attributes
    ----------
    shift
        Bits dropped; 0 means that each cell is one value.
    keys
        Ascending signed cells, shape ``(c,)``.
    counts
        Positive counts, shape ``(c,)``.
    """

    shift: int
    keys: IntArray
    counts: IntArray

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Cells)
            and self.shift == other.shift
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.shift, self.keys.tobytes(), self.counts.tobytes()))

    @classmethod
    def empty(cls) -> Cells:
        """Return the cells of no rows, the neutral element of `merge`."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(0, nothing, nothing)

    @classmethod
    def of(cls, values: AnyArray, counts: IntArray | None = None, *, limit: int | None = LIMIT) -> Cells:
        """Count finite numbers; ``limit`` None keeps every distinct value.

        Parameters
        ----------
        values
            Finite numbers, shape ``(n,)``.
        counts
            How often each occurs, shape ``(n,)``; once by default.
        """
        keys = keys_of(np.ascontiguousarray(values, dtype=np.float64), 0)
        if counts is None:
            return cls(0, *counted(keys)).within(limit)
        order = np.argsort(keys, kind="stable")
        return cls(0, *_summed(keys[order], np.asarray(counts, dtype=np.int64)[order])).within(limit)

    @classmethod
    def of_codes(cls, codes: CodeArray, counts: IntArray, shift: int) -> Cells:
        """Return the cells of finite numbers of which each code came so often, shape ``(c,)`` both."""
        magnitude = ((codes << np.uint64(shift)).view(np.int64) & _MAGNITUDE) >> shift
        keys = np.where(codes >> np.uint64(63 - shift), -magnitude, magnitude)
        order = np.argsort(keys, kind="stable")
        return cls(shift, *_summed(keys[order], counts[order]))

    @property
    def total(self) -> int:
        """Number of rows counted."""
        return int(self.counts.sum())

    def at(self, shift: int) -> Cells:
        """Return the same counts in the coarser cells of ``shift``."""
        if shift == self.shift:
            return self
        return Cells(shift, *_summed(coarsened(self.keys, self.shift, shift), self.counts))

    def within(self, limit: int | None = LIMIT) -> Cells:
        """Return the same counts at the smallest shift with at most ``limit`` occupied cells."""
        if limit is None or self.keys.size <= limit or self.shift >= LAST_SHIFT:
            return self
        magnitude = np.abs(self.keys)
        one, two = magnitude[1:], magnitude[:-1]
        # Neighbours share a cell once all bits in which they differ are dropped; only cell 0 knows no sign.
        apart = np.where((self.keys[1:] < 0) == (self.keys[:-1] < 0), one ^ two, one | two)
        coarser = range(self.shift + 1, LAST_SHIFT)
        fits = bisect_left(
            coarser, x=True, key=lambda shift: bool(np.count_nonzero(apart >> (shift - self.shift)) < limit)
        )
        return self.at(self.shift + 1 + fits)

    def merge(self, other: Cells, *, limit: int | None = LIMIT) -> Cells:
        """Return the cells of both together: associative, commutative, exact."""
        shift = max(self.shift, other.shift)
        a, b = self.at(shift), other.at(shift)
        keys = np.concatenate([a.keys, b.keys])
        order = np.argsort(keys, kind="stable")
        counts = np.concatenate([a.counts, b.counts])[order]
        return Cells(shift, *_summed(keys[order], counts)).within(limit)

    def negated(self) -> Cells:
        """Return the cells of the numbers with their signs changed."""
        return Cells(self.shift, -self.keys[::-1], self.counts[::-1])

    def edges(self) -> tuple[FloatArray, FloatArray]:
        """Return the least and greatest number each cell may hold, ascending; equal where it is one value."""
        return edges_of(self.keys, self.shift)


def edges_of(keys: IntArray, shift: int) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper edges of cells; cell 0 counts as the number 0."""
    magnitude = np.abs(keys)
    near = _value_at(magnitude, shift)
    far = near if shift == 0 else _value_at(magnitude + 1, shift)
    negative = keys < 0
    lower, upper = np.where(negative, -far, near), np.where(negative, -near, far)
    lower[keys == 0] = upper[keys == 0] = 0.0
    return lower, upper


class AlignedCells(NamedTuple):
    """Two columns counted in the same cells.

    ``keys``, ``lower``, ``upper``, ``baseline`` and ``production`` have shape ``(c,)`` and ascend.
    """

    shift: int
    keys: IntArray
    lower: FloatArray
    upper: FloatArray
    baseline: IntArray
    production: IntArray

    @property
    def exact(self) -> bool:
        """Each cell is a single value."""
        return self.shift == 0


def align(baseline: Cells, production: Cells) -> AlignedCells:
    """Put two columns into the coarser cells of the two."""
    shift = max(baseline.shift, production.shift)
    a, b = baseline.at(shift), production.at(shift)
    # Sorting two ascending runs is a merge; `numpy.union1d` would hash first.
    both = np.sort(np.concatenate([a.keys, b.keys]), kind="stable")
    keys = both[np.concatenate([[True], both[1:] != both[:-1]])] if both.size else both
    counts = np.zeros((2, keys.size), dtype=np.int64)
    counts[0, np.searchsorted(keys, a.keys)] = a.counts
    counts[1, np.searchsorted(keys, b.keys)] = b.counts
    return AlignedCells(shift, keys, *edges_of(keys, shift), counts[0], counts[1])

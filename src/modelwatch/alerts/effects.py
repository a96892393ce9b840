"""What a shift of a column does to the counts of its buckets: what power is computed against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.bins import quantile_bins
from modelwatch.buckets import category_buckets, category_table
from modelwatch.cells import align
from modelwatch.distributions import CategoricalDistribution, NumericDistribution

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray, IntArray
    from modelwatch.distributions import Distribution

# Finer positions than these change a distance by less than sampling does.
POSITIONS = 512


@dataclass(frozen=True, slots=True)
class Shifts:
    """A baseline column and what becomes of it.

    Attributes
    ----------
    counts
        Baseline rows in the buckets that ``robust/v1`` compares, shape ``(k,)``; a bucket of nulls comes last
        where there are any.
    table
        The same before rare categories were put together, nulls first and then by name, as evidence reads it.
    unit
        What a shift is counted in.
    largest
        The largest shift that means something.
    """

    counts: FloatArray
    table: FloatArray
    unit: str
    largest: float
    _middle: FloatArray
    _mass: FloatArray
    _bucket: IntArray
    _nulls: float
    _sigma: float
    _places: tuple[int, int] = (0, 1)

    @classmethod
    def of(cls, column: Distribution) -> Shifts | None:
        """Return the shifts of a column; None where it is constant, empty or names its rows."""
        if isinstance(column, NumericDistribution):
            return cls._numeric(column)
        return cls._categorical(column)

    @classmethod
    def _numeric(cls, column: NumericDistribution) -> Shifts | None:
        sigma = column.standard_deviation() if column.n > 1 else 0.0
        if sigma <= 0:
            return None
        pair = align(column.cells, column.cells)
        bucket = quantile_bins(pair).bin_of(pair.keys)
        counts = np.asarray(np.bincount(bucket, weights=pair.baseline), dtype=np.float64)
        nulls = float(column.missing)
        held = np.append(counts, nulls) if nulls else counts
        middle = pair.lower / 2 + pair.upper / 2
        return cls(held, held, "baseline sigma", 10.0, middle, pair.baseline / column.n, bucket, nulls, sigma)

    @classmethod
    def _categorical(cls, column: CategoricalDistribution) -> Shifts | None:
        if column.identifier_like or not column.n:
            return None
        held = category_buckets(column, column)
        counts = held.baseline.astype(np.float64)
        table = category_table(column, column)[0].astype(np.float64)
        nulls = float(column.missing)
        # Of equals, buckets and table alike have the first by name first.
        ranked = np.argsort(-table[bool(nulls) :], kind="stable") + bool(nulls)
        places = int(ranked[0]), int(ranked[1]) if ranked.size > 1 else (0 if nulls else 1)
        nothing = np.zeros(0)
        largest = float(counts[0] / counts.sum())
        bucket = np.zeros(0, dtype=np.int64)
        return cls(counts, table, "share moved", largest, nothing, nothing, bucket, nulls, 0.0, places)

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self._middle.size > 0

    def shifted(self, shift: float) -> FloatArray:
        """Return the counts of `counts` after a shift, in baseline rows.

        Numbers move by ``shift`` baseline standard deviations; a row that would come to lie between two
        values of the baseline goes to either, so that the mean moves as it should and whole numbers stay
        whole. Of categories, ``shift`` of all rows move from the most frequent to the next: the hardest to
        see.
        """
        return self._moved(self.counts, shift, (0, 1))

    def shifted_table(self, shift: float) -> FloatArray:
        """Return `table` after a shift."""
        return self._moved(self.table, shift, self._places)

    def _moved(self, counts: FloatArray, shift: float, places: tuple[int, int]) -> FloatArray:
        if not self.numeric:
            moved = counts.copy() if counts.size > 1 else np.append(counts, 0.0)
            rows = min(shift * counts.sum(), moved[places[0]])
            moved[places[0]] -= rows
            moved[places[1]] += rows
            return moved
        mass = self.positions(shift)
        after = np.bincount(self._bucket, weights=mass) * (counts.sum() - self._nulls)
        return np.append(after, self._nulls) if self._nulls else after

    def positions(self, shift: float) -> FloatArray:
        """Return the share of rows at each of the baseline's values after a shift, shape of `values`."""
        middle, target = self._middle, self._middle + shift * self._sigma
        above = np.clip(np.searchsorted(middle, target), 1, middle.size - 1)
        gap = middle[above] - middle[above - 1]
        upper = np.clip((target - middle[above - 1]) / gap, 0.0, 1.0)
        mass = np.bincount(above, weights=self._mass * upper, minlength=middle.size)
        mass += np.bincount(above - 1, weights=self._mass * (1 - upper), minlength=middle.size)
        return np.asarray(mass, dtype=np.float64)

    @property
    def values(self) -> FloatArray:
        """The baseline's values, or the middles of its cells."""
        return self._middle

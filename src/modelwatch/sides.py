"""One column on both sides, with what several of its metrics need worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from modelwatch.buckets import category_buckets, category_table, number_buckets
from modelwatch.cells import align
from modelwatch.distributions import CategoricalDistribution, NumericDistribution
from modelwatch.empirical import kolmogorov_smirnov

if TYPE_CHECKING:
    from modelwatch.arrays import IntArray
    from modelwatch.buckets import Bucketed
    from modelwatch.cells import AlignedCells
    from modelwatch.distributions import Distribution


# Without slots, which leave cached properties no room.
@dataclass(frozen=True)
class NumericSides:
    """A column of numbers."""

    baseline: NumericDistribution
    production: NumericDistribution

    @cached_property
    def pair(self) -> AlignedCells:
        """Both sides counted in the same cells."""
        return align(self.baseline.cells, self.production.cells)

    @cached_property
    def buckets(self) -> Bucketed:
        """Both sides counted in the baseline's quantile bins."""
        return number_buckets(self.pair, self.baseline.missing, self.production.missing)

    @cached_property
    def kolmogorov_smirnov(self) -> tuple[float, float, float]:
        """Statistic, p-value, and the most the statistic can be off by."""
        return kolmogorov_smirnov(self.pair)


@dataclass(frozen=True)
class CategoricalSides:
    """A column of categories."""

    baseline: CategoricalDistribution
    production: CategoricalDistribution

    @cached_property
    def buckets(self) -> Bucketed:
        """Both sides counted in the baseline's categories."""
        return category_buckets(self.baseline, self.production)

    @cached_property
    def table(self) -> IntArray:
        """Both sides counted in all their categories, shape ``(2, c)``."""
        return category_table(self.baseline, self.production)


@dataclass(frozen=True)
class UnlikeSides:
    """A column that cannot be compared: a side is not of its kind, or there is none."""

    baseline: Distribution | None
    production: Distribution | None


Sides = NumericSides | CategoricalSides | UnlikeSides


def sides_of(baseline: Distribution | None, production: Distribution | None) -> Sides:
    """Return both sides of a column, None for one that cannot be compared as its contract says."""
    if isinstance(baseline, NumericDistribution) and isinstance(production, NumericDistribution):
        return NumericSides(baseline, production)
    if isinstance(baseline, CategoricalDistribution) and isinstance(production, CategoricalDistribution):
        return CategoricalSides(baseline, production)
    return UnlikeSides(baseline, production)

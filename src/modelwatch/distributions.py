"""What a drift metric reads: the distribution of one column, from an array or from a profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.cells import edges_of
from modelwatch.metrics import CATEGORICAL, NUMERICAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelwatch.cells import Cells


@dataclass(frozen=True, slots=True)
class NumericDistribution:
    """Counts of a number column.

    Attributes
    ----------
    cells
        Finite values.
    missing
        Nulls and NaN.
    non_finite
        Positive and negative infinities: counted, and left out of every distance.
    minimum, maximum
        Of the finite values, exact; None without any.
    """

    cells: Cells
    missing: int = 0
    non_finite: int = 0
    minimum: float | None = None
    maximum: float | None = None
    kind: str = field(default=NUMERICAL, init=False)

    @property
    def n(self) -> int:
        """Rows with a finite value."""
        return self.cells.total

    @property
    def rows(self) -> int:
        """All rows."""
        return self.n + self.missing + self.non_finite

    def mean(self) -> float:
        """Return the mean, cells counted at their middle."""
        lower, upper = self.cells.edges()
        return float(np.sum((lower / 2 + upper / 2) * (self.cells.counts / self.n)))

    def standard_deviation(self, ddof: int = 1) -> float:
        """Return the standard deviation; 0 where ``ddof`` leaves no degrees of freedom.

        Values are taken as uniform within a cell of several values (exact where each cell is one value).
        """
        if self.n <= ddof:
            return 0.0
        lower, upper = self.cells.edges()
        weight = self.cells.counts / self.n
        middle = lower / 2 + upper / 2
        # Dividing by the largest deviation first keeps squares of 1e300 finite and of 1e-300 nonzero.
        deviation = middle - float(np.sum(middle * weight))
        scale = float(np.max(np.abs(deviation)))
        width = float(np.max(upper - lower))
        scale = max(scale, width)
        if scale == 0 or not np.isfinite(scale):
            return 0.0 if scale == 0 else scale
        square = np.sum(weight * ((deviation / scale) ** 2 + ((upper - lower) / scale) ** 2 / 12))
        return float(scale * np.sqrt(square * self.n / (self.n - ddof)))

    def quantile(self, share: float) -> float:
        """Return the value of nearest rank below which ``share`` of the rows lie; straight within a cell."""
        cumulative = np.cumsum(self.cells.counts)
        wanted = share * self.n
        position = min(int(np.searchsorted(cumulative, wanted, side="left")), cumulative.size - 1)
        lower, upper = edges_of(self.cells.keys[position : position + 1], self.cells.shift)
        held = int(self.cells.counts[position])
        inside = min(1.0, max(0.0, (wanted - int(cumulative[position]) + held) / held))
        # Weighing both ends keeps a cell as wide as all floats finite.
        return float(lower[0] * (1 - inside) + upper[0] * inside)

    def interquartile_range(self) -> float:
        """Return the distance between the quartiles."""
        return self.quantile(0.75) - self.quantile(0.25)


@dataclass(frozen=True, slots=True)
class CategoricalDistribution:
    """Counts of a column of categories.

    Attributes
    ----------
    counts
        Rows a category. Keys are the exact texts: nothing is trimmed, folded or split.
    missing
        Nulls; the text "None" is a category like any other.
    overflow
        Rows in categories that a bounded profile no longer tells apart.
    distinct
        Number of categories; estimated where `overflow` is positive.
    """

    counts: Mapping[str, int]
    missing: int = 0
    overflow: int = 0
    distinct: float = 0.0
    kind: str = field(default=CATEGORICAL, init=False)

    @property
    def n(self) -> int:
        """Rows with a category."""
        return sum(self.counts.values()) + self.overflow

    @property
    def rows(self) -> int:
        """All rows."""
        return self.n + self.missing

    @property
    def identifier_like(self) -> bool:
        """Nearly every row has a category of its own, or there are more than a profile tells apart.

        Comparing shares of such categories compares nothing: production brings new ones by nature.
        """
        return self.overflow > 0 or (self.n >= 100 and self.distinct > 0.9 * self.n)


Distribution = NumericDistribution | CategoricalDistribution

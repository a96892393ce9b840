"""The law of a share of rows - nulls, values out of bounds - for one column under one rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from modelwatch.alerts.laws import Mixture, Setting, luck
from modelwatch.intervals import two_rates_p_value

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class RateLaw:
    """A share of rows - nulls, values out of bounds - against the baseline's; shifts are shares added."""

    count: int
    setting: Setting

    def quiet(self) -> Mixture:
        """Return the chance of a breach without drift."""
        return self._breach(0.0, self.setting.chance)

    def shifted(self, shift: float) -> Mixture:
        """Return the chance of a breach after a shift."""
        return self._breach(shift, self.setting.needed)

    def inconclusive(self) -> float:
        """Return 0: rates are judged at any number of rows."""
        return 0.0

    def _breach(self, shift: float, alpha: float) -> Mixture:
        s = self.setting
        weight, z = luck()
        # What the rate really is, given the baseline's count: Jeffreys' posterior. What a baseline never
        # has, a type error or a null, is taken for impossible: where it occurs, that is no false alarm.
        true = np.zeros_like(z)
        if self.count:
            true = special.betaincinv(self.count + 0.5, s.n_baseline - self.count + 0.5, special.ndtr(z))
        least = s.fire * s.rows
        if alpha < 1:
            least = max(least, _evident_count(self.count, s, alpha) - 0.5)
        return Mixture(weight, _binomial_survival(math.floor(least), s.rows, np.minimum(true + shift, 1.0)))


def _evident_count(count: int, setting: Setting, alpha: float) -> int:
    """Return the least count in a window whose rate differs from the baseline's with p < alpha."""
    low, high = math.floor(count / setting.n_baseline * setting.rows), setting.rows + 1
    while high - low > 1:
        middle = (low + high) // 2
        if two_rates_p_value(middle, setting.rows, count, setting.n_baseline) < alpha:
            high = middle
        else:
            low = middle
    return high


def _binomial_survival(count: int, rows: int, chance: FloatArray) -> FloatArray:
    """Return P(X > count)."""
    if count >= rows:
        return np.zeros_like(chance)
    return np.asarray(special.bdtrc(max(count, 0), rows, chance))

"""How likely one window breaches a rule: without drift, and after a shift.

All windows are compared with the same baseline. What is wrong with that sample by chance is wrong in every
window, so windows are independent only given it. A chance is therefore a `Mixture`: of the baseline's luck,
and of the windows' given that. For a window of n and a baseline of m rows, and a statistic that is a
squared distance of ``degrees`` dimensions,

    n |x - y|^2 given y  ~  noncentral chi-squared(degrees, n |y - shift|^2),     m |y|^2  ~
    chi-squared(degrees).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray

# Above this noncentrality the normal approximation is better than the series is fast.
SERIES_UP_TO = 300.0
_Z = np.linspace(-4.5, 6.5, 89)


class Mixture(NamedTuple):
    """Chances of a breach in one window, and of the baseline being such that they hold."""

    weight: FloatArray
    chance: FloatArray

    @property
    def mean(self) -> float:
        """The chance in a window, over all baselines."""
        return float(np.sum(self.weight * self.chance))

    def at_most(self, other: float) -> Mixture:
        """Return the chance of a breach that also needs something of chance ``other``."""
        return Mixture(self.weight, np.minimum(self.chance, other))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a law depends on beside the column.

    Attributes
    ----------
    fire
        The bound, in the metric's own units.
    fdr
        The rule's false discovery rate; None asks for the effect alone.
    features
        How many columns share the correction.
    n_baseline, rows
        Rows of the baseline and of a window.
    """

    fire: float
    fdr: float | None
    features: int
    n_baseline: int
    rows: int

    @property
    def noise(self) -> float:
        """Variance of a share, in units of p (1 - p)."""
        return 1 / self.n_baseline + 1 / self.rows

    @property
    def chance(self) -> float:
        """How often a drift-free column passes for evidence."""
        return 1.0 if self.fdr is None else false_discoveries(self.fdr, self.features)

    @property
    def needed(self) -> float:
        """The p-value that one drifting column among quiet ones needs."""
        return 1.0 if self.fdr is None else self.fdr / self.features


class Law(Protocol):
    """One metric of one feature under one rule."""

    def quiet(self) -> Mixture:
        """Return the chance of a breach without drift."""

    def shifted(self, shift: float) -> Mixture:
        """Return the chance of a breach after a shift."""

    def inconclusive(self) -> float:
        """Return the chance that a quiet window cannot be told from drift."""


def luck() -> tuple[FloatArray, FloatArray]:
    """Return weights and normal deviates, shape ``(c,)`` each, over which a baseline's luck is averaged."""
    edges = np.concatenate([[-np.inf], (_Z[1:] + _Z[:-1]) / 2, [np.inf]])
    # Upper tails are where false alarms come from: differences of survival keep their digits.
    return -np.diff(special.ndtr(-edges)), _Z


def noncentral_survival(x: FloatArray | float, degrees: int, noncentrality: FloatArray | float) -> FloatArray:
    """Return P(X > x) for a noncentral chi-squared variable.

    References
    ----------
    Sankaran (1959), On the non-central chi-square distribution, for large noncentralities.
    """
    x, nc = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(noncentrality, dtype=np.float64))
    result = np.empty(x.shape)
    central, series = nc <= 0, (nc > 0) & (nc <= SERIES_UP_TO)
    large = ~central & ~series
    result[central] = special.chdtrc(degrees, x[central])
    result[series] = 1 - special.chndtr(x[series], degrees, nc[series])
    if large.any():
        h, mean, deviation = _sankaran(degrees, nc[large])
        scaled = (np.maximum(x[large], 0) / (degrees + nc[large])) ** h
        result[large] = special.ndtr((mean - scaled) / deviation)
    return np.clip(result, 0.0, 1.0)


def noncentral_quantile(z: FloatArray, degrees: int, noncentrality: float) -> FloatArray:
    """Return what a noncentral chi-squared variable exceeds as often as a normal one exceeds ``z``."""
    if noncentrality <= 0:
        return np.asarray(special.chdtri(degrees, special.ndtr(-z)))
    h, mean, deviation = _sankaran(degrees, np.array([noncentrality]))
    return np.asarray((degrees + noncentrality) * np.maximum(mean + deviation * z, 0) ** (1 / h))


def _sankaran(degrees: int, nc: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    h = 1 - 2 / 3 * (degrees + nc) * (degrees + 3 * nc) / (degrees + 2 * nc) ** 2
    p = (degrees + 2 * nc) / (degrees + nc) ** 2
    m = (h - 1) * (1 - 3 * h)
    mean = 1 + h * p * (h - 1 - 0.5 * (2 - h) * m * p)
    return h, mean, h * np.sqrt(2 * p) * (1 + 0.5 * m * p)


def beyond(critical: float, *, degrees: int, n_baseline: int, rows: int, effect: float = 0.0) -> Mixture:
    """Return the chance that a squared distance exceeds ``critical``.

    Parameters
    ----------
    critical, effect
        In units of the PSI: the bound, and the distance that the shift itself makes.
    degrees
        Buckets less one.
    """
    weight, z = luck()
    distance = noncentral_quantile(z, degrees, n_baseline * effect) / n_baseline
    return Mixture(weight, noncentral_survival(critical * rows, degrees, rows * distance))


def false_discoveries(fdr: float, features: int) -> float:
    """Return the chance that one of ``features`` drift-free p-values passes Benjamini and Hochberg.

    On its own it would need p < fdr / features; company lowers the bar a little.

    References
    ----------
    Finner and Roters (2002), Multiple hypotheses testing and expected number of type I errors.
    """
    expected, term = 0.0, 1.0
    for others in range(features):
        expected += (others + 1) * term
        term *= (features - 1 - others) * fdr / features
    return min(1.0, fdr * expected / features)

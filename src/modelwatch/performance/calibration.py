"""Calibration: whether of the rows with probability 0.8 four in five are positive.

The expected calibration error adds up absolute gaps, so chance alone makes one: about 0.11 in 100 rows that
are perfectly calibrated. The published value stays that plain sum; its evidence and its interval know what
chance adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.intervals import LEVEL, Interval
from modelwatch.performance.probability import Judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelwatch.arrays import FloatArray, IntArray

CALIBRATION_BINS = 10
_SEED = 20_240_229
_DRAWS = 1_000
# A limit is tried out some 25 times.
_DRAWS_OF_LIMIT = 400
_HALVINGS = 12
_ROUNDING = 1e-12
# Standard errors beyond which a bin's gap is more than chance.
_CLEAR = 2.0
# A bin of certain predictions has no variance; half a row's keeps its gap from being infinitely certain.
_LEAST_VARIANCE = 0.25


class _Bins(NamedTuple):
    """Sums over the rows of each bin, shape ``(b,)``."""

    rows: FloatArray
    positives: FloatArray
    probability: FloatArray
    probability_squared: FloatArray

    @property
    def mean(self) -> FloatArray:
        return np.asarray(self.probability / self.rows)


def calibration_error(truth: FloatArray, probability: FloatArray, bins: int = CALIBRATION_BINS) -> Judged:
    """Return the expected calibration error over bins of equal mass.

    Rows of one score are never split over bins, so that the order of rows does not matter.

    Parameters
    ----------
    truth
        0 or 1, shape ``(n,)``.
    probability
        Probability of 1, shape ``(n,)``.

    Returns
    -------
    Judged
        ``p_value`` is the share of data sets, drawn from the probabilities themselves, whose error is at
        least as large: consistency resampling. ``interval`` holds the true errors under which the observed
        one is not among the 2.5 % smallest or largest, and always the observed one. What gap each bin has is
        not known, only their sum is asked for. So the lower limit takes the gaps to stand where they clearly
        exceed chance, where a true error shows most, and the upper limit takes them to be spread evenly,
        where it shows least.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015); bins of equal mass after Nixon et al. (2019); Broecker and Smith
    (2007), Increasing the reliability of reliability diagrams, for consistency resampling; Kumar, Liang and
    Ma (2019), Verified uncertainty calibration, for the bias of the plain error.
    """
    sums = _sums(truth, probability, bins)
    observed = _error(sums, sums.positives[np.newaxis])[0]
    certain = _draws(sums, np.zeros(sums.rows.size), _DRAWS)
    as_large = np.count_nonzero(certain >= observed - _ROUNDING)
    return Judged(
        float(observed), _interval(sums, float(observed)), float((1 + as_large) / (1 + certain.size))
    )


def equal_mass_bins(values: FloatArray, bins: int) -> IntArray:
    """Return the bin of each value, shape ``(n,)``: its rank's, of tied values their middle rank's."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    before = np.cumsum(count) - count
    return np.asarray(((2 * before + count - 1) // 2 * min(bins, values.size) // values.size)[group])


def _sums(truth: FloatArray, probability: FloatArray, bins: int) -> _Bins:
    index = equal_mass_bins(probability, bins)
    rows = np.bincount(index)
    held = rows > 0
    sums = [
        np.bincount(index, weights=column)[held].astype(np.float64)
        for column in (truth, probability, probability**2)
    ]
    return _Bins(rows[held].astype(np.float64), sums[0], sums[1], sums[2])


def _error(sums: _Bins, positives: FloatArray) -> FloatArray:
    """Return the calibration error of each draw, shapes ``(r, b)`` to ``(r,)``."""
    return np.asarray(np.abs(positives - sums.probability).sum(axis=1) / sums.rows.sum())


def _draws(sums: _Bins, gap: FloatArray, draws: int) -> FloatArray:
    """Return errors of data sets whose positives occur as often as predicted plus ``gap`` in each bin.

    A bin's positives are a sum of unequal coin tosses. A binomial variable with the same mean and variance
    stands for it (Ehm 1991), so that the cost does not depend on the number of rows.
    """
    rows = sums.rows
    mean = np.clip(sums.probability + rows * gap, 0, rows)
    square = np.maximum(sums.probability_squared + 2 * gap * sums.probability + rows * gap**2, 0)
    # The rarer of the two outcomes is counted, of which the binomial law is the better image.
    mostly = mean > rows / 2
    square = np.where(mostly, rows - 2 * mean + square, square)
    rare = np.where(mostly, rows - mean, mean)
    size = np.divide(rare**2, square, out=rows.copy(), where=square > 0)
    size = np.maximum(np.clip(np.rint(size), np.ceil(rare), rows), 1)
    generator = np.random.default_rng(_SEED)
    drawn = generator.binomial(size.astype(np.int64), np.clip(rare / size, 0, 1), (draws, rows.size))
    return _error(sums, np.where(mostly, rows - drawn, drawn))


def _interval(sums: _Bins, observed: float) -> Interval:
    rows, mean, tail = sums.rows, sums.mean, (1 - LEVEL) / 2
    gap = (sums.positives - sums.probability) / rows
    variance = np.maximum(sums.probability - sums.probability_squared, 0) + _LEAST_VARIANCE
    noise = np.sqrt(variance) / rows
    side = np.where(gap == 0, np.where(mean <= 0.5, 1.0, -1.0), np.sign(gap))
    spread = side * noise
    concentrated = np.where(np.abs(gap) > _CLEAR * noise, gap, 0.0)
    if not concentrated.any():
        concentrated = side * np.sqrt(np.maximum(gap**2 - noise**2, 0))
    if not concentrated.any():
        concentrated = gap if gap.any() else spread

    def shifted(profile: FloatArray, times: float) -> FloatArray:
        return np.asarray(np.clip(mean + times * profile, 0, 1) - mean)

    def true_error(profile: FloatArray, times: float) -> float:
        return float((rows * np.abs(shifted(profile, times))).sum() / rows.sum())

    def drawn(profile: FloatArray, times: float) -> FloatArray:
        return _draws(sums, shifted(profile, times), _DRAWS_OF_LIMIT)

    def seldom_less(times: float) -> bool:
        return bool(np.mean(drawn(concentrated, times) >= observed - _ROUNDING) > tail)

    def hardly_as_little(times: float) -> bool:
        return bool(np.mean(drawn(spread, times) <= observed + _ROUNDING) <= tail)

    low = 0.0 if seldom_less(0.0) else true_error(concentrated, _first(seldom_less)[0])
    high = true_error(spread, _first(hardly_as_little)[1])
    return min(low, observed), max(high, observed)


def _first(holds: Callable[[float], bool]) -> tuple[float, float]:
    """Return numbers just below and above the one from which on something holds; it may never."""
    below, above = 0.0, 1.0
    while not holds(above) and above < 1e6:
        below, above = above, above * 2
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        below, above = (below, middle) if holds(middle) else (middle, above)
    return below, above

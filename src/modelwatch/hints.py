"""What likely caused a drift: a unit, a sign, a default value, the writing of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwatch.cells import align
from modelwatch.empirical import kolmogorov_smirnov_distance
from modelwatch.schema import normalised
from modelwatch.sides import CategoricalSides, NumericSides

if TYPE_CHECKING:
    from modelwatch.cells import AlignedCells
    from modelwatch.distributions import CategoricalDistribution, NumericDistribution
    from modelwatch.sides import Sides

_FACTORS = {
    1000.0: "x1000 (milli or kilo)",
    100.0: "x100 (percent or cents)",
    1e6: "x1,000,000",
    60.0: "x60 (minutes and seconds)",
    3600.0: "x3600 (hours and seconds)",
    1e9: "x1e9 (seconds and nanoseconds)",
}
# A changed unit leaves the shape: scaled back, quantiles agree within this share of spread and size.
_FACTOR_TOLERANCE = 0.2
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
# A value that was never there and now fills this share of the rows: a round one or one out of the baseline's
# range (-999, 0) sooner than one that might be measured, which the rows of a single person may repeat.
_FILL_SHARE = 0.02
_MEASURED_FILL_SHARE = 0.1
_NEVER = 0.001
# Kolmogorov-Smirnov distances before and after changing the sign back.
_FAR, _NEAR = 0.3, 0.15


def hint(sides: Sides) -> str:
    """Return the likely cause of a difference, or an empty text."""
    if isinstance(sides, NumericSides):
        baseline, production, pair = sides.baseline, sides.production, sides.pair
        if min(baseline.n, production.n) < len(_QUANTILES):
            return ""
        return (
            _fill(baseline, production, pair)
            or _unit(baseline, production)
            or _sign(baseline, production, pair)
        )
    return _writing(sides.baseline, sides.production) if isinstance(sides, CategoricalSides) else ""


def _unit(baseline: NumericDistribution, production: NumericDistribution) -> str:
    """Look for the factor that takes all quantiles back to the baseline's, whatever they lie around."""
    before = np.array([baseline.quantile(q) for q in _QUANTILES])
    after = np.array([production.quantile(q) for q in _QUANTILES])
    found = {}
    # Next to the largest doubles a product is infinite, and as far from the baseline as it should be.
    with np.errstate(over="ignore", invalid="ignore"):
        allowed = _FACTOR_TOLERANCE * (before[-1] - before[0] + np.abs(before))
        if np.all(np.abs(after - before) <= allowed):
            return ""
        for factor, name in _FACTORS.items():
            for scale, arrow in ((factor, "larger"), (1 / factor, "smaller")):
                apart = np.abs(after / scale - before)
                if np.all(apart <= allowed):
                    found[float(apart.max())] = f"likely cause: unit change, {arrow} by {name}"
    return found[min(found)] if found else ""


def _sign(baseline: NumericDistribution, production: NumericDistribution, pair: AlignedCells) -> str:
    if kolmogorov_smirnov_distance(pair) <= _FAR:
        return ""
    flipped = align(baseline.cells, production.cells.negated())
    return "likely cause: sign flip" if kolmogorov_smirnov_distance(flipped) < _NEAR else ""


def _fill(baseline: NumericDistribution, production: NumericDistribution, pair: AlignedCells) -> str:
    now = pair.production / production.n
    then = pair.baseline / baseline.n
    spot = int(now.argmax())
    if now[spot] < _FILL_SHARE or then[spot] > _NEVER or production.minimum == production.maximum:
        return ""
    neighbours = now.copy()
    neighbours[spot] = 0
    if neighbours.max() * 3 > now[spot]:
        return ""
    low = float(pair.lower[spot])
    outside = low < (baseline.minimum or 0.0) or low > (baseline.maximum or 0.0)
    if not low.is_integer() and not outside and now[spot] < _MEASURED_FILL_SHARE:
        return ""
    return f"likely cause: default fill, {now[spot]:.1%} of rows are {low:.6g}, which the baseline never had"


def _writing(baseline: CategoricalDistribution, production: CategoricalDistribution) -> str:
    unseen = [name for name in production.counts if name not in baseline.counts]
    if not unseen:
        return ""
    known = {normalised(name): name for name in baseline.counts}
    twins = [(name, known[normalised(name)]) for name in unseen if normalised(name) in known]
    if not twins:
        return ""
    shown = ", ".join(f"{new!r} for {old!r}" for new, old in twins[:3])
    return f"likely cause: differs only by normalisation: {shown}"

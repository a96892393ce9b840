"""The law of each metric that profiles can tell, for one column under one rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from modelwatch import distances, evidence, robust
from modelwatch.alerts.effects import POSITIONS, Shifts
from modelwatch.alerts.laws import Law, Mixture, Setting, beyond, luck
from modelwatch.alerts.rate_laws import RateLaw

if TYPE_CHECKING:
    from modelwatch.arrays import FloatArray

# Rows of a column in simulations of a Wasserstein distance, for which no closed law is known.
DRAWS = 400
_PSI_UNITS = 8 * math.log(2)


@dataclass(frozen=True, slots=True)
class DistanceLaw:
    """PSI and Jensen-Shannon distance: both are squared distances of shares, up to a factor."""

    shifts: Shifts
    setting: Setting
    metric: str

    def quiet(self) -> Mixture:
        """Return the chance of a breach without drift."""
        return self._breach(0.0, 0.0, self.setting.chance)

    def shifted(self, shift: float) -> Mixture:
        """Return the chance of a breach after a shift."""
        counts = self.shifts.counts
        effect = self._in_psi_units(_value(self.metric, counts, self.shifts.shifted(shift)))
        if not self._sparse:
            return self._breach(effect, effect, self.setting.needed)
        groups = _groups(self.shifts, self.shifts.shifted_table(shift), self.setting.rows)
        return self._breach(effect, _chi_squared_effect(*groups), self.setting.needed)

    def inconclusive(self) -> float:
        """Return the chance that a quiet window lies beyond the bound and cannot be told from drift."""
        s, degrees = self.setting, self.shifts.counts.size - 1
        bound = self._in_psi_units(s.fire)
        if degrees < 1 or s.noise * special.chdtri(degrees, 0.05) <= bound:
            return 0.0
        statistics = np.linspace(0, max(bound / s.noise, degrees) + 12 * math.sqrt(2 * degrees) + 40, 2_000)
        most = [
            evidence.effect_upper_bound(
                "population_stability_index", t * s.noise, n_baseline=s.n_baseline, n_production=s.rows,
                bins=degrees + 1,
            )
            for t in statistics
        ]  # fmt: skip
        open_ = statistics[(statistics * s.noise > bound) & (np.array(most) > bound)]
        if not open_.size:
            return 0.0
        least, evident = float(open_[0]), float(special.chdtri(degrees, max(s.chance, 1e-12)))
        chance = special.chdtrc(degrees, least) - special.chdtrc(degrees, max(least, evident))
        return float(chance) if s.fdr is not None else float(special.chdtrc(degrees, least))

    @property
    def _sparse(self) -> bool:
        expected = self.shifts.table * self.setting.rows / self.shifts.table.sum()
        _, fewest = robust.CLOSED_LAWS[self.metric]
        return evidence.sparse(self.shifts.table, expected, quantiles=self.shifts.numeric, fewest=fewest)

    def _breach(self, effect: float, evident: float, alpha: float) -> Mixture:
        """Return the chance that effect and evidence suffice: one statistic tells both if cells are full."""
        s, degrees = self.setting, max(self.shifts.counts.size - 1, 1)
        sides = {"n_baseline": s.n_baseline, "rows": s.rows}
        fire = self._in_psi_units(s.fire)
        if s.fdr is None:
            return beyond(fire, degrees=degrees, effect=effect, **sides)
        if not self._sparse:
            critical = max(fire, s.noise * float(special.chdtri(degrees, alpha)))
            return beyond(critical, degrees=degrees, effect=effect, **sides)
        fewer = max(_groups(self.shifts, self.shifts.table, s.rows).shape[1] - 1, 1)
        critical = s.noise * float(special.chdtri(fewer, alpha))
        found = beyond(critical, degrees=fewer, effect=evident, **sides)
        # In cells of a few rows a distance is further from its law than its evidence is; it only ever stops.
        return found.at_most(beyond(fire, degrees=degrees, effect=effect, **sides).mean)

    def _in_psi_units(self, value: float) -> float:
        return _PSI_UNITS * value**2 if self.metric == "jensen_shannon_distance" else value


@dataclass(frozen=True, slots=True)
class HomogeneityLaw:
    """Pearson's test, and the Chebyshev distance that takes its evidence from it."""

    shifts: Shifts
    setting: Setting
    metric: str

    def quiet(self) -> Mixture:
        """Return the chance of a breach without drift; for Chebyshev at most that."""
        s, p = self.setting, self.shifts.table / self.shifts.table.sum()
        if self.metric == "pearsons_chi_squared_test":
            return self._evident(self.shifts.table, min(s.fire, s.chance))
        deviation = np.sqrt(np.maximum(p * (1 - p), 1e-300) * s.noise)
        effect = min(1.0, 2 * float(np.sum(special.ndtr(-s.fire / deviation))))
        return self._evident(self.shifts.table, s.chance).at_most(effect)

    def shifted(self, shift: float) -> Mixture:
        """Return the chance of a breach after a shift."""
        s = self.setting
        if self.metric == "pearsons_chi_squared_test":
            return self._evident(self.shifts.shifted_table(shift), min(s.fire, s.needed))
        before, after = _side_by_side(self.shifts.table, self.shifts.shifted_table(shift))
        p, q = before / before.sum(), after / after.sum()
        # Rows moved are missing in one bin and too many in another: either may be the largest difference.
        deviation = np.sqrt(np.maximum(p * (1 - p) / s.n_baseline + q * (1 - q) / s.rows, 1e-300))
        within = special.ndtr((s.fire - q + p) / deviation) - special.ndtr((-s.fire - q + p) / deviation)
        effect = 1 - float(np.prod(within))
        return self._evident(self.shifts.shifted_table(shift), s.needed).at_most(effect)

    def inconclusive(self) -> float:
        """Return 0: these are judged at any number of rows."""
        return 0.0

    def _evident(self, after: FloatArray, alpha: float) -> Mixture:
        s = self.setting
        if alpha >= 1:
            weight, _ = luck()
            return Mixture(weight, np.ones_like(weight))
        groups = _groups(self.shifts, after, s.rows)
        degrees = max(groups.shape[1] - 1, 1)
        return beyond(
            s.noise * float(special.chdtri(degrees, alpha)), degrees=degrees, n_baseline=s.n_baseline,
            rows=s.rows, effect=_chi_squared_effect(*groups),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class KolmogorovLaw:
    """Kolmogorov-Smirnov, and the Wasserstein distance that takes its evidence from it."""

    shifts: Shifts
    setting: Setting
    metric: str

    def quiet(self) -> Mixture:
        """Return the chance of a breach without drift; for Wasserstein at most that."""
        s = self.setting
        if self.metric == "two_sample_kolmogorov_smirnov_test":
            return self._by_luck(min(s.fire, s.chance))
        effect = float(np.mean(self._distances(0.0) > s.fire))
        return self._by_luck(s.chance).at_most(effect)

    def shifted(self, shift: float) -> Mixture:
        """Return the chance of a breach after a shift."""
        s = self.setting
        if self.metric == "two_sample_kolmogorov_smirnov_test":
            return self._found(shift, min(s.fire, s.needed))
        effect = float(np.mean(self._distances(shift) > s.fire))
        return self._found(shift, s.needed).at_most(effect)

    def inconclusive(self) -> float:
        """Return 0: these are judged at any number of rows."""
        return 0.0

    def _by_luck(self, alpha: float) -> Mixture:
        """Return a mixture of mean ``alpha``: 2 exp(-2 t^2) is the tail of a chi-squared of 2 degrees."""
        s = self.setting
        if alpha >= 1:
            weight, _ = luck()
            return Mixture(weight, np.ones_like(weight))
        critical = s.noise * float(special.chdtri(2, alpha))
        return beyond(critical, degrees=2, n_baseline=s.n_baseline, rows=s.rows)

    def _found(self, shift: float, alpha: float) -> Mixture:
        """Return the chance that the distance at the widest gap alone suffices: a little too low."""
        s = self.setting
        weight, z = luck()
        if alpha >= 1:
            return Mixture(weight, np.ones_like(weight))
        f, g = (np.cumsum(self.shifts.positions(step)) for step in (0.0, shift))
        widest = int(np.argmax(np.abs(f - g)))
        critical = float(special.kolmogi(alpha)) * math.sqrt(s.noise)
        gap = abs(f[widest] - g[widest]) + z * math.sqrt(f[widest] * (1 - f[widest]) / s.n_baseline)
        deviation = math.sqrt(max(g[widest] * (1 - g[widest]) / s.rows, 1e-300))
        return Mixture(weight, np.asarray(special.ndtr((gap - critical) / deviation)))

    def _distances(self, shift: float) -> FloatArray:
        """Return simulated normalized Wasserstein distances."""
        s, generator = self.setting, np.random.default_rng(0)
        before, after = self.shifts.positions(0.0), self.shifts.positions(shift)
        values = self.shifts.values
        if values.size > POSITIONS:
            part = np.minimum((np.cumsum(before) * POSITIONS).astype(np.int64), POSITIONS - 1)
            filled = np.unique(part)
            place = np.searchsorted(filled, part)
            sums, before, after = (
                np.asarray(np.bincount(place, weights=each), dtype=np.float64)
                for each in (before * values, before, after)
            )
            values = sums / before
        # Counts are about normal; drawn once a column, so that a larger shift never looks smaller by chance.
        step = generator.standard_normal((DRAWS, before.size)) * np.sqrt(
            before / s.n_baseline + after / s.rows
        )
        step -= step.sum(axis=1, keepdims=True) * (before + after) / 2
        gap = np.cumsum(before - after + step, axis=1)[:, :-1]
        quartiles = [values[np.searchsorted(np.cumsum(before), share)] for share in (0.25, 0.75)]
        scale = float(quartiles[1] - quartiles[0]) / robust.NORMAL_QUARTILES
        if scale <= 0:
            mean = float(np.sum(before * values))
            scale = math.sqrt(float(np.sum(before * (values - mean) ** 2)))
        return np.asarray(np.abs(gap) @ np.diff(values) / scale)


def law_of(metric: str, shifts: Shifts | None, count: int | None, setting: Setting) -> Law | None:
    """Return the law of a metric on a column, None where none is known."""
    if count is not None:
        return RateLaw(count, setting)
    if shifts is None or shifts.counts.size < 2:
        return None
    if metric in ("population_stability_index", "jensen_shannon_distance"):
        return DistanceLaw(shifts, setting, metric)
    if metric in ("pearsons_chi_squared_test", "chebyshev_distance"):
        return HomogeneityLaw(shifts, setting, metric)
    if metric in ("two_sample_kolmogorov_smirnov_test", "normalized_wasserstein_distance") and shifts.numeric:
        return KolmogorovLaw(shifts, setting, metric)
    return None


def _value(metric: str, before: FloatArray, after: FloatArray) -> float:
    before, after = _side_by_side(before, after)
    if metric == "jensen_shannon_distance":
        return distances.jensen_shannon_distance(before, after)
    return distances.population_stability_index(before, after, prior=robust.JEFFREYS)


def _side_by_side(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the side with fewer cells the empty ones that the other has more."""
    size = max(before.size, after.size)
    return np.pad(before, (0, size - before.size)), np.pad(after, (0, size - after.size))


def _groups(shifts: Shifts, after: FloatArray, rows: int) -> FloatArray:
    """Return the baseline and a window of so many rows in the groups that evidence compares, shape (2, g)."""
    before, shifted = _side_by_side(shifts.table, after)
    groups, _ = evidence.pooled(np.array([before, shifted * rows / shifted.sum()]), quantiles=shifts.numeric)
    return groups


def _chi_squared_effect(before: FloatArray, after: FloatArray) -> float:
    """Return Pearson's distance of two distributions, which the test's statistic is 1/noise times."""
    n, m = before.sum(), after.sum()
    p, q = before / n, after / m
    middle = (before + after) / (n + m)
    held = middle > 0
    return float(np.sum((p[held] - q[held]) ** 2 / middle[held]))

"""Streams of windows with known truth, counted rather than drawn: what a million rows would be counted as.

Bins are frozen with a stream's baseline, so the counts of its windows are multinomial with the true masses
of those bins: drawing them has the law of profiling rows and costs a ten-thousandth. `test_streams` holds
both to be equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from modelwatch import Window, buckets, evidence, robust
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import CODES, History, SeriesKey
from modelwatch.bins import QUANTILE_BINS, ROWS_PER_BIN, quantile_bins
from modelwatch.cells import AlignedCells
from modelwatch.monitor import Monitor
from modelwatch.results import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelwatch.alerts.rules import Rule

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """Rows in buckets, shape (streams, k) and (windows, streams, k), and in all categories."""

    baseline: Counts
    production: Counts
    baseline_table: Counts | None = None
    production_table: Counts | None = None


@dataclass(frozen=True)
class Continuous:
    """A number column without ties of a frozen `scipy.stats` law, shifted in units of `sigma`."""

    law: Any
    sigma: float
    nulls: float = 0.0
    # The law of windows, where it is not the baseline's.
    later: Any = None

    def counts(self, rng: np.random.Generator, rows: Rows, shift: Floats) -> Counted:
        bins = max(2, min(QUANTILE_BINS, rows.baseline // ROWS_PER_BIN))
        # The masses between order statistics of a sample follow Dirichlet's law, whatever its own.
        present = rng.binomial(rows.baseline, 1 - self.nulls, rows.streams)
        sizes = np.diff(np.rint(np.outer(present, np.linspace(0, 1, bins + 1))).astype(np.int64), axis=1)
        sizes_after = sizes.astype(np.float64)
        sizes_after[:, -1] += 1
        masses = rng.standard_gamma(sizes_after)
        edges = np.asarray(self.law.ppf((masses.cumsum(axis=1) / masses.sum(axis=1, keepdims=True))[:, :-1]))
        below = (self.later or self.law).cdf(edges - (shift * self.sigma)[:, None, None])
        ends = np.zeros((*below.shape[:2], 1))
        probabilities = np.diff(np.concatenate([ends, below, ends + 1], axis=2), axis=2) * (1 - self.nulls)
        probabilities = np.concatenate([probabilities, ends + self.nulls], axis=2)
        baseline = np.column_stack([sizes, rows.baseline - present])
        return Counted(baseline, rng.multinomial(rows.window, np.clip(probabilities, 0, 1)))


@dataclass(frozen=True)
class Whole:
    """A column of whole numbers with heavy ties; ``law`` maps a mean to the masses of 0, 1, 2 and so on."""

    law: Any
    mean: float
    sigma: float

    def counts(self, rng: np.random.Generator, rows: Rows, shift: Floats) -> Counted:
        baseline = rng.multinomial(rows.baseline, self.law(self.mean), rows.streams)
        after = np.array([self.law(self.mean + step * self.sigma) for step in shift])
        size = 2 * QUANTILE_BINS + 2
        b = np.zeros((rows.streams, size), dtype=np.int64)
        q = np.zeros((len(shift), rows.streams, size))
        for stream, held in enumerate(baseline):
            bins = self.bins(held)
            b[stream] = np.bincount(bins, weights=held, minlength=size)
            for window, masses in enumerate(after):
                q[window, stream] = np.bincount(bins, weights=masses, minlength=size)
        return Counted(b, rng.multinomial(rows.window, q))

    @staticmethod
    def bins(baseline: Counts) -> Counts:
        """Return the bin of each whole number, given how often the baseline has it."""
        keys, edge = np.arange(baseline.size, dtype=np.int64), np.zeros(0)
        return quantile_bins(AlignedCells(0, keys, edge, edge, baseline, baseline)).bin_of(keys)


@dataclass(frozen=True)
class Categories:
    """A column of categories with ``masses``; drift moves a share of all rows from the first to the last."""

    masses: tuple[float, ...]

    def counts(self, rng: np.random.Generator, rows: Rows, shift: Floats) -> Counted:
        masses = np.array(self.masses)
        moved = np.repeat(masses[None], len(shift), axis=0)
        moved[:, 0] -= shift
        moved[:, -1] += shift
        b = rng.multinomial(rows.baseline, masses, rows.streams)
        p = rng.multinomial(rows.window, np.repeat(moved[:, None], rows.streams, axis=1))
        return self.bucketed(b, p)

    @staticmethod
    def bucketed(b: Counts, p: Counts) -> Counted:
        """Count categories, shape (streams, k) and (windows, streams, k), as ``robust/v1`` does."""
        table = b, p
        order = np.argsort(-b, axis=1, kind="stable")
        b, p = np.take_along_axis(b, order, 1), np.take_along_axis(p, order[None], 2)
        new = np.where(b[None] == 0, p, 0).sum(axis=2)
        p = np.where(b[None] == 0, 0, p)
        top = buckets.TOP_CATEGORIES
        b = np.column_stack([b[:, :top], b[:, top:].sum(axis=1), np.zeros(len(b), dtype=np.int64)])
        p = np.concatenate([p[..., :top], p[..., top:].sum(axis=2, keepdims=True), new[..., None]], axis=2)
        return Counted(b, p, *table)


Law = Continuous | Whole | Categories


@dataclass(frozen=True)
class Rows:
    """How much of everything: streams that each have a baseline, windows, rows of both."""

    streams: int
    windows: int
    baseline: int
    window: int


def zipf(categories: int, exponent: float = 1.1) -> tuple[float, ...]:
    """Return the masses of categories of which few are common and most are rare."""
    weights = 1 / np.arange(1, categories + 1) ** exponent
    return tuple((weights / weights.sum()).tolist())


def _poisson(mean: float) -> Floats:
    masses = stats.poisson.pmf(np.arange(40), mean)
    return np.asarray(masses / masses.sum())


def _zero_inflated(mean: float) -> Floats:
    """Six in ten are zero, the others geometric: claims, purchases, days since."""
    tail = 0.4 / mean
    masses = 0.4 * tail * (1 - tail) ** (np.arange(1, 200) - 1)
    return np.concatenate([[1 - masses.sum()], masses])


@dataclass(frozen=True)
class _Mixture:
    """Two bells far apart."""

    gap: float = 4.0
    grid: Floats = field(default_factory=lambda: np.linspace(-7, 7, 4001), compare=False, repr=False)

    def cdf(self, x: Any) -> Floats:
        return np.asarray((special.ndtr(x + self.gap / 2) + special.ndtr(x - self.gap / 2)) / 2)

    def ppf(self, u: Any) -> Floats:
        return np.asarray(np.interp(u, self.cdf(self.grid), self.grid))


def _continuous(law: Any, nulls: float = 0.0) -> Continuous:
    # Laws whose variance is infinite get the scale that their quartiles would give a normal one.
    spread = float(law.std())
    quartiles = float(law.ppf(0.75) - law.ppf(0.25)) / robust.NORMAL_QUARTILES
    return Continuous(law, spread if np.isfinite(spread) else quartiles, nulls)


FEATURES: dict[str, Law] = {
    "normal": _continuous(stats.norm()),
    "normal, 5 % null": _continuous(stats.norm(), nulls=0.05),
    "normal, 0.5 % null": _continuous(stats.norm(), nulls=0.005),
    "uniform": _continuous(stats.uniform()),
    "exponential": _continuous(stats.expon()),
    "lognormal": _continuous(stats.lognorm(1.5)),
    "Student's t, 2 degrees": _continuous(stats.t(2)),
    "Cauchy": _continuous(stats.cauchy()),
    "two bells": Continuous(_Mixture(), 5**0.5),
    "beta(.5, .5)": _continuous(stats.beta(0.5, 0.5)),
    "Poisson": Whole(_poisson, 3.0, 3**0.5),
    "mostly zero": Whole(_zero_inflated, 2.0, 14**0.5),
    "even": Categories((0.5, 0.5)),
    "2 % positive": Categories((0.98, 0.02)),
    "three": Categories((0.6, 0.3, 0.1)),
    "five alike": Categories((0.2,) * 5),
    "twelve alike": Categories((1 / 12,) * 12),
    "twenty, Zipf": Categories(zipf(20)),
    "a hundred, Zipf": Categories(zipf(100)),
    "300, Zipf": Categories(zipf(300)),
}
PSI = "population_stability_index"
NUMERIC = tuple(name for name, law in FEATURES.items() if not isinstance(law, Categories))
CATEGORICAL = tuple(name for name, law in FEATURES.items() if isinstance(law, Categories))


@dataclass(frozen=True)
class Measured:
    """What ``robust/v1`` says of each window, arrays of shape (windows, streams, features)."""

    rows: Rows
    features: tuple[str, ...]
    value: Floats
    p_value: Floats
    q_value: Floats
    buckets: Counts

    def status(self, threshold: float, alpha: float = 0.05) -> NDArray[np.uint8]:
        """Judge as `modelwatch.judging.judged` does, in codes of `modelwatch.alerts.history`."""
        noise = 1 / self.rows.baseline + 1 / self.rows.window
        degrees = np.maximum(self.buckets - 1, 1)
        beyond, evident = self.value > threshold, self.q_value < alpha
        suffices = threshold >= noise * special.chdtri(degrees, alpha)
        excess, z = self.value / noise - (self.buckets - 1), evidence.ONE_SIDED
        spread = np.maximum(4 * excess + 4 * z**2 + 2 * (self.buckets - 1), 0)
        explained = noise * (excess + 2 * z**2 + z * np.sqrt(spread)) <= threshold
        codes = np.full(self.value.shape, CODES[Status.OK], dtype=np.uint8)
        codes[beyond & ~evident & ~suffices & ~explained] = CODES[Status.INSUFFICIENT]
        codes[beyond & evident] = CODES[Status.BREACH]
        return codes

    def history(self, threshold: float) -> History:
        """Lay all streams side by side: a feature's name begins with its stream's number."""
        windows, streams, features = self.value.shape
        start = datetime(2026, 1, 1, tzinfo=UTC)
        days = tuple(
            Window(start + timedelta(days=day), start + timedelta(days=day + 1)) for day in range(windows)
        )
        keys = tuple(
            SeriesKey("inputs", PSI, f"{stream}/{name}", None)
            for stream in range(streams)
            for name in self.features
        )
        shape = windows, streams * features
        nothing = np.full(shape, np.nan)
        return History(
            "streams", days, keys, self.value.reshape(shape), self.p_value.reshape(shape),
            self.q_value.reshape(shape), nothing, nothing, np.full(shape, threshold),
            self.status(threshold).reshape(shape), np.full(shape, self.rows.window),
        )  # fmt: skip

    def firing(self, rules: Sequence[Rule]) -> NDArray[np.bool_]:
        """Return where an alert is live under the rules, shape (windows, streams, features)."""
        result = np.zeros(self.value.shape, dtype=bool)
        declared = {"monitor": "streams", "owner": "team", "signals": {"inputs": {"type": "data_drift"}}}
        monitor = Monitor.parse(declared).model_copy(update={"rules": tuple(rules)})
        for track in evaluate(monitor, self.history(rules[0].fire or 0.0)).tracks:
            result |= track.live.reshape(result.shape)
        return result


def measured(
    rng: np.random.Generator,
    rows: Rows,
    drift: Mapping[str, Floats] | None = None,
    features: Sequence[str] = (),
    laws: Mapping[str, Law] = FEATURES,
) -> Measured:
    """Draw streams and measure their population stability index and its evidence.

    ``drift`` maps features to their shift in each window: in baseline sigma, or in share moved.
    """
    names = tuple(features or laws)
    still = np.zeros(rows.windows)
    drawn = [laws[name].counts(rng, rows, (drift or {}).get(name, still)) for name in names]
    value, p, buckets = (
        np.stack(part, axis=2) for part in zip(*(stability(counted) for counted in drawn), strict=True)
    )
    return Measured(rows, names, value, p, benjamini_hochberg(p), buckets)


def stability(counted: Counted) -> tuple[Floats, Floats, Counts]:
    """Return values, p-values and numbers of buckets, shape (windows, streams)."""
    b, p = np.broadcast_arrays(counted.baseline[None], counted.production)
    n, m = b.sum(axis=2), p.sum(axis=2)
    held = b + p > 0
    k = held.sum(axis=2)
    before, after = (
        np.where(held, (side + robust.JEFFREYS) / (total + robust.JEFFREYS * k)[..., None], 1.0)
        for side, total in ((b, n), (p, m))
    )
    value = ((after - before) * np.log(after / before)).sum(axis=2)
    p_value = np.where(k < 2, 1.0, special.chdtrc(np.maximum(k - 1, 1), value / (1 / n + 1 / m)))
    if counted.production_table is not None and counted.baseline_table is not None:
        b, p = np.broadcast_arrays(counted.baseline_table[None], counted.production_table)
    quantiles = counted.production_table is None
    sizes, scale = _sizes(b, p, quantiles)
    sparse = np.where(b + p > 0, sizes, np.inf).min(axis=2) < evidence.SMALLEST_EXPECTED * scale[..., 0]
    p_value[sparse] = _homogeneity(b[sparse], p[sparse], quantiles)
    return value, p_value, k


def _sizes(b: Counts, p: Counts, quantiles: bool) -> tuple[Floats, Floats]:
    """Return the rows that each bin stands for, and how many make one of the smaller sample."""
    n, m = b.sum(axis=-1, keepdims=True), p.sum(axis=-1, keepdims=True)
    sizes = b * ((n + m) / n) if quantiles else (b + p).astype(np.float64)
    return sizes, (n + m) / np.minimum(n, m) * (1 - 1e-9)


def _homogeneity(b: Counts, p: Counts, quantiles: bool) -> Floats:
    """Return p-values of tables, shape (tables, k) each, as `modelwatch.evidence.homogeneity` does of one."""
    sides = np.stack([b, p]).astype(np.float64)
    (n, m), held = sides.sum(axis=2), b + p > 0
    sizes, scale = _sizes(b, p, quantiles)
    fewest = evidence.SMALLEST_EXPECTED * scale
    if quantiles:
        fewest = np.maximum(fewest, evidence.SMALLEST_CUT * ((n + m) / n)[:, None])
    rare = np.where(sizes < evidence.LARGE * fewest, sizes, 0).sum(axis=1, keepdims=True)
    full = np.maximum(fewest, rare / evidence.RARE_GROUPS)
    pooling = (held.sum(axis=1) > 2) & (held & (sizes < fewest)).any(axis=1)
    large = (sizes >= evidence.LARGE * full) | ~pooling[:, None]
    # Bin j is group j of its own or joins the open one; a group is closed once it is full.
    tables = np.arange(len(b))
    open_, filled = np.full(len(b), -1), np.zeros(len(b))
    groups = np.zeros_like(sides)
    for j in range(b.shape[1]):
        joins = held[:, j] & ~large[:, j]
        begins = joins & ((open_ < 0) | (filled >= full[:, 0]))
        open_[begins], filled[begins] = j, 0.0
        filled[joins] += sizes[joins, j]
        groups[:, tables, np.where(joins, open_, j)] += sides[:, :, j]
    used = groups.sum(axis=0) > 0
    short = (open_ >= 0) & (filled < evidence.LEAST_EXPECTED * scale[:, 0]) & (used.sum(axis=1) > 2)
    result = np.ones(len(b))
    total = groups.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [
            np.where(
                used, (side - total * (rows / (n + m))[:, None]) ** 2 / (total * (rows / (n + m))[:, None]), 0
            )
            for side, rows in zip(groups, (n, m), strict=True)
        ]
    degrees = used.sum(axis=1) - 1
    result = special.chdtrc(np.maximum(degrees, 1), (parts[0] + parts[1]).sum(axis=1))
    # Two bins with too few rows for the limit law, and rows left over: left to the real thing.
    least = np.where(used, total, np.inf).min(axis=1) / scale[:, 0]
    for place in np.flatnonzero(
        (degrees < 1) | ((degrees == 1) & (least < evidence.SMALLEST_EXPECTED)) | short
    ):
        result[place] = _exactly(tuple(b[place].tolist()), tuple(p[place].tolist()), quantiles)
    return np.asarray(result)


@lru_cache(maxsize=1 << 16)
def _exactly(b: tuple[int, ...], p: tuple[int, ...], quantiles: bool) -> float:
    return evidence.homogeneity(np.array(b), np.array(p), quantiles=quantiles).p_value


def benjamini_hochberg(p: Floats) -> Floats:
    """Return q-values over the last axis, as `modelwatch.evidence.adjusted_p_values` does over one."""
    size = p.shape[-1]
    order = np.argsort(p, axis=-1)
    scaled = np.take_along_axis(p, order, -1) * size / np.arange(1, size + 1)
    adjusted = np.minimum(np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1], 1.0)
    result = np.empty_like(p)
    np.put_along_axis(result, order, adjusted, -1)
    return result

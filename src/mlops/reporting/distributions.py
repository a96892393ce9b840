"""A feature then and now: a histogram or shares of categories, from a measurement's buckets or profiles."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup

from mlops.reporting.drawing import path
from mlops.reporting.formats import bound, day, number
from mlops.reporting.units import Unit
from modelwatch.buckets import NEW, NULL, OTHER
from modelwatch.columns import Kind
from modelwatch.distributions import CategoricalDistribution, NumericDistribution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelwatch.arrays import FloatArray
    from modelwatch.column_profiles import ColumnProfile

__all__ = ["Distribution", "from_buckets", "from_profiles"]

MOST_CATEGORIES: Final = 12
_BARS: Final = 36
# Ends of the axis, as shares of the rows on either side: what lies beyond is counted in the outermost bars.
_ENDS: Final = (0.005, 0.995)
_QUARTILES: Final = (0.25, 0.5, 0.75)
_BUCKET: Final = re.compile(r"^\[(-inf|[-+.\de]+), (inf|[-+.\de]+)\)$")
_SPECIAL: Final = {NULL: "no value", OTHER: "all other categories", NEW: "new categories"}
_MOST_TICKS: Final = 6
_LARGEST_WHOLE: Final = 2.0**53
_TALL: Final = 1000
_HISTOGRAM: Final = Markup(
    '<svg class="histogram" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img">'
    "<title>Distribution of {} then and now</title><desc>{}</desc>{}</svg>"
)
_STEP: Final = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """Shares of one bucket; `special` marks what is no value of the data."""

    label: str
    then: float
    now: float
    special: bool = False


@dataclass(frozen=True, slots=True)
class Distribution:
    """What is drawn and told of a feature then and now.

    Attributes
    ----------
    kind
        ``histogram`` (equal widths), ``quantiles`` (buckets of the baseline's quantiles) or ``categories``.
    ticks
        Where labels stand below the axis, in percent, and what they say.
    quartiles
        Quartiles then and now in percent of the axis; None where they are not known.
    """

    kind: str
    bars: tuple[Bar, ...]
    rows_then: int
    rows_now: int
    ticks: tuple[tuple[float, str], ...] = ()
    quartiles: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    medians: tuple[str, str] | None = None
    more: int = 0

    @property
    def top(self) -> float:
        """Largest share, the height of the picture."""
        return max((max(bar.then, bar.now) for bar in self.bars), default=0.0) or 1.0

    @property
    def summary(self) -> str:
        """What the picture shows, in words."""
        moved = max(self.bars, key=lambda bar: abs(bar.now - bar.then), default=None)
        words = [f"median then {self.medians[0]}, now {self.medians[1]}"] if self.medians else []
        if moved is not None:
            then, now = number(moved.then, Unit.SHARE), number(moved.now, Unit.SHARE)
            words.append(f"largest change: {moved.label}, from {then} to {now} of the rows")
        return "; ".join(words)

    def picture(self, name: str) -> Markup:
        """Return the bars now and the outline then."""
        width = _STEP * len(self.bars)
        now = "".join(
            f"M{_STEP * i + 1} {_TALL}v-{round(_TALL * bar.now / self.top)}h{_STEP - 2}V{_TALL}z"
            for i, bar in enumerate(self.bars)
            if bar.now
        )
        heights = [_TALL - round(_TALL * bar.then / self.top) for bar in self.bars]
        then = f"M0 {_TALL}" + "".join(f"V{height}h{_STEP}" for height in heights) + f"V{_TALL}"
        bars = path("now", now) + path("then", then)
        return _HISTOGRAM.format(width, _TALL, name, self.summary, bars)


def from_buckets(details: Mapping[str, Any]) -> Distribution | None:
    """Return the distribution that the buckets of a drift measurement hold, None where there are none."""
    labels, before, after = (details.get(name) for name in ("buckets", "baseline", "production"))
    if not labels or before is None or after is None:
        return None
    rows_then, rows_now = sum(before), sum(after)
    then = [count / rows_then if rows_then else 0.0 for count in before]
    now = [count / rows_now if rows_now else 0.0 for count in after]
    matched = [_BUCKET.match(label) for label in labels if label != NULL]
    if not all(matched):
        return _categories(labels, then, now, rows_then, rows_now)
    bars = tuple(
        Bar(_SPECIAL.get(label, _interval(label)), b, p, label in _SPECIAL)
        for label, b, p in zip(labels, then, now, strict=True)
    )
    ticks = _bucket_ticks([match for match in matched if match is not None], len(bars))
    return Distribution("quantiles", bars, rows_then, rows_now, ticks)


def from_profiles(
    baseline: ColumnProfile | None, production: ColumnProfile | None, compared_as: str | None = None
) -> Distribution | None:
    """Return a column's distribution from its two profiles, None where they cannot be put side by side."""
    before = baseline.distribution(compared_as) if baseline is not None else None
    after = production.distribution(compared_as) if production is not None else None
    if isinstance(before, NumericDistribution) and isinstance(after, NumericDistribution):
        times = production is not None and production.kind is Kind.TIME
        return _histogram(before, after, times=times) if before.n and after.n else None
    if isinstance(before, CategoricalDistribution) and isinstance(after, CategoricalDistribution):
        return _counted(before, after) if before.rows and after.rows else None
    return None


def _histogram(before: NumericDistribution, after: NumericDistribution, *, times: bool) -> Distribution:
    sides = before, after
    write = _date if times else number
    edges = _edges(sides)
    low, high = float(edges[0]), float(edges[-1])
    single = not times and _whole(sides) and edges[1] - edges[0] == 1
    shares = [_shares(side, edges) for side in sides]
    bars = [
        Bar(bound(round(start + 0.5)) if single else f"{write(start)} to {write(end)}", then, now)
        for start, end, then, now in zip(edges.tolist(), edges[1:].tolist(), *shares, strict=False)
    ]
    width = len(bars)
    for label, name in (("no value", "missing"), ("infinite", "non_finite")):
        then, now = (getattr(side, name) / side.rows for side in sides)
        if then or now:
            bars.append(Bar(label, then, now, special=True))

    def percent(value: float) -> float:
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return round(100 * width / len(bars) * share, 1)

    at = np.linspace(low, high, 4).tolist() if times else _round_values(low, high)
    quartiles = tuple(tuple(percent(side.quantile(share)) for share in _QUARTILES) for side in sides)
    return Distribution(
        "histogram", tuple(bars), before.rows, after.rows,
        tuple((percent(value), _date(value) if times else bound(value)) for value in at),
        (quartiles[0], quartiles[1]), (write(before.quantile(0.5)), write(after.quantile(0.5))),
    )  # fmt: skip


def _edges(sides: Sequence[NumericDistribution]) -> FloatArray:
    """Return bars of equal width over all but the outermost values; of whole numbers, over whole numbers."""
    low = min(side.quantile(_ENDS[0]) for side in sides)
    high = max(side.quantile(_ENDS[1]) for side in sides)
    if _whole(sides):
        step = math.ceil((high - low + 1) / _BARS)
        return np.arange(low, high + step + 1, step, dtype=np.float64) - 0.5
    if low < high:
        return np.linspace(low, high, _BARS + 1)
    alone = max(0.5, abs(low) / 100)
    return np.array([low - alone, low + alone])


def _whole(sides: Sequence[NumericDistribution]) -> bool:
    """Tell whether every value is known to be a whole number, and small enough to count in ones."""
    values = [side.cells.edges()[0] for side in sides if side.cells.shift == 0]
    return len(values) == len(sides) and all(
        bool(np.all((np.mod(found, 1) == 0) & (np.abs(found) < _LARGEST_WHOLE))) for found in values
    )


def _shares(side: NumericDistribution, edges: FloatArray) -> list[float]:
    """Return the share of the rows in each bar; what lies beyond the ends is in the outermost ones."""
    lower, upper = side.cells.edges()
    middle = np.clip(lower / 2 + upper / 2, edges[0], edges[-1])
    counts, _ = np.histogram(middle, edges, weights=side.cells.counts)
    shares: list[float] = (counts / side.rows).tolist()
    return shares


def _date(microseconds: float) -> str:
    return day(datetime.fromtimestamp(microseconds / 1e6, tz=UTC))


def _round_values(low: float, high: float) -> list[float]:
    """Return three to seven round numbers inside a range."""
    size = 10.0 ** math.floor(math.log10((high - low) / 2))
    step = next(step for step in (size, 2 * size, 5 * size, 10 * size) if (high - low) / step <= _MOST_TICKS)
    first = math.ceil(low / step)
    return [step * position for position in range(first, math.floor(high / step) + 1)]


def _counted(before: CategoricalDistribution, after: CategoricalDistribution) -> Distribution:
    names = list(dict.fromkeys([*before.counts, *after.counts]))
    then = [before.counts.get(name, 0) / before.rows for name in names]
    now = [after.counts.get(name, 0) / after.rows for name in names]
    if before.missing or after.missing:
        names.append(NULL)
        then.append(before.missing / before.rows)
        now.append(after.missing / after.rows)
    return _categories(names, then, now, before.rows, after.rows)


def _categories(
    labels: Sequence[str], then: Sequence[float], now: Sequence[float], rows_then: int, rows_now: int
) -> Distribution:
    """Keep the most frequent categories on either side, and add up the rest."""
    bars = [
        Bar(_SPECIAL.get(label, label), b, p, label in _SPECIAL)
        for label, b, p in zip(labels, then, now, strict=True)
    ]
    bars.sort(key=lambda bar: (bar.special, -max(bar.then, bar.now)))
    plain = [bar for bar in bars if not bar.special]
    special = [bar for bar in bars if bar.special]
    rest = plain[MOST_CATEGORIES:]
    if rest:
        name = f"{len(rest)} rarer categories"
        special.insert(
            0, Bar(name, sum(bar.then for bar in rest), sum(bar.now for bar in rest), special=True)
        )
    return Distribution(
        "categories", (*plain[:MOST_CATEGORIES], *special), rows_then, rows_now, more=len(rest)
    )


def _bucket_ticks(buckets: Sequence[re.Match[str]], bars: int) -> tuple[tuple[float, str], ...]:
    """Label the edges between buckets, and a bucket that is a single value in its middle."""
    ticks = []
    for position, bucket in enumerate(buckets):
        low, high = _edge(bucket[1]), _edge(bucket[2])
        if low == high:
            ticks.append((position + 0.5, low))
        elif position + 1 < len(buckets) and _edge(buckets[position + 1][2]) != high:
            ticks.append((position + 1.0, high))
    every = math.ceil(len(ticks) / _MOST_TICKS) or 1
    return tuple((round(100 * at / bars, 1), text) for at, text in ticks[::every])


def _interval(label: str) -> str:
    match = _BUCKET.match(label)
    if match is None:
        return label
    low, high = _edge(match[1]), _edge(match[2])
    if match[1] == "-inf":
        return f"{high} and below" if _just_above_zero(match[2]) else f"below {high}"
    if match[2] == "inf":
        return f"above {low}" if _just_above_zero(match[1]) else f"{low} and above"
    if low == high:
        return low
    return f"above {low}, below {high}" if _just_above_zero(match[1]) else f"{low} to {high}"


def _just_above_zero(text: str) -> bool:
    """Tell whether an edge is the smallest number above zero: what ends a bucket that zero alone fills."""
    return 0 < abs(float(text)) < sys.float_info.min


def _edge(text: str) -> str:
    return bound(0.0 if _just_above_zero(text) else float(text))

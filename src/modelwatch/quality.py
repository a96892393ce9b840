"""Data quality of one column of production against its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.distributions import CategoricalDistribution, NumericDistribution
from modelwatch.intervals import two_rates_p_value, wilson
from modelwatch.metrics import AZUREML, CATEGORICAL, NUMERICAL, ROBUST, Metric
from modelwatch.occupancy import absence_p_value, repeated_rows
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.columns import Number

AZUREML_DECIMALS = 5
# Tukey's outer fences: 1 row in 430,000 of a normal distribution lies beyond them.
FENCE = 3.0
# One row has no range.
FEWEST_ROWS = 2
_LISTED = 20
# From here on doubles do not tell whole numbers apart.
_EXACT = 1 << 53


def measure_quality(
    metric: Metric, baseline: ColumnProfile, production: ColumnProfile, definition: str = ROBUST
) -> Measurement | None:
    """Measure one data-quality rate; None where it means nothing for this kind of column.

    Both columns hold the same kind of values (see `modelwatch.schema.conformed`).
    """
    measured = _COUNTS[metric.id](baseline, production)
    if measured is None:
        return None
    if not production.rows:
        note = "no rows in production"
        return Measurement(metric.id, definition, None, Status.NO_DATA, n_baseline=baseline.rows, note=note)
    if definition == ROBUST and measured.fewest > baseline.valid:
        note = f"the bounds are those of {baseline.valid} baseline rows: {measured.fewest} are needed for any"
        return Measurement(
            metric.id, definition, None, Status.INSUFFICIENT, n_baseline=baseline.rows,
            n_production=production.rows, count=measured.count, note=note,
        )  # fmt: skip
    rows = measured.rows or production.rows
    rate = measured.count / rows
    if definition == AZUREML:
        rate = round(rate, AZUREML_DECIMALS)
    before = measured.baseline_rate
    if before is None:
        before = measured.baseline / baseline.rows if baseline.rows else 0.0
    return Measurement(
        metric=metric.id,
        definition=definition,
        value=rate,
        p_value=_p_value(measured, baseline.rows, production.rows),
        n_baseline=baseline.rows,
        n_production=production.rows,
        interval=wilson(measured.count, rows),
        count=measured.count,
        bound=measured.doubt / rows,
        note=measured.note,
        details={"baseline_rate": before},
    )


def _p_value(measured: _Counted, n_baseline: int, n_production: int) -> float | None:
    if not n_baseline:
        return None
    if measured.p_value is not None:
        return measured.p_value
    compared = measured.baseline if measured.expected is None else measured.expected
    return two_rates_p_value(measured.count, n_production, compared, n_baseline)


def baseline_count(metric: Metric, baseline: ColumnProfile) -> int | None:
    """Return the baseline rows that evidence on a rate starts from; None where there are none to count."""
    counted = _COUNTS[metric.id](baseline, baseline)
    if counted is None or metric.id == "vanished_category_share":
        return None
    return counted.baseline if counted.expected is None else counted.expected


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted.

    ``count`` might be off by ``doubt`` rows. ``expected`` is what evidence compares it with where the
    baseline defines what is counted and so has none itself: its rows that would be counted if the others
    were the baseline. ``p_value`` is the evidence where two rates are not what is to be compared, ``rows``
    what the count is a share of where that is not the window, ``baseline_rate`` the baseline's share in as
    many rows as the window has where it depends on them.
    """

    count: int
    baseline: int
    note: str = ""
    doubt: float = 0.0
    expected: int | None = None
    p_value: float | None = None
    rows: int | None = None
    baseline_rate: float | None = None
    fewest: int = 0


def _nulls(baseline: ColumnProfile, production: ColumnProfile) -> _Counted:
    return _Counted(production.missing, baseline.missing)


def _type_errors(baseline: ColumnProfile, production: ColumnProfile) -> _Counted:
    return _Counted(production.type_errors, baseline.type_errors)


def _non_finite(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    if production.cells is None:
        return None
    return _Counted(production.non_finite, baseline.non_finite)


def _out_of_bounds(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    if production.out_of_range is not None:
        # A baseline profiled before its contract was drafted lies within it, but for its infinities.
        counted = baseline.out_of_range
        if counted is None:
            counted = baseline.non_finite if production.cells is not None else 0
        return _Counted(production.out_of_range, counted)
    if production.cells is not None:
        if baseline.minimum is None or baseline.maximum is None:
            return None
        outside, doubt = _beyond(production, baseline.minimum, baseline.maximum)
        note = "cells straddle the bounds: profile with a contract for the exact count" if doubt else ""
        # The least and the greatest row lie outside of all the others.
        extremes = min(2, baseline.valid)
        expected = baseline.non_finite + extremes
        return _Counted(
            outside + production.non_finite, baseline.non_finite, note, doubt, expected, fewest=FEWEST_ROWS
        )
    names = baseline.category_names
    if names is None or production.categories is None:
        return None
    known = set(names)
    strange = sum(rows for name, rows in production.categories.counts.items() if name not in known)
    before, after = _categories(baseline), _categories(production)
    once = _seen_once(before.counts) if before is not None else None
    p_value = _absence(after, before) if before is not None and after is not None else None
    outside = strange + production.categories.overflow
    return _Counted(outside, 0, expected=once, p_value=p_value, fewest=FEWEST_ROWS)


def _beyond(column: ColumnProfile, low: Number, high: Number) -> tuple[int, float]:
    """Return rows outside [low, high], and the most by which cells on the bounds leave that open.

    Whole numbers beyond 2**53 share the cell of the nearest double: those in the cell of a bound may lie on
    either side of it.
    """
    if column.cells is None or column.minimum is None or column.maximum is None:
        return 0, 0.0
    lower, upper = column.cells.edges()
    counts, positive = column.cells.counts, column.cells.keys > 0
    # The far edge of a cell is outside of it, the edge nearer to zero inside.
    below = (upper < low) | (positive & (upper == low) & (lower < low))
    above = lower > high
    outside = int(counts[below].sum() + counts[above].sum())
    straddles = np.zeros(counts.size, dtype=np.bool_)
    if column.minimum < low:
        straddles |= (lower < low) & (upper >= low)
        if column.integer and abs(low) >= _EXACT:
            straddles |= (lower <= low) & (upper >= low)
    if column.maximum > high:
        straddles |= (lower <= high) & (upper > high) & (upper > lower)
        if column.integer and abs(high) >= _EXACT:
            straddles |= (lower <= high) & (upper >= high)
    doubt = int(counts[straddles & ~below & ~above].sum())
    # The extremes are exact, and known to be outside.
    return max(outside, int(column.minimum < low) + int(column.maximum > high)), float(doubt)


def _unseen(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    known, found = _categories(baseline), _categories(production)
    if known is None or found is None:
        return None
    unseen = {name: rows for name, rows in found.counts.items() if name not in known.counts}
    return _Counted(
        sum(unseen.values()),
        0,
        _listing("unseen", unseen),
        expected=_seen_once(known.counts),
        p_value=_absence(found, known),
    )


def _vanished(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    """Count the baseline's rows in categories that production has not."""
    known, found = _categories(baseline), _categories(production)
    if known is None or found is None:
        return None
    gone = {name: rows for name, rows in known.counts.items() if name not in found.counts}
    p_value = _absence(known, found)
    note = _listing("vanished", gone)
    return _Counted(sum(gone.values()), 0, note, p_value=p_value, rows=known.rows)


def _absence(one: CategoricalDistribution, other: CategoricalDistribution) -> float:
    """Return the evidence that one side has too many rows in categories that the other has not."""
    if one.counts.keys() <= other.counts.keys():
        return 1.0
    names = [*one.counts, *(name for name in other.counts if name not in one.counts)]
    return absence_p_value(*([side.counts.get(name, 0) for name in names] for side in (one, other)))


def _seen_once(counts: Mapping[str, int]) -> int:
    """Count the categories of a single row: their share is about that of categories not seen yet.

    References
    ----------
    Good (1953), The population frequencies of species and the estimation of population parameters.
    """
    return sum(1 for rows in counts.values() if rows == 1)


def _categories(column: ColumnProfile) -> CategoricalDistribution | None:
    """Return all categories of a text column, None where they are not all known."""
    found = column.distribution(CATEGORICAL) if column.categories is not None else None
    return found if isinstance(found, CategoricalDistribution) and not found.overflow else None


def _listing(what: str, categories: dict[str, int]) -> str:
    if not categories:
        return ""
    first = sorted(categories, key=lambda name: (-categories[name], name))[:_LISTED]
    more = f" and {len(categories) - _LISTED} more" if len(categories) > _LISTED else ""
    return f"{what}: {', '.join(map(repr, first))}{more}"


def _outliers(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    reference = baseline.distribution(NUMERICAL)
    if not isinstance(reference, NumericDistribution) or not reference.n or production.cells is None:
        return None
    low, high = reference.quantile(0.25), reference.quantile(0.75)
    reach = FENCE * (high - low)
    if reach <= 0:
        return None
    outside, _ = _beyond(production, low - reach, high + reach)
    before, _ = _beyond(baseline, low - reach, high + reach)
    return _Counted(outside, before, f"beyond [{low - reach:.6g}, {high + reach:.6g}]")


def _duplicates(baseline: ColumnProfile, production: ColumnProfile) -> _Counted | None:
    """Count rows that repeat an earlier value.

    The more rows, the more of them do: of two throws of a die hardly one, of a hundred nearly all. So the
    larger side is compared as what samples of the smaller one's size would hold on average.
    """
    after = _repeated(production, production.rows)
    if after is None:
        return None
    count = round(after)
    overflow = production.categories is not None and production.categories.overflow
    note = "estimated from a sample of values" if overflow else ""
    n, m = baseline.rows, production.rows
    smaller = min(n, m)
    sides = [_repeated(side, smaller) for side in (baseline, production)] if smaller else [None, None]
    if sides[0] is None or sides[1] is None:
        return _Counted(count, 0, note)
    before, now = (held / smaller for held in sides if held is not None)
    if n != m:
        note = with_note(note, f"in {smaller} rows {now:.3g}, of the baseline {before:.3g}")
    p_value = two_rates_p_value(round(now * m), m, round(before * n), n)
    return _Counted(count, round(before * n), note, p_value=p_value, baseline_rate=before)


def _repeated(column: ColumnProfile, drawn: int) -> float | None:
    """Return how many of ``drawn`` rows repeat an earlier value, None where a profile cannot tell.

    Which categories a bounded profile keeps is decided by their hashes, so they are a fair sample of all,
    each with its true count: without repetitions the estimate is 0, not merely near it.
    """
    if column.cells is not None and column.cells.shift == 0:
        counts, total = column.cells.counts.tolist(), column.cells.total
    elif column.categories is not None:
        counts, total = list(column.categories.counts.values()), column.categories.total
    else:
        return None
    return repeated_rows(counts, total, min(drawn, total)) if total else 0.0


_COUNTS = {
    "null_value_rate": _nulls,
    "data_type_error_rate": _type_errors,
    "out_of_bounds_rate": _out_of_bounds,
    "non_finite_rate": _non_finite,
    "unseen_category_rate": _unseen,
    "vanished_category_share": _vanished,
    "outlier_rate": _outliers,
    "duplicate_rate": _duplicates,
}
PROFILED_QUALITY = tuple(name for name in _COUNTS if name != "duplicate_rate")

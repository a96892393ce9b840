"""Columns without a single value: nothing can be said of their type, range or distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelwatch.categories import CategoryCounts
from modelwatch.cells import Cells
from modelwatch.metrics import Family
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.metrics import Metric

# The baseline defines what these count, so that they mean nothing without its values.
_COUNTED_AGAINST = {
    "out_of_bounds_rate": ("cells", "categories"),
    "outlier_rate": ("cells",),
    "unseen_category_rate": ("categories",),
    "vanished_category_share": ("categories",),
}


def valueless(column: ColumnProfile) -> bool:
    """Tell whether all rows of a column are nulls, or there are none."""
    return column.rows == column.missing


def as_empty(column: ColumnProfile, like: ColumnProfile) -> ColumnProfile:
    """Return a column without values as one of another's kind: nulls are of every type."""
    return replace(
        column,
        kind=like.kind,
        type=like.type,
        integer=like.integer,
        cells=None if like.cells is None else Cells.empty(),
        categories=None if like.categories is None else CategoryCounts(),
    )


def unmeasurable(
    metric: Metric, baseline: ColumnProfile, production: ColumnProfile, definition: str
) -> Measurement | None:
    """Return the `no_data` of a metric that needs values that a side has not, None where it needs none."""
    empty = [
        side for side, column in (("baseline", baseline), ("production", production)) if valueless(column)
    ]
    if metric.family is not Family.DRIFT:
        held = _COUNTED_AGAINST.get(metric.id, ())
        bounded = metric.id == "out_of_bounds_rate" and production.out_of_range is not None
        counted = not production.rows or any(getattr(production, part) is not None for part in held)
        if "baseline" not in empty or bounded or not held or not counted:
            return None
        empty = ["baseline"]
    if not empty:
        return None
    return Measurement(
        metric.id,
        definition,
        None,
        Status.NO_DATA,
        n_baseline=baseline.valid,
        n_production=production.valid,
        note=f"no value in {' and '.join(empty)}",
    )

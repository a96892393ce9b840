"""Gaps between groups: how differently a model selects, finds and falsely accuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.evidence import homogeneity
from modelwatch.intervals import newcombe, wilson
from modelwatch.metrics import ROBUST
from modelwatch.performance.pairs import as_labels, label_name
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from modelwatch.arrays import BoolArray

SIGNAL = "fairness"
FEWEST_ROWS = 30


def fairness_gaps(
    group: Any,
    predicted: Any,
    truth: Any = None,
    *,
    positive: Any = 1,
    minimum_rows: int = FEWEST_ROWS,
    by: str | None = None,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Return the largest gaps between groups in selection rate and, with labels, in true and false positives.

    Parameters
    ----------
    group, predicted, truth
        Group, predicted class and true class of each row, shape ``(n,)``.
    positive
        The class that counts as selected.
    minimum_rows
        Groups with fewer rows that a rate is over are left out and named: their rates are noise.
    by
        Name of the grouping column, for the result.

    Returns
    -------
    list of Measurement
        One gap a rate with its interval (Newcombe), the chi-squared p-value over all groups, and each group's
        rate.
    """
    groups = as_labels(group)
    selected = _equals(predicted, positive)
    everyone = np.ones(groups.size, dtype=np.bool_)
    cases: list[tuple[str, BoolArray]] = [("selection_rate_gap", everyone)]
    if truth is not None:
        actual = _equals(truth, positive)
        known = np.array([label is not None for label in as_labels(truth)], dtype=np.bool_)
        cases += [("true_positive_rate_gap", actual & known), ("false_positive_rate_gap", ~actual & known)]
    return [
        _gap(metric, groups[over], selected[over], minimum_rows, by, definition) for metric, over in cases
    ]


def _equals(values: Any, positive: Any) -> BoolArray:
    name = label_name(positive)
    return np.array([label == name for label in as_labels(values)], dtype=np.bool_)


def _gap(  # noqa: PLR0917
    metric: str, groups: Any, selected: BoolArray, minimum_rows: int, by: str | None, definition: str
) -> Measurement:
    counts: dict[str, tuple[int, int]] = {}
    small: list[str] = []
    for name in sorted({label for label in groups if label is not None}):
        inside = groups == name
        n = int(np.count_nonzero(inside))
        if n < minimum_rows:
            small.append(name)
        else:
            counts[name] = int(np.count_nonzero(selected & inside)), n
    note = f"fewer than {minimum_rows} rows: {', '.join(small)}" if small else ""
    n_rows = sum(n for _, n in counts.values())
    if len(counts) < 2:
        return Measurement(
            metric, definition, None, Status.INSUFFICIENT, n_production=n_rows, feature=by, signal=SIGNAL,
            note=note or "at least two groups are needed",
        )  # fmt: skip
    rates = {name: hits / n for name, (hits, n) in counts.items()}
    high, low = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    table = np.array([[hits for hits, _ in counts.values()], [n - hits for hits, n in counts.values()]])
    varies = bool(table.sum(axis=1).all())
    return Measurement(
        metric,
        definition,
        rates[high] - rates[low],
        p_value=homogeneity(table[0], table[1]).p_value if varies else 1.0,
        n_production=n_rows,
        interval=newcombe(*counts[high], *counts[low]),
        feature=by,
        signal=SIGNAL,
        note=note,
        details={
            "rates": rates,
            "intervals": {name: list(wilson(hits, n)) for name, (hits, n) in counts.items()},
            "highest": high,
            "lowest": low,
        },
    )

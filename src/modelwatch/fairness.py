"""Gaps between groups: how differently a model selects, finds and falsely accuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.errors import SourceError
from modelwatch.evidence import homogeneity
from modelwatch.intervals import LEVEL, newcombe_range, wilson
from modelwatch.metrics import ROBUST
from modelwatch.performance.classes import declared_classes, positive_class, read_labels, unified
from modelwatch.performance.pairs import same_length
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import BoolArray
    from modelwatch.performance.classes import LabelColumn

SIGNAL = "fairness"
FEWEST_ROWS = 30
_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def fairness_gaps(
    group: Any,
    predicted: Any,
    truth: Any = None,
    *,
    positive: Any = None,
    known_classes: Iterable[Any] = (),
    minimum_rows: int = FEWEST_ROWS,
    by: str | None = None,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Return the largest gaps between groups in selection rate and, with labels, in true and false positives.

    Parameters
    ----------
    group, predicted, truth
        Group, predicted class and true class of each row, shape ``(n,)``. Rows without what a rate needs are
        left out and counted in the note: a missing prediction selects no one, and refuses no one either.
    positive, known_classes
        The class that counts as selected; see `modelwatch.performance.performance`.
    minimum_rows
        Groups with fewer rows that a rate is over are left out and named: their rates are noise.
    by
        Name of the grouping column, for the result.

    Returns
    -------
    list of Measurement
        One gap a rate with the chi-squared p-value over all groups, and each group's rate. Its interval is
        that of the range of all rates (see `modelwatch.intervals.newcombe_range`), and starts at 0 where the
        groups may be equal. ``schema_error`` where the classes do not tell which is positive.
    """
    names = [f"{rate}_gap" for rate in _RATES[: 1 if truth is None else None]]
    try:
        groups = read_labels(group)
        predictions, labels, known = unified(
            read_labels(predicted),
            read_labels([] if truth is None else truth),
            declared_classes(known_classes),
        )
        name = positive_class(positive, (predictions, labels, known))
    except SourceError as error:
        return [
            Measurement(
                metric, definition, None, Status.SCHEMA_ERROR, feature=by, signal=SIGNAL, note=str(error)
            )
            for metric in names
        ]
    same_length(groups.codes, predictions.codes)
    judged = groups.known & predictions.known
    # Rows that a rate is over, and those that lack what it needs.
    parts = [(judged, ~judged)]
    if truth is not None:
        same_length(labels.codes, predictions.codes)
        actual, known_both = labels.equals(name), judged & labels.known
        parts += [(known_both & actual, ~known_both), (known_both & ~actual, ~known_both)]
    selected = predictions.equals(name)
    never = predictions.names and name not in predictions.names
    note = f"the positive class {name!r} is never predicted" if never else ""
    return [
        _gap(metric, groups, selected, over, minimum_rows, by, definition).noting(
            with_note(note, _dropped(int(np.count_nonzero(missing)), labelled=metric != names[0]))
        )
        for metric, (over, missing) in zip(names, parts, strict=True)
    ]


def _dropped(rows: int, *, labelled: bool) -> str:
    needed = "group, prediction or label" if labelled else "group or prediction"
    return f"{rows} rows without {needed} left out" if rows else ""


def _gap(  # noqa: PLR0917
    metric: str,
    groups: LabelColumn,
    selected: BoolArray,
    over: BoolArray,
    minimum_rows: int,
    by: str | None,
    definition: str,
) -> Measurement:
    """Compare the share selected of the rows in ``over`` between groups."""
    rows = np.bincount(groups.codes[over], minlength=len(groups.names)).tolist()
    hits = np.bincount(groups.codes[over & selected], minlength=len(groups.names)).tolist()
    of_group = sorted(zip(groups.names, hits, rows, strict=True))
    counts = {name: (hit, n) for name, hit, n in of_group if n >= minimum_rows}
    small = [name for name, _, n in of_group if 0 < n < minimum_rows]
    note = f"fewer than {minimum_rows} rows: {', '.join(small)}" if small else ""
    n_rows = sum(n for _, n in counts.values())
    if len(counts) < 2:
        return Measurement(
            metric, definition, None, Status.INSUFFICIENT, n_production=n_rows, feature=by, signal=SIGNAL,
            note=with_note("at least two groups are needed", note),
            details={"rates": {name: hit / n for name, hit, n in of_group if n}},
        )  # fmt: skip
    rates = {name: hits / n for name, (hits, n) in counts.items()}
    high, low = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    table = np.array([[hits for hits, _ in counts.values()], [n - hits for hits, n in counts.values()]])
    p_value = homogeneity(table[0], table[1]).p_value if table.sum(axis=1).all() else 1.0
    least, most = newcombe_range(table[0], table.sum(axis=0))
    return Measurement(
        metric,
        definition,
        rates[high] - rates[low],
        p_value=p_value,
        n_production=n_rows,
        # Two tests of one question must not disagree.
        interval=(least if p_value < 1 - LEVEL else 0.0, most),
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

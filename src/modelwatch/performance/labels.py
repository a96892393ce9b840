"""Joining predictions to labels that come late: how many have come, and how late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.errors import SourceError
from modelwatch.intervals import wilson
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from modelwatch.rows import Condition

SIGNAL = "model_performance"


class LabelledRows(NamedTuple):
    """Predictions with their labels.

    Attributes
    ----------
    table
        Rows of the predictions that have a label, with the label's columns beside.
    asked
        Distinct predictions, labelled or not.
    duplicate_predictions, duplicate_labels
        Rows left out because their id occurred before; of several labels the last one counts.
    """

    table: pa.Table
    asked: pa.Table
    duplicate_predictions: int
    duplicate_labels: int

    @property
    def predictions(self) -> int:
        """Distinct predictions, labelled or not."""
        return int(self.asked.num_rows)

    def where(self, condition: Condition) -> LabelledRows:
        """Return the rows that meet a condition."""
        table, asked = (
            side.filter(condition.of(side.column(condition.column)))
            if condition.column in side.column_names
            else side.slice(0, 0)
            for side in (self.table, self.asked)
        )
        return self._replace(table=table, asked=asked)


def join_labels(predictions: pa.Table, labels: pa.Table, key: str) -> LabelledRows:
    """Join each prediction with its label by correlation id.

    A retried request is one prediction (the first), a corrected label one label (the last), so the join is
    one to one.

    Raises
    ------
    SourceError
        If a side lacks the key.
    """
    for side, table in (("predictions", predictions), ("labels", labels)):
        if key not in table.column_names:
            raise SourceError(
                "The correlation id is missing", where=side, expected=key, got=table.column_names
            )
    first, duplicate_predictions = once(predictions, key, keep="first")
    last, duplicate_labels = once(labels, key, keep="last")
    common = [name for name in last.column_names if name != key and name in first.column_names]
    # What both sides call the same is the label's, since it is the later knowledge.
    asked, first = first, first.drop_columns(common)
    left = first.set_column(first.column_names.index(key), key, first.column(key).cast(pa.string()))
    right = last.set_column(last.column_names.index(key), key, last.column(key).cast(pa.string()))
    positions = pc.index_in(left.column(key), value_set=right.column(key))
    matched = pc.is_valid(positions)
    rows = left.filter(matched)
    taken = right.drop_columns([key]).take(positions.filter(matched))
    for name in taken.column_names:
        rows = rows.append_column(name, taken.column(name))
    return LabelledRows(rows, asked, duplicate_predictions, duplicate_labels)


def once(table: pa.Table, key: str, *, keep: str) -> tuple[pa.Table, int]:
    """Return the first or last row of each key, in their order; rows without a key are left out."""
    held = table.filter(pc.is_valid(table.column(key)))
    codes = held.column(key).combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    if keep == "last":
        _, position = np.unique(codes[::-1], return_index=True)
        position = codes.size - 1 - position
    else:
        _, position = np.unique(codes, return_index=True)
    return held.take(pa.array(np.sort(position))), held.num_rows - position.size


def label_coverage(joined: LabelledRows, *, definition: str = ROBUST) -> Measurement:
    """Return the share of predictions that have a label."""
    n, labelled = joined.predictions, joined.table.num_rows
    if not n:
        return Measurement(
            "label_coverage", definition, None, Status.NO_DATA, signal=SIGNAL, note="no predictions"
        )
    notes = [
        f"{count} duplicate {what} left out"
        for count, what in (
            (joined.duplicate_predictions, "predictions"),
            (joined.duplicate_labels, "labels"),
        )
        if count
    ]
    return Measurement(
        "label_coverage",
        definition,
        labelled / n,
        n_production=n,
        count=labelled,
        interval=wilson(labelled, n),
        signal=SIGNAL,
        note="; ".join(notes),
    )


def label_lag(predicted_at: Any, labelled_at: Any, *, definition: str = ROBUST) -> Measurement:
    """Return the median time from prediction to label in seconds; both are UTC timestamps in microseconds."""
    lags = pc.divide(pc.subtract(labelled_at, predicted_at).cast(pa.int64()), 1_000_000)
    held = np.asarray(lags.drop_null().to_numpy())
    if not held.size:
        return Measurement(
            "label_lag_seconds", definition, None, Status.NO_DATA, signal=SIGNAL, note="no labels with a time"
        )
    return Measurement(
        "label_lag_seconds",
        definition,
        float(np.median(held)),
        n_production=held.size,
        signal=SIGNAL,
        details={"p95": float(np.quantile(held, 0.95))},
    )

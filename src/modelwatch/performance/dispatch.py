"""One entry for every performance metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from modelwatch.errors import SourceError, UsageError
from modelwatch.metrics import ROBUST, Family, metric
from modelwatch.performance import calibration, classification, probability, regression
from modelwatch.performance.classes import declared_classes, natural, positive_class, read_labels, unified
from modelwatch.performance.pairs import (
    label_pairs,
    label_sides,
    number_pairs,
    numbers_of,
    outcomes,
    probability_matrix,
    same_length,
)
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelwatch.arrays import FloatArray
    from modelwatch.columns import Kind
    from modelwatch.performance.classes import LabelColumn

SIGNAL = "model_performance"
# What callers may say beside truth and predictions, by family.
OPTIONS = {
    Family.CLASSIFICATION: ("average", "positive", "labels", "known_classes", "minimum_rows"),
    Family.PROBABILITY: ("positive", "labels", "known_classes", "minimum_rows"),
    Family.REGRESSION: ("minimum_rows",),
}


class _Binary(NamedTuple):
    """Outcomes and probabilities, shape ``(n,)``, without rows where either is missing."""

    truth: FloatArray
    probability: FloatArray
    dropped: int
    note: str


def performance(
    metric_id: str,
    truth: Any,
    predicted: Any,
    *,
    definition: str = ROBUST,
    average: str = "macro",
    positive: Any = None,
    labels: Sequence[Any] | None = None,
    known_classes: Iterable[Any] = (),
    minimum_rows: int = 1,
) -> Measurement:
    """Measure how well predictions match the truth.

    Parameters
    ----------
    truth
        Classes, or numbers for regression, shape ``(n,)``.
    predicted
        Classes, numbers, or probabilities of the positive class, shape ``(n,)``; or probabilities of each
        class, shape ``(n, c)``, in the order of ``labels``, else of the classes sorted.
    average
        See `modelwatch.performance.classification.score`.
    positive
        The class that probabilities, and the average ``binary``, are about; see
        `modelwatch.performance.classes.positive_class`.
    labels
        Classes to count in any case, such as one that a window happens not to hold.
    known_classes
        Classes of the baseline's labels, which help to tell the positive one and count for nothing else.
    minimum_rows
        Labelled rows below which the answer is `insufficient`.

    Returns
    -------
    Measurement
        ``schema_error`` where the data do not fit the metric: no numbers, probabilities beyond [0, 1], or
        classes that do not tell which is positive.

    Raises
    ------
    UsageError
        If lengths differ, or an option does not fit the metric.
    """
    family = metric(metric_id).family
    try:
        if family is Family.CLASSIFICATION:
            result = _classification(
                metric_id, truth, predicted, average=average, positive=positive, labels=labels,
                known=known_classes,
            )  # fmt: skip
        elif family is Family.REGRESSION:
            result = _regression(metric_id, truth, predicted)
        else:
            result = _probability(metric_id, truth, predicted, positive, labels, known_classes)
    except SourceError as error:
        result = Measurement(metric_id, ROBUST, None, Status.SCHEMA_ERROR, note=str(error))
    result = replace(result, definition=definition, signal=SIGNAL)
    if result.status is Status.OK and result.n_production < minimum_rows:
        return replace(result, status=Status.INSUFFICIENT).noting(f"{minimum_rows} labelled rows are needed")
    return result


def _classification(
    metric_id: str,
    truth: Any,
    predicted: Any,
    *,
    average: str,
    positive: Any,
    labels: Iterable[Any] | None,
    known: Iterable[Any],
) -> Measurement:
    if average not in ("macro", "binary"):
        raise UsageError("Unknown average", got=repr(average), expected="macro or binary")
    sides = label_sides(truth, predicted, labels, known)
    if not sides.truth.codes.size:
        return _empty(metric_id, sides.dropped)
    name = None
    if average == "binary" and metric_id != "accuracy":
        name = positive_class(positive, sides[:4])
    pairs = label_pairs(sides, *(() if name is None else (name,)))
    value, interval, note = classification.score(metric_id, pairs, positive=name)
    return Measurement(
        metric_id,
        ROBUST,
        value,
        n_production=pairs.truth.size,
        interval=interval,
        note=with_note(note, _dropped(pairs.dropped)),
        details={} if metric_id == "accuracy" else {"by_class": classification.by_class(metric_id, pairs)},
    )


def _regression(metric_id: str, truth: Any, predicted: Any) -> Measurement:
    numbers = number_pairs(truth, predicted)
    n = numbers.truth.size
    if not n:
        return _empty(metric_id, numbers.dropped)
    scored = regression.score(metric_id, numbers.truth, numbers.predicted)
    if scored is None:
        return _undefined(metric_id, n, "R² needs a truth that varies")
    note = _dropped(numbers.dropped)
    return Measurement(metric_id, ROBUST, scored[0], n_production=n, interval=scored[1], note=note)


def _probability(  # noqa: PLR0917
    metric_id: str,
    truth: Any,
    predicted: Any,
    positive: Any,
    labels: Sequence[Any] | None,
    known: Iterable[Any],
) -> Measurement:
    if metric_id not in _PROBABILITY_METRICS:
        raise UsageError(
            "This metric is estimated without labels", got=metric_id, next_step="see modelwatch.estimation"
        )
    column, listed, baseline = unified(
        read_labels(truth), declared_classes(() if labels is None else labels), declared_classes(known)
    )
    matrix = probability_matrix(predicted)
    if matrix is None:
        rows = _binary(column, numbers_of(predicted), positive, (listed, baseline))
    else:
        same_length(column.codes, matrix)
        classes = listed.names or _in_order({*column.names, *baseline.names}, column.kind, matrix.shape[1])
        if len(classes) != matrix.shape[1] or not set(column.names) <= set(classes):
            raise SourceError(
                "There is not one column of probabilities a class",
                got=f"{matrix.shape[1]} columns",
                expected=f"one for each of {', '.join(dict.fromkeys([*classes, *column.names]))}",
                next_step="name the classes in the order of the columns: labels=[…]",
            )
        if positive is None and len(classes) > 2 and metric_id == "log_loss":
            return _multinomial(column, matrix, classes)
        # Of two classes, the last one's probability says as much as the first one's.
        meant = classes[-1] if positive is None and len(classes) == 2 else positive
        of_classes = column._replace(names=classes, codes=column.codes[:0])
        name = positive_class(meant, (of_classes,))
        rows = _binary(column, matrix[:, classes.index(name)], name, (of_classes,))
    n = rows.truth.size
    if not n:
        return _empty(metric_id, rows.dropped)
    if metric_id != "roc_auc":
        _within_one(rows.probability)
    scored = _PROBABILITY_METRICS[metric_id](rows.truth, rows.probability)
    if scored is None:
        return _undefined(metric_id, n, with_note("one class only: no ranking to judge", rows.note))
    return Measurement(
        metric_id,
        ROBUST,
        scored.value,
        p_value=scored.p_value,
        n_production=n,
        interval=scored.interval,
        note=with_note(rows.note, _dropped(rows.dropped)),
    )


def _binary(
    truth: LabelColumn, probability_of: FloatArray, positive: Any, also: Iterable[LabelColumn]
) -> _Binary:
    same_length(truth.codes, probability_of)
    name = positive_class(positive, (truth, *also))
    outcome, known = outcomes(truth, name)
    kept = known & np.isfinite(probability_of)
    note = "" if name in truth.names or not truth.names else f"the positive class {name!r} has no row"
    return _Binary(outcome[kept], probability_of[kept], int(np.count_nonzero(~kept)), note)


def _in_order(names: set[str], kind: Kind, columns: int) -> tuple[str, ...]:
    """Return classes in the order in which models give their probabilities: sorted, numbers by size."""
    if columns == 2 and len(names) == 1 and names <= {"0", "1", "false", "true"}:
        return ("0", "1") if names <= {"0", "1"} else ("false", "true")
    return tuple(sorted(names) if kind == "text" else sorted(names, key=natural))


def _multinomial(truth: LabelColumn, matrix: FloatArray, classes: tuple[str, ...]) -> Measurement:
    """Return the log loss over all classes."""
    kept = truth.known & np.isfinite(matrix).all(axis=1)
    dropped = int(np.count_nonzero(~kept))
    if not kept.any():
        return _empty("log_loss", dropped)
    _within_one(matrix[kept])
    positions = np.array([classes.index(name) for name in truth.names], dtype=np.int64)[truth.codes[kept]]
    of_truth = matrix[kept][np.arange(positions.size), positions]
    scored = probability.log_loss(np.ones(positions.size), of_truth)
    return Measurement(
        "log_loss", ROBUST, scored.value, n_production=positions.size, interval=scored.interval,
        note=_dropped(dropped),
    )  # fmt: skip


def _within_one(probabilities: FloatArray) -> None:
    low, high = float(probabilities.min()), float(probabilities.max())
    if low < 0 or high > 1:
        raise SourceError("Probabilities must lie in [0, 1]", got=f"{low:.6g} to {high:.6g}")


def _empty(metric_id: str, dropped: int) -> Measurement:
    note = with_note("no row has both truth and prediction", _dropped(dropped))
    return Measurement(metric_id, ROBUST, None, Status.NO_DATA, note=note)


def _undefined(metric_id: str, n: int, note: str) -> Measurement:
    return Measurement(metric_id, ROBUST, None, Status.INSUFFICIENT, n_production=n, note=note)


def _dropped(rows: int) -> str:
    return f"{rows} rows without truth or prediction left out" if rows else ""


_PROBABILITY_METRICS: dict[str, Any] = {
    "roc_auc": probability.roc_auc_judged,
    "log_loss": probability.log_loss,
    "brier_score": probability.brier_score,
    "calibration_error": calibration.calibration_error,
}

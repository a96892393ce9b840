"""One entry for every performance metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwatch.errors import UsageError
from modelwatch.metrics import ROBUST, Family, metric
from modelwatch.performance import classification, probability, regression
from modelwatch.performance.pairs import as_labels, label_name, label_pairs, number_pairs
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from modelwatch.intervals import Interval

SIGNAL = "model_performance"


def performance(
    metric_id: str,
    truth: Any,
    predicted: Any,
    *,
    definition: str = ROBUST,
    average: str = "macro",
    positive: Any = None,
    labels: list[Any] | None = None,
    minimum_rows: int = 1,
) -> Measurement:
    """Measure how well predictions match the truth.

    Parameters
    ----------
    truth
        Classes, or numbers for regression, shape ``(n,)``. For metrics of probabilities the class, of which
        ``positive`` (by default the larger of two) counts as 1.
    predicted
        Classes, numbers, or probabilities of the positive class, shape ``(n,)``.
    average, positive, labels
        See `modelwatch.performance.classification.score` and `modelwatch.performance.pairs.label_pairs`.
    minimum_rows
        Labelled rows below which the answer is `insufficient`.

    Raises
    ------
    UsageError
        If lengths differ, or an option does not fit the metric.
    """
    family = metric(metric_id).family
    details: dict[str, Any] = {}
    if family is Family.CLASSIFICATION:
        pairs = label_pairs(truth, predicted, labels)
        if not pairs.truth.size:
            return _empty(metric_id, definition, pairs.dropped)
        name = None if positive is None else label_name(positive)
        value, interval, note = classification.score(metric_id, pairs, average=average, positive=name)
        n, dropped = pairs.truth.size, pairs.dropped
        if metric_id != "accuracy":
            details = {"by_class": classification.by_class(metric_id, pairs)}
    elif family is Family.REGRESSION:
        numbers = number_pairs(truth, predicted)
        n, dropped = numbers.truth.size, numbers.dropped
        if not n:
            return _empty(metric_id, definition, dropped)
        scored = regression.score(metric_id, numbers.truth, numbers.predicted)
        if scored is None:
            return _undefined(metric_id, definition, n, "R² needs a truth that varies")
        value, interval = scored
        note = ""
    else:
        return _probability(metric_id, truth, predicted, definition, positive, minimum_rows)
    result = _result(
        metric_id, definition, value, interval, n, with_note(note, _dropped(dropped)), minimum_rows
    )
    return replace(result, details=details)


def _probability(  # noqa: PLR0917
    metric_id: str, truth: Any, predicted: Any, definition: str, positive: Any, minimum_rows: int
) -> Measurement:
    classes = as_labels(truth)
    names = sorted({name for name in classes if name is not None})
    if positive is None and len(names) > 2:
        raise UsageError("Say which class is positive", where=metric_id, got=names)
    name = _positive_of(names) if positive is None else label_name(positive)
    outcome = [None if label is None else int(label == name) for label in classes]
    numbers = number_pairs(outcome, predicted)
    n = numbers.truth.size
    if not n:
        return _empty(metric_id, definition, numbers.dropped)
    p = numbers.predicted
    if metric_id != "roc_auc" and (p.min() < 0 or p.max() > 1):
        raise UsageError("Probabilities must lie in [0, 1]", where=metric_id, got=f"{p.min()} to {p.max()}")
    note = _dropped(numbers.dropped)
    scored: tuple[float, Interval | None] | None
    match metric_id:
        case "roc_auc":
            scored = probability.roc_auc(numbers.truth, p)
            if scored is None:
                return _undefined(metric_id, definition, n, "one class only: no ranking to judge")
        case "log_loss":
            scored = probability.mean_loss(probability.log_losses(numbers.truth, p))
        case "brier_score":
            scored = probability.mean_loss(probability.brier_losses(numbers.truth, p))
        case "calibration_error":
            scored = probability.calibration_error(numbers.truth, p)
        case _:
            raise UsageError(
                "This metric is estimated without labels",
                got=metric_id,
                next_step="see modelwatch.estimation",
            )
    return _result(metric_id, definition, scored[0], scored[1], n, note, minimum_rows)


def _positive_of(names: list[str]) -> str:
    """Return the larger of two classes; alone, a class is the positive one only if its name says so."""
    if len(names) == 1 and names[0] not in ("1", "true"):
        return "1"
    return names[-1] if names else "1"


def _result(  # noqa: PLR0917
    metric_id: str,
    definition: str,
    value: float,
    interval: Interval | None,
    n: int,
    note: str,
    minimum_rows: int,
) -> Measurement:
    few = n < minimum_rows
    return Measurement(
        metric_id,
        definition,
        value,
        Status.INSUFFICIENT if few else Status.OK,
        n_production=n,
        signal=SIGNAL,
        interval=interval,
        note=with_note(note, f"{minimum_rows} labelled rows are needed" if few else ""),
    )


def _empty(metric_id: str, definition: str, dropped: int) -> Measurement:
    note = with_note("no row has both truth and prediction", _dropped(dropped))
    return Measurement(metric_id, definition, None, Status.NO_DATA, signal=SIGNAL, note=note)


def _undefined(metric_id: str, definition: str, n: int, note: str) -> Measurement:
    return Measurement(
        metric_id, definition, None, Status.INSUFFICIENT, n_production=n, signal=SIGNAL, note=note
    )


def _dropped(rows: int) -> str:
    return f"{rows} rows without truth or prediction left out" if rows else ""

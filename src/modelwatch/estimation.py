"""Performance without labels: what well-calibrated probabilities say about themselves (CBPE).

If a model's 0.8 means 80 %, the expected confusion matrix of a window follows from its probabilities alone.
The estimate sees covariate drift; it cannot see a change in what the features *mean* for the outcome (concept
drift).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.errors import SourceError
from modelwatch.intervals import LEVEL
from modelwatch.metrics import ROBUST
from modelwatch.performance.classes import declared_classes, positive_class, read_labels, unified
from modelwatch.performance.pairs import numbers_of, outcomes, same_length
from modelwatch.performance.probability import area_under_curve
from modelwatch.results import Measurement, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import FloatArray

SIGNAL = "estimated_performance"
ESTIMATED = ("accuracy", "precision", "recall", "f1", "roc_auc")
_DRAWS = 200
_SEED = 20_240_229


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A monotone map from a model's scores to probabilities, straight between points, from ``rows``."""

    scores: FloatArray
    probabilities: FloatArray
    rows: int

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return calibrated probabilities, shape of ``scores``."""
        return np.interp(scores, self.scores, self.probabilities)


def calibrator(
    truth: Any, probability: Any, *, positive: Any = None, known_classes: Iterable[Any] = ()
) -> Calibrator | None:
    """Fit isotonic regression (pool adjacent violators) on labelled reference rows.

    Parameters
    ----------
    truth, probability
        Class and score of each row that the model was not trained on, shape ``(n,)``.
    positive, known_classes
        See `modelwatch.performance.performance`.

    Returns
    -------
    Calibrator or None
        None without any row that has both.

    Raises
    ------
    SourceError
        If the classes do not tell which is positive, or the scores are no numbers.
    """
    labels, known = unified(read_labels(truth), declared_classes(known_classes))
    outcome, has_class = outcomes(labels, positive_class(positive, (labels, known)))
    score = numbers_of(probability)
    same_length(outcome, score)
    kept = has_class & np.isfinite(score)
    if not kept.any():
        return None
    scores, group = np.unique(score[kept], return_inverse=True)
    weight = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, weights=outcome[kept]) / weight
    blocks: list[list[float]] = []
    for value, mass, score in zip(mean.tolist(), weight.tolist(), scores.tolist(), strict=True):
        blocks.append([value, mass, score, score])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            upper = blocks.pop()
            lower = blocks[-1]
            total = lower[1] + upper[1]
            lower[0] = (lower[0] * lower[1] + upper[0] * upper[1]) / total
            lower[1], lower[3] = total, upper[3]
    steps = [(edge, block[0]) for block in blocks for edge in dict.fromkeys((block[2], block[3]))]
    edges, values = zip(*steps, strict=True)
    return Calibrator(np.array(edges), np.array(values), int(kept.sum()))


def estimated_performance(
    probability: Any,
    *,
    threshold: float = 0.5,
    calibration: Calibrator | None = None,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Estimate accuracy, precision, recall, F1 and ROC AUC without labels, each with its error band.

    Parameters
    ----------
    probability
        Probabilities of the positive class, shape ``(n,)``.
    threshold
        Scores at or above it are predicted positive.
    calibration
        Makes the scores probabilities first.

    Returns
    -------
    list of Measurement
        ``interval`` holds 95 % of what the realised metric of such a window would be: sampling error, not
        model error. ``schema_error`` where the scores are no numbers, or without calibration no
        probabilities.

    References
    ----------
    Bialek, Kuberski, Perrakis and Bifet (2024), Estimating model performance under covariate shift without
    labels.
    """
    try:
        given = numbers_of(probability)
    except SourceError as error:
        return _unmeasured(definition, Status.SCHEMA_ERROR, str(error))
    scores = given[np.isfinite(given)]
    if not scores.size:
        return _unmeasured(definition, Status.NO_DATA, "no rows")
    if calibration is None and (scores.min() < 0 or scores.max() > 1):
        got = f"{scores.min():.6g} to {scores.max():.6g}"
        return _unmeasured(
            definition, Status.SCHEMA_ERROR, f"scores from {got} are no probabilities without calibration"
        )
    p = np.clip(calibration(scores) if calibration else scores, 0.0, 1.0)
    predicted = scores >= threshold
    generator = np.random.default_rng(_SEED)
    drawn = [_realised(generator.random(p.size) < p, predicted, scores) for _ in range(_DRAWS)]
    expected = _expected(p, predicted)
    results = []
    for name in ESTIMATED:
        values = np.array([draw[name] for draw in drawn])
        values = values[np.isfinite(values)]
        value = expected.get(name, float(values.mean()) if values.size else None)
        interval = None
        if values.size:
            low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            interval = (float(low), float(high))
        results.append(
            Measurement(
                f"estimated_{name}",
                definition,
                value,
                Status.OK if value is not None else Status.INSUFFICIENT,
                n_production=p.size,
                signal=SIGNAL,
                interval=interval,
                note="" if value is not None else "one class only is expected",
            )
        )
    return results


def estimated_from_reference(
    probability: Any,
    truth: Any,
    reference: Any,
    *,
    positive: Any = None,
    known_classes: Iterable[Any] = (),
    minimum: int = 0,
    threshold: float = 0.5,
    definition: str = ROBUST,
) -> list[Measurement]:
    """Estimate performance of scores that labelled reference rows make probabilities.

    Parameters
    ----------
    probability
        Scores of production, shape ``(n,)``.
    truth, reference
        Class and score of the reference rows, shape ``(m,)``.
    minimum
        Labelled reference rows below which an estimate is ``insufficient``.
    positive, known_classes, threshold
        See `calibrator` and `estimated_performance`.
    """
    try:
        fitted = calibrator(truth, reference, positive=positive, known_classes=known_classes)
    except SourceError as error:
        return _unmeasured(definition, Status.SCHEMA_ERROR, str(error))
    labelled = fitted.rows if fitted is not None else 0
    if labelled < minimum:
        note = f"{minimum} labelled rows of the baseline are needed, it has {labelled}"
        return _unmeasured(definition, Status.INSUFFICIENT, note)
    if fitted is not None and fitted.probabilities[0] == fitted.probabilities[-1] in (0.0, 1.0):
        return _unmeasured(definition, Status.INSUFFICIENT, "the reference rows hold one class only")
    results = estimated_performance(
        probability, threshold=threshold, calibration=fitted, definition=definition
    )
    if fitted is not None:
        return results
    return [result.noting("scores taken as they are: no reference row has a label") for result in results]


def _unmeasured(definition: str, status: Status, note: str) -> list[Measurement]:
    return [
        Measurement(f"estimated_{name}", definition, None, status, signal=SIGNAL, note=note)
        for name in ESTIMATED
    ]


def _expected(p: FloatArray, predicted: Any) -> dict[str, float]:
    hits, claimed, actual = float(p[predicted].sum()), float(predicted.sum()), float(p.sum())
    return {
        "accuracy": float(np.where(predicted, p, 1 - p).mean()),
        "precision": hits / claimed if claimed else 0.0,
        "recall": hits / actual if actual else 0.0,
        "f1": 2 * hits / (claimed + actual) if claimed + actual else 0.0,
    }


def _realised(outcome: Any, predicted: Any, scores: FloatArray) -> dict[str, float]:
    truth = outcome.astype(np.float64)
    return {**_expected(truth, predicted), "roc_auc": area_under_curve(truth, scores)}

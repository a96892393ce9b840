"""The metrics that the gate decides on: their direction, and their value under row weights.

Each metric takes a matrix of row weights, one resample a row, so that a bootstrap is a few array
operations and not thousands of calls. Weights of one give the plain value.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["METRICS", "Array", "Metric"]

Array = NDArray[np.float64]

_CALIBRATION_BINS = 10
# scikit-learn's own limit for float64: a forecast of exactly 0 or 1 that is wrong would cost infinity.
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of probabilities against labels of 0 and 1.

    Parameters
    ----------
    name
        As in `usecase.yaml`.
    higher_is_better
        Its direction.
    weighted
        Function of labels (n,), probabilities (n,) and weights (resamples, n) to values (resamples,); NaN
        where a resample does not define the metric.
    """

    name: str
    higher_is_better: bool
    weighted: Callable[[Array, Array, Array], Array]

    def value(self, labels: Array, probabilities: Array) -> float:
        """Return the metric of all rows."""
        return float(self.weighted(labels, probabilities, np.ones((1, len(labels))))[0])

    def degradation(self, challenger: Any, champion: Any) -> Any:
        """Return how much worse the challenger is; positive is worse, in the metric's own unit."""
        return champion - challenger if self.higher_is_better else challenger - champion


def _mean(losses: Array, weights: Array) -> Array:
    mean: Array = weights @ losses / weights.sum(axis=1)
    return mean


def _log_loss(labels: Array, probabilities: Array, weights: Array) -> Array:
    clipped = np.clip(probabilities, _EPSILON, 1 - _EPSILON)
    return _mean(-np.where(labels == 1, np.log(clipped), np.log1p(-clipped)), weights)


def _brier_score(labels: Array, probabilities: Array, weights: Array) -> Array:
    return _mean((probabilities - labels) ** 2, weights)


def _calibration_error(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Return the expected calibration error over bins of equal count (Naeini et al. 2015).

    The bins are those of all rows, in every resample: the question is how sure the error of this partition
    is, not how the partition would move.
    """
    edges = np.quantile(probabilities, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1])
    order = np.argsort(probabilities, kind="stable")
    bins = np.searchsorted(edges, probabilities[order], side="right")
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    surplus = np.add.reduceat(weights[:, order] * (labels - probabilities)[order], starts, axis=1)
    error: Array = np.abs(surplus).sum(axis=1) / weights.sum(axis=1)
    return error


def _roc_auc(labels: Array, probabilities: Array, weights: Array) -> Array:
    """Return the share of pairs of a positive and a negative row that are ranked right; ties count half."""
    order = np.argsort(probabilities, kind="stable")
    # Rows of equal probability are one step of the ROC curve.
    starts = np.flatnonzero(np.diff(probabilities[order], prepend=-np.inf))
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - labels[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    right = (positive * (below + negative / 2)).sum(axis=1)
    share: Array = np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return share


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("roc_auc", higher_is_better=True, weighted=_roc_auc),
            Metric("log_loss", higher_is_better=False, weighted=_log_loss),
            Metric("brier_score", higher_is_better=False, weighted=_brier_score),
            Metric("calibration_error", higher_is_better=False, weighted=_calibration_error),
        )
    }
)

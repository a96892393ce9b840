"""Drift of feature attributions: whether the model still ranks features as it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.errors import UsageError
from modelwatch.metrics import ROBUST
from modelwatch.results import Measurement, Status, with_note

if TYPE_CHECKING:
    from modelwatch.arrays import AnyArray, FloatArray

NDCG = "normalized_discounted_cumulative_gain"


def ndcg(relevance: FloatArray, scores: FloatArray) -> float:
    """Return the normalised discounted cumulative gain of ranking by ``scores``, linear gain, log2 discount.

    Features with equal scores share the average of their gains, as `sklearn.metrics.ndcg_score` has it.

    Parameters
    ----------
    relevance, scores
        Importance of each feature then and now, shape ``(f,)``, not all of ``relevance`` zero.
    """
    discount = 1 / np.log2(np.arange(relevance.size) + 2)
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    gain = np.bincount(group, weights=relevance) / sizes
    ends = np.cumsum(sizes)
    discounts = np.concatenate([[0.0], np.cumsum(discount)])
    shared = discounts[ends] - discounts[ends - sizes]
    best = float(np.sum(np.sort(relevance)[::-1] * discount))
    return float(np.sum(gain * shared)) / best


def attribution_drift(baseline: Any, production: Any, *, definition: str = ROBUST) -> Measurement:
    """Compare feature importances by NDCG: baseline importances as relevance, production's as ranking.

    Parameters
    ----------
    baseline, production
        Importances by feature (a mapping or a pandas Series), or in one order (a sequence). Signs do not
        matter; a feature that one side lacks, or that has no number, counts 0.
    """
    before, after, notes = _aligned(baseline, production)
    if not before.size or not before.any() or not after.any():
        note = with_note(notes, "all importances are zero")
        return Measurement(NDCG, definition, None, Status.NO_DATA, signal="feature_attribution", note=note)
    return Measurement(
        NDCG,
        definition,
        ndcg(before, after),
        n_baseline=before.size,
        n_production=after.size,
        signal="feature_attribution",
        note=notes,
    )


def _aligned(baseline: Any, production: Any) -> tuple[FloatArray, FloatArray, str]:
    one, two = _named(baseline), _named(production)
    if one is None and two is None:
        before, after = (_numbered(side) for side in (baseline, production))
        if before.shape != after.shape:
            raise UsageError(
                "Importances without names must have one shape", got=f"{before.shape} and {after.shape}"
            )
    elif one is None or two is None:
        raise UsageError("Importances of one side have names, those of the other none")
    else:
        names = list(dict.fromkeys([*one, *two]))
        before = np.array([one.get(name, 0.0) for name in names], dtype=np.float64)
        after = np.array([two.get(name, 0.0) for name in names], dtype=np.float64)
    unknown = int(np.count_nonzero(~np.isfinite(before)) + np.count_nonzero(~np.isfinite(after)))
    note = f"{unknown} importances are no numbers and count as 0" if unknown else ""
    finite = (np.abs(np.where(np.isfinite(side), side, 0.0)) for side in (before, after))
    return next(finite), next(finite), note


def importance_of(importances: Any) -> dict[str, float]:
    """Return the importance of each feature by its name.

    Raises
    ------
    UsageError
        If features have no names, or importances are no numbers.
    """
    named = _named(importances)
    if named is None:
        raise UsageError(
            "Importances need the names of their features",
            got=type(importances).__name__,
            expected="a mapping from feature to importance, or a pandas Series",
        )
    return {name: value if np.isfinite(value) else 0.0 for name, value in named.items()}


def _named(importances: Any) -> dict[str, float] | None:
    # A frame has an index too, and is no list of importances.
    if (
        hasattr(importances, "to_dict")
        and hasattr(importances, "index")
        and not hasattr(importances, "columns")
    ):
        importances = importances.to_dict()
    if not isinstance(importances, Mapping):
        return None
    return {str(name): _number(value, str(name)) for name, value in importances.items()}


def _numbered(importances: Any) -> FloatArray:
    """Return importances without names, shape ``(f,)``, NaN where one is missing."""
    if isinstance(importances, (str, bytes)) or not isinstance(importances, (Iterable, np.ndarray)):
        raise UsageError("Importances must be a list", got=repr(importances)[:80])
    listed = importances.tolist() if isinstance(importances, np.ndarray) else list(importances)
    return np.array([_number(value, str(place)) for place, value in enumerate(listed)], dtype=np.float64)


def _number(value: Any, where: str) -> float:
    """Return an importance as a float, NaN for a missing one."""
    try:
        return float("nan") if value is None or type(value).__name__ == "NAType" else float(value)
    except (TypeError, ValueError):
        raise UsageError("An importance is no number", where=where, got=repr(value)[:80]) from None


def permutation_importance(
    predict: Callable[[Any], AnyArray],
    frame: Any,
    loss: Callable[[AnyArray], float],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Return how much the loss grows when one feature's values are shuffled among the rows.

    Parameters
    ----------
    predict
        Maps a pandas frame like ``frame`` to predictions.
    frame
        The features, rows by columns.
    loss
        Maps predictions (in the order of ``frame``) to a number, smaller is better. To measure without
        labels, let it be the distance from the predictions for the unshuffled frame.
    """
    generator = np.random.default_rng(seed)
    reference = loss(predict(frame))
    importances: dict[str, float] = {}
    for name in frame.columns:
        shuffled = frame.copy()
        losses = []
        for _ in range(repeats):
            shuffled[name] = frame[name].to_numpy()[generator.permutation(len(frame))]
            losses.append(loss(predict(shuffled)))
        importances[str(name)] = float(np.mean(losses) - reference)
    return importances


def tree_shap(model: Any, features: Any) -> dict[str, float]:
    """Return the mean absolute SHAP value of each feature of a tree model, by the ``shap`` package.

    Parameters
    ----------
    model
        Any model that ``shap.TreeExplainer`` knows.
    features
        Rows to explain, a pandas frame.

    Raises
    ------
    UsageError
        If ``shap`` is not installed.
    """
    try:
        shap = import_module("shap")
    except ImportError as error:
        raise UsageError(
            "Tree SHAP needs the package shap", next_step="install shap, or use permutation_importance"
        ) from error
    values = np.abs(np.asarray(shap.TreeExplainer(model).shap_values(features), dtype=np.float64))
    # Some versions return one matrix a class, before or after the other axes.
    axes = tuple(axis for axis, size in enumerate(values.shape) if size != len(features.columns))
    return dict(zip(map(str, features.columns), values.mean(axis=axes).tolist(), strict=True))


def linear_shap(coefficients: FloatArray, features: FloatArray, background: FloatArray) -> FloatArray:
    """Return the mean absolute SHAP value of each feature of a linear model; exact for independent features.

    Parameters
    ----------
    coefficients
        Shape ``(f,)``.
    features, background
        Rows to explain and rows that define the average, shapes ``(n, f)`` and ``(m, f)``.
    """
    return np.asarray(np.mean(np.abs((features - background.mean(axis=0)) * coefficients), axis=0))

"""What a declared signal may ask for: metrics of its own type, bounds that are numbers, each once."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any

from modelwatch.errors import UsageError
from modelwatch.metrics import AZUREML, METRICS, SHORT_NAMES, Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PERFORMANCE = (Family.CLASSIFICATION, Family.PROBABILITY, Family.REGRESSION)
_FAMILIES: dict[str, tuple[Family, ...]] = {
    "data_drift": (Family.DRIFT,),
    "prediction_drift": (Family.DRIFT,),
    "data_quality": (Family.QUALITY,),
    "feature_attribution_drift": (Family.ATTRIBUTION,),
    "model_performance": _PERFORMANCE,
    "estimated_performance": (Family.PROBABILITY,),
    "fairness": (Family.FAIRNESS,),
    "multivariate_drift": (Family.MULTIVARIATE,),
    "training_serving_skew": (Family.SKEW,),
    "operations": (Family.OPERATIONS,),
}
# Measured where predictions are joined to labels, not where columns are counted.
_OF_LABELS = ("label_coverage", "label_lag_seconds")


def metrics_of(signal_type: str) -> list[str]:
    """Return the ids of the metrics that a type of signal can measure."""
    names = [name for name, entry in METRICS.items() if entry.family in _FAMILIES[signal_type]]
    names = [name for name in names if name not in _OF_LABELS]
    if signal_type == "model_performance":
        return [name for name in names if not name.startswith("estimated_")] + [*_OF_LABELS]
    if signal_type == "estimated_performance":
        return [name for name in names if name.startswith("estimated_")]
    return names


def number_of(written: Any, where: str) -> float:
    """Return a bound that a declaration gives as a number, or as a text that spells one.

    Raises
    ------
    UsageError
        If it is none, or not finite: such a bound would never be crossed.
    """
    number = math.nan
    if isinstance(written, (int, float, str)) and not isinstance(written, bool):
        try:
            number = float(written)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise UsageError("A bound is no number", where=where, got=repr(written), expected="such as 0.1")
    return number


def check_thresholds(signal_type: str, thresholds: Mapping[str, Any]) -> None:
    """Refuse thresholds of metrics that a signal does not measure, or that it names twice.

    Raises
    ------
    ValueError
        For the first that is wrong, its key in front.
    """
    known = metrics_of(signal_type)
    seen: dict[str, str] = {}
    for key in thresholds:
        name = SHORT_NAMES.get(key, key)
        if name not in METRICS:
            raise ValueError(f"`{key}` is no metric and no key of a signal; expected {nearest(key, known)}")
        if name not in known:
            raise ValueError(
                f"`{key}` is nothing that a signal of type {signal_type} measures; "
                f"expected {nearest(key, known)}"
            )
        if name in seen:
            raise ValueError(f"`{key}` and `{seen[name]}` are one metric; expected one bound for it")
        seen[name] = key


def check_drift_metrics(key: str, named: Iterable[str], kind: str, definition: str | None = None) -> None:
    """Refuse metrics that do not compare columns of a kind.

    Parameters
    ----------
    key
        Of the declaration, for the message.
    kind
        ``numerical`` or ``categorical``.
    definition
        Refuse what this one does not define for the kind; None accepts what any does.

    Raises
    ------
    ValueError
        For the first that is wrong, its key in front.
    """
    entries = (METRICS[name] for name in metrics_of("data_drift"))
    known = [
        entry.id
        for entry in entries
        if kind in (entry.azureml_kinds if definition == AZUREML else entry.kinds)
    ]
    for name in named:
        if SHORT_NAMES.get(name, name) not in known:
            under = f" under {definition}" if definition else ""
            raise ValueError(
                f"`{key}` names {name!r}, which does not compare {kind} columns{under}; "
                f"expected {nearest(name, known)}"
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what could have been meant by the name of a metric: the nearest, long or short."""
    names = list(known)
    spelled = [*names, *(short for short, full in SHORT_NAMES.items() if full in names)]
    near = difflib.get_close_matches(name, spelled, n=1, cutoff=0.5)
    return repr(near[0]) if near else f"one of {', '.join(sorted(names))}"

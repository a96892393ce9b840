"""Performance of the model, and whatever else is measured of the whole rather than of a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.reporting.figures import ALPHA, Figure, figure
from modelwatch.metrics import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.reporting.incidents import Incident
    from mlops.reporting.timeline import Series, Timeline

__all__ = ["PERFORMANCE", "performance_of", "whole_of"]

PERFORMANCE: Final = (Family.CLASSIFICATION, Family.PROBABILITY, Family.REGRESSION)
_LABELS: Final = ("label_coverage", "label_lag_seconds")


def performance_of(
    timeline: Timeline, incidents: Sequence[Incident] = (), alphas: Mapping[str, float] | None = None
) -> tuple[Figure, ...]:
    """Return a figure for each metric of performance, the judged ones first, labels last."""
    found = [one for one in timeline.overall() if one.family in PERFORMANCE or one.metric in _LABELS]
    found.sort(key=lambda one: (one.metric in _LABELS, not one.judged))
    return _figures("performance", found, incidents, alphas)


def whole_of(
    timeline: Timeline, incidents: Sequence[Incident] = (), alphas: Mapping[str, float] | None = None
) -> tuple[Figure, ...]:
    """Return a figure for what else is measured of all rows together: volume, attributions, operations."""
    found = [
        one
        for one in timeline.overall()
        if one.feature is None
        and one.family not in (*PERFORMANCE, Family.FAIRNESS)
        and one.metric not in _LABELS
    ]
    found.sort(key=lambda one: not one.judged)
    return _figures("whole", found, incidents, alphas)


def _figures(
    prefix: str,
    found: Sequence[Series],
    incidents: Sequence[Incident],
    alphas: Mapping[str, float] | None,
) -> tuple[Figure, ...]:
    return tuple(
        figure(
            f"{prefix}-{position + 1}",
            series,
            alpha=(alphas or {}).get(series.signal, ALPHA),
            incidents=incidents,
        )
        for position, series in enumerate(found)
    )

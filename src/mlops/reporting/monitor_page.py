"""The page of one monitor as HTML, with the numbers that its script shows on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.reporting.drawing import CELLS
from mlops.reporting.features import THRESHOLD_AT
from mlops.reporting.figures import series_data
from mlops.reporting.levels import Level
from mlops.reporting.rendering import render
from mlops.reporting.rules import RULE_HEADINGS
from mlops.reporting.view import MonitorView, Subject, view

if TYPE_CHECKING:
    from mlops.reporting.distributions import Distribution

__all__ = ["KINDS", "monitor_page", "page_of"]

# Sign of each level and of each state of an alert; `parts.html.j2` draws them.
KINDS: Final = {
    Level.ABSENT: "info",
    Level.CALM: "calm",
    Level.NO_DATA: "unknown",
    Level.INSUFFICIENT: "unknown",
    Level.NEAR: "calm",
    Level.UNPROVEN: "watch",
    Level.BREACH: "breach",
    Level.DOUBLE: "breach",
    Level.ERROR: "error",
}
_STATES: Final = {
    "firing": "breach",
    "recovering": "watch",
    "pending": "watch",
    "resolved": "fine",
    "inactive": "calm",
    "error": "error",
    "no_data": "unknown",
    "insufficient": "unknown",
}


def monitor_page(subject: Subject) -> str:
    """Return the page: one file that needs nothing else."""
    return page_of(view(subject))


def page_of(page: MonitorView, *, index: str | None = None) -> str:
    """Return the page of a view; ``index`` is the address of the page that lists all monitors."""
    seen = {level for feature in page.features for level in feature.levels}
    key = [(*CELLS[level], level.words) for level in Level if level in CELLS and level in seen]
    return render(
        "monitor.html.j2",
        page=page,
        index=index,
        data=_data(page),
        kinds=KINDS,
        states=_STATES,
        key=key,
        rule_headings=RULE_HEADINGS,
        threshold_at=THRESHOLD_AT,
    )


def _data(page: MonitorView) -> dict[str, Any]:
    """Return what the script needs, compact: without a history the page shows every number as it is."""
    figures = [*(one for feature in page.features for one in feature.figures), *page.performance, *page.whole]
    return {
        "windows": page.windows,
        "words": {level.value: level.words for level in Level},
        "features": {
            feature.anchor: {
                "name": feature.name,
                "levels": "".join(feature.levels),
                "series": feature.primary.key if feature.primary else None,
            }
            for feature in page.features
        },
        "series": {} if page.lone else {one.key: series_data(one.series) for one in figures},
        "shapes": {
            f"{feature.anchor}-shape": _bars(feature.distribution)
            for feature in page.features
            if feature.distribution is not None and feature.distribution.kind != "categories"
        },
    }


def _bars(distribution: Distribution) -> list[list[Any]]:
    return [[bar.label, float(f"{bar.then:.3g}"), float(f"{bar.now:.3g}")] for bar in distribution.bars]

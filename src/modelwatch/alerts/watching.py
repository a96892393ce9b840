"""One window's results taken into the store: what the run of a monitor ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwatch.alerts.advancing import advance
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.history import History, window_of
from modelwatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelwatch.alerts.journal import Event
    from modelwatch.alerts.store import AlertStore, Recorded
    from modelwatch.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run added.

    Attributes
    ----------
    recorded
        What became of the window.
    alerts
        Rows of the alerts that are not inactive after it, for ``results.json``.
    told
        New events that people are to hear of.
    """

    recorded: Recorded
    alerts: list[dict[str, Any]]
    told: Sequence[Event]


def watch(
    store: AlertStore,
    monitor: Monitor,
    results: Mapping[str, Any],
    *,
    now: datetime,
    importances: Mapping[str, float] | None = None,
) -> Watched:
    """Record a window, fold the rules over the history, and journal what is new.

    One transaction: a run that is killed leaves all of it or nothing, and can be repeated.

    Raises
    ------
    UsageError
        If the results are another monitor's, have no window, or one that overlaps another.
    """
    if results["monitor"] != monitor.monitor:
        raise UsageError(
            "The results are another monitor's", got=results["monitor"], expected=monitor.monitor
        )
    window = window_of(results)
    with store.transaction():
        recorded = store.record(results, now=now)
        told = advance(store, monitor, now=now, importances=importances)
        evaluation = evaluate(monitor, store.history(monitor.monitor))
    position = [each.start for each in evaluation.history.windows].index(window.start)
    return Watched(recorded, evaluation.alerts(position), told)


def alerts_of(monitor: Monitor, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the alerts of a window that stands alone, with no history before it."""
    return evaluate(monitor, History.of([results])).alerts()

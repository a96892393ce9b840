"""From a store to what a page tells: history, incidents as they stand now, alerts, silences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops.reporting.timeline import Timeline
from mlops.reporting.view import Subject
from modelwatch.alerts.advancing import cause_of, declared
from modelwatch.alerts.causes import ranked
from modelwatch.alerts.evaluation import Evaluation, evaluate
from modelwatch.alerts.incidents import Incident, incidents
from modelwatch.alerts.operating import silences

if TYPE_CHECKING:
    from datetime import datetime

    from modelwatch.alerts.store import AlertStore

__all__ = ["subject_of"]


def subject_of(store: AlertStore, monitor: str, *, now: datetime, upto: str | None = None) -> Subject:
    """Return what is known of a monitor.

    Parameters
    ----------
    upto
        Start of the window that the page is about, ISO 8601; the latest by default. A window that was
        evaluated late is shown with what came before it.
    """
    history = store.history(monitor)
    starts = [window.to_dict()["start"] for window in history.windows]
    if upto is not None:
        history = history.upto(starts.index(upto) + 1)
    latest = store.results(monitor, history.windows[-1]) if history.windows else None
    declaration = declared(store, monitor)
    evaluation = evaluate(declaration, history) if declaration is not None and history.windows else None
    return Subject(
        timeline=Timeline.of_history(history, latest),
        monitor=declaration,
        incidents=[
            _current(store, incident, evaluation)
            for incident in incidents(store, monitor)
            if upto is None or incident.opened <= upto
        ],
        alerts=evaluation.alerts() if evaluation is not None else [],
        silences=[silence.to_dict() for silence in silences(store, monitor, now=now)],
    )


def _current(store: AlertStore, incident: Incident, evaluation: Evaluation | None) -> dict[str, Any]:
    """Return an incident with its alerts and cause as they stand now; the journal has what was told."""
    row = incident.to_dict()
    if evaluation is None or incident.state != "open":
        return row
    for episode in evaluation.episodes():
        # The key by which the journal itself knows an episode again.
        key = json.dumps([episode.group, episode.owner, episode.route], sort_keys=True)
        if episode.last is None and key == incident.key:
            weights = {alert["feature"]: alert.get("importance") for alert in incident.alerts}
            known = {name: weight for name, weight in weights.items() if name is not None and weight}
            row["alerts"] = [_now(alert, evaluation) for alert in ranked(episode.alerts, known)]
            row["cause"] = cause_of(store, evaluation, episode, row["alerts"]).to_dict()
    return row


def _now(alert: dict[str, Any], evaluation: Evaluation) -> dict[str, Any]:
    """Return an alert of an episode with its latest state and value; the worst it was stays beside them."""
    current = {row["fingerprint"]: row for row in evaluation.alerts()}
    return {**alert, **current.get(alert["fingerprint"], {"state": "resolved"})}

"""What fired, and on which evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.cli.demo.watching import Watch
    from modelwatch.alerts.incidents import Incident

__all__ = ["evidence", "fired", "named"]

_NAMES: Final = {
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
    "population_stability_index": "population stability index",
}


def named(metric: str) -> str:
    """Return a metric's name for people."""
    return _NAMES.get(metric, metric.replace("_", " "))


def fired(watch: Watch) -> list[dict[str, Any]]:
    """Return each alert that fired, with the incident it belongs to and its worst value with its interval."""
    return [
        {
            **{name: value for name, value in alert.items() if name != "worst"},
            **_worst(watch, alert),
            "state": "firing" if incident.state == "open" else incident.state,
            "incident": incident.id,
            "opened": incident.opened,
            "resolved": incident.resolved,
        }
        for incident in watch.incidents()
        for alert in incident.alerts
    ]


def evidence(watch: Watch, incident: Incident) -> str:
    """Say in one line on what an incident rests, as it was when it was worst."""
    parts = []
    for alert in incident.alerts:
        worst = _worst(watch, alert)
        interval = worst["interval"]
        sure = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        bound = "" if worst["threshold"] is None else f", bound {worst['threshold']:.3f}"
        about = f" of {alert['feature']}" if alert["feature"] else ""
        before = (
            "" if worst["baseline_value"] is None else f", {worst['baseline_value']:.3f} on held-out rows"
        )
        parts.append(f"{named(alert['metric'])}{about} {worst['value']:.3f}{sure}{bound}{before}")
    return "; ".join(parts)


def _worst(watch: Watch, alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worst window's value of an alert, with interval, bound and the baseline's value."""
    start = alert["worst"]["window"]
    day = next(day for day, watched in watch.days.items() if watched.window.to_dict()["start"] == start)
    keys = ("signal", "metric", "feature", "segment")
    row = next(row for row in watch.measurements(day) if all(row[key] == alert[key] for key in keys))
    return {
        "window": start,
        "value": row["value"],
        "interval": row.get("interval"),
        "threshold": row["threshold"] if row["threshold"] is not None else alert["threshold"],
        "p_value": row["p_value"],
        "q_value": row["q_value"],
        "rows": row["n_production"],
        "baseline_value": row.get("details", {}).get("baseline_value"),
    }

"""Monitors and results that the tests of this folder share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from modelwatch import Monitor

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def monitor(*rules: dict[str, Any], **signals: dict[str, Any]) -> Monitor:
    """A monitor whose rules lack only what the test is not about."""
    return Monitor.parse(
        {
            "monitor": "loans",
            "owner": "team-risk",
            "signals": {"inputs": {"type": "data_drift"}, "schema": {"type": "data_quality"}, **signals},
            "rules": [{"id": "drift", "runbook": "drift.md", **rule} for rule in rules],
        }
    )


def drift(**changes: Any) -> dict[str, Any]:
    """A rule on the population stability index."""
    return {"when": "inputs.psi", "fire": 0.2, "clear": 0.1, "for": "2 of 3", "keep_firing": 2, **changes}


def measured(value: float | None, feature: str | None = "age", **changes: Any) -> dict[str, Any]:
    """One convincing measurement of `results.json`."""
    return {
        "signal": "inputs",
        "metric": "population_stability_index",
        "definition": "robust/v1",
        "feature": feature,
        "segment": None,
        "value": value,
        "p_value": 0.0 if value is not None else None,
        "q_value": 0.0 if value is not None else None,
        "n_baseline": 5000,
        "n_production": 1000,
        "status": "ok" if value is not None else "no_data",
        "threshold": 0.2,
        "note": "",
        **changes,
    }


def result(day: int, *measurements: dict[str, Any], monitor: str = "loans") -> dict[str, Any]:
    """The content of one window's `results.json`."""
    start = START + day * DAY
    return {
        "monitor": monitor,
        "window": {"start": start.isoformat(), "end": (start + DAY).isoformat()},
        "measurements": list(measurements),
        "alerts": [],
    }


def days(*values: float | None, feature: str = "age") -> list[dict[str, Any]]:
    """One window a value."""
    return [result(day, measured(value, feature)) for day, value in enumerate(values)]

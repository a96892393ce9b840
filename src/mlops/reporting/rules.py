"""Rules as a table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mlops.reporting.formats import NOTHING

if TYPE_CHECKING:
    from modelwatch.monitor import Monitor

__all__ = ["RULE_HEADINGS", "rule_rows"]

RULE_HEADINGS: Final = (
    "rule",
    "when",
    "fires",
    "clears",
    "evidence",
    "for",
    "severity",
    "owner",
    "route",
    "runbook",
)


def rule_rows(monitor: Monitor | None) -> tuple[tuple[str, ...], ...]:
    """Return one row a rule, under `RULE_HEADINGS`."""
    return tuple(_row(rule, monitor) for rule in monitor.rules) if monitor is not None else ()


def _row(rule: Any, monitor: Monitor) -> tuple[str, ...]:
    # Written as in `monitor.yaml`, whether it was parsed into a model or not.
    said: Mapping[str, Any] = (
        rule if isinstance(rule, Mapping) else rule.model_dump(mode="json", by_alias=True)
    )
    fire, clear = said.get("fire"), said.get("clear")
    evidence = said.get("evidence")
    keep = said.get("keep_firing")
    return (
        str(said.get("id", NOTHING)),
        str(said.get("when", NOTHING)),
        NOTHING if fire is None else f"{fire:g}",
        NOTHING if clear is None else f"{clear:g}",
        _pairs(evidence) if isinstance(evidence, Mapping) else NOTHING,
        str(said.get("for") or NOTHING) + (f", until {keep} clear" if keep else ""),
        _pairs(said["severity"])
        if isinstance(said.get("severity"), Mapping)
        else str(said.get("severity") or NOTHING),
        str(said.get("owner") or monitor.owner or NOTHING),
        str(said.get("route") or NOTHING),
        str(said.get("runbook") or NOTHING),
    )


def _pairs(values: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in values.items())

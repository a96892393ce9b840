"""What likely caused an incident, from what the measurements of its worst window noted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwatch.metrics import METRICS, Direction
from modelwatch.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HINT = re.compile(r"likely cause: (.+)")
_KINDS = (
    ("unit change", "unit_change"),
    ("sign flip", "sign_flip"),
    ("default fill", "default_fill"),
    ("differs only by", "spelling"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely cause: a kind for machines, a sentence for people."""

    kind: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return plain values."""
        return {"kind": self.kind, "text": self.text}


UNKNOWN = Cause("unknown", "No single cause stands out.")


def likely_cause(
    alerts: Sequence[Mapping[str, Any]],
    measurements: Iterable[Mapping[str, Any]],
    earlier: Iterable[Mapping[str, Any]] = (),
) -> Cause:
    """Return the likely cause of an incident.

    Parameters
    ----------
    alerts
        Its alerts, the most important first.
    measurements
        All measurements of the window in which it was worst.
    earlier
        Those of the window before it began: what had drifted by then is no cause of what came later.
    """
    features = {alert["feature"] for alert in alerts if alert["feature"] is not None}
    rows = list(measurements)
    near = [row for row in rows if row.get("feature") in features] if features else rows
    return (
        _broken_schema(near)
        or _hinted(alerts, near)
        or _new_values(near)
        or _one_segment(alerts)
        or (UNKNOWN if features else _behind_performance(_breaching(rows), _breaching(earlier)))
    )


def _broken_schema(rows: Sequence[Mapping[str, Any]]) -> Cause | None:
    for row in rows:
        if row["status"] == Status.SCHEMA_ERROR:
            return Cause("schema_break", f"The schema broke upstream: {row.get('note') or row['feature']}.")
    return None


def _hinted(alerts: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Cause | None:
    for alert in alerts:
        for row in rows:
            found = _HINT.search(row.get("note") or "")
            if found is not None and row.get("feature") == alert["feature"]:
                kind = next((kind for words, kind in _KINDS if words in found[1]), "hint")
                return Cause(kind, f"{alert['feature']}: {found[1]}.")
    return None


def _new_values(rows: Sequence[Mapping[str, Any]]) -> Cause | None:
    for metric, kind, words in (
        ("unseen_category_rate", "new_category", "categories that the baseline never had"),
        ("null_value_rate", "missing_values", "missing values"),
    ):
        for row in rows:
            if row["metric"] == metric and row["status"] == Status.BREACH:
                return Cause(kind, f"{row['feature']}: {row['value']:.1%} of the rows have {words}.")
    return None


def _one_segment(alerts: Sequence[Mapping[str, Any]]) -> Cause | None:
    segments = {alert["segment"] for alert in alerts}
    if len(segments) == 1 and None not in segments:
        return Cause("segment", f"Only the segment {next(iter(segments))} is concerned.")
    return None


def _breaching(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {row["feature"] for row in rows if row["status"] == Status.BREACH and row["feature"] is not None}


def _behind_performance(now: set[str], before: set[str]) -> Cause:
    if now - before:
        names = ", ".join(sorted(now - before)[:3])
        return Cause("drift", f"Features began to drift with it: {names}.")
    return Cause("concept", "No feature began to drift with it: what the model learnt may not hold any more.")


def ranked(
    alerts: Iterable[Mapping[str, Any]], importances: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Return alerts by importance times effect, each with both and with its weight.

    The effect is how many times its bound the worst value is; the importance of what is no feature is 1, of a
    feature without a known importance the mean.
    """
    given = {name: abs(float(weight)) for name, weight in (importances or {}).items()}
    mean = sum(given.values()) / len(given) if given else 1.0
    rows = []
    for alert in alerts:
        weight = (
            1.0
            if alert["feature"] is None or not given
            else given.get(alert["feature"], mean) / (mean or 1.0)
        )
        effect = _effect(alert)
        rows.append({**alert, "importance": weight, "effect": effect, "weight": weight * effect})
    return sorted(
        rows, key=lambda row: (-row["weight"], row["rule"], str(row["feature"]), str(row["segment"]))
    )


def _effect(alert: Mapping[str, Any]) -> float:
    # Of the worst window: in the last one, labels may be missing, and with them value and bound.
    seen = alert.get("worst", alert)
    value, bound = seen["value"], seen["threshold"]
    if value is None or bound is None:
        return 1.0
    worse, better = abs(value), abs(bound)
    if METRICS[alert["metric"]].direction is Direction.LOWER_IS_WORSE:
        worse, better = better, worse
    # A bound or a value of zero has no ratio; a thousandfold is as much as any reader can tell apart.
    return min(worse / better, 1000.0) if better > 0 else 1000.0 if worse > 0 else 1.0

"""What a change of rules would have changed in the past (``mlops alerts diff``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwatch.alerts.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.alerts.evaluation import Episode, Evaluation
    from modelwatch.alerts.history import History
    from modelwatch.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Difference:
    """An incident that one of two sets of rules raises, or that both do, otherwise.

    Attributes
    ----------
    source
        Whose history it was: a store, or a rule test.
    before, after
        What each set of rules makes of it; None for no incident.
    """

    source: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def change(self) -> str:
        """What the new rules do: raise it, no longer raise it, or raise it otherwise."""
        if self.before is None:
            return "raised"
        return "dropped" if self.after is None else "changed"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"source": self.source, "change": self.change, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences over some windows, with how many incidents each set of rules raised."""

    windows: int
    before: int
    after: int
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "windows": self.windows,
            "incidents_before": self.before,
            "incidents_after": self.after,
            "differences": [difference.to_dict() for difference in self.differences],
        }


def differences(before: Monitor, after: Monitor, histories: Sequence[tuple[str, History]]) -> Comparison:
    """Evaluate two declarations of one monitor on the same histories.

    Parameters
    ----------
    histories
        Each with the name of its source.
    """
    found: list[Difference] = []
    counts = [0, 0]
    for source, history in histories:
        old, new = (_summaries(evaluate(monitor, history)) for monitor in (before, after))
        counts = [counts[0] + len(old), counts[1] + len(new)]
        for first in old:
            same = next((second for second in new if _overlap(first, second)), None)
            if same is not None:
                new.remove(same)
            if same != first:
                found.append(Difference(source, first, same))
        found += [Difference(source, None, second) for second in new]
    windows = sum(len(history.windows) for _, history in histories)
    return Comparison(windows, counts[0], counts[1], tuple(found))


def markdown(comparison: Comparison, *, title: str, limit: int = 20) -> str:
    """Return the comparison for a pull request.

    Parameters
    ----------
    limit
        Rows of the table; what is left out is counted.
    """
    counts = f"{comparison.before} before this change, {comparison.after} after it"
    lines = [f"#### {title}", "", f"Incidents on {comparison.windows} past windows: {counts}."]
    if not comparison.differences:
        return "\n".join([*lines, "", "No incident differs."])
    lines += ["", "| | where | rules | before | after |", "|---|---|---|---|---|"]
    for difference in comparison.differences[:limit]:
        either = difference.after or difference.before or {}
        lines.append(
            f"| {difference.change} | {_cell(difference.source)} | {_cell(', '.join(either['rules']))} "
            f"| {_span(difference.before)} | {_span(difference.after)} |"
        )
    left = len(comparison.differences) - limit
    return "\n".join([*lines, *(["", f"{left} more."] if left > 0 else [])])


def _summaries(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [_summary(evaluation, episode) for episode in evaluation.episodes()]


def _summary(evaluation: Evaluation, episode: Episode) -> dict[str, Any]:
    windows = evaluation.history.windows
    last = len(windows) - 1 if episode.last is None else episode.last
    return {
        "group": episode.group,
        "rules": sorted({alert["rule"] for alert in episode.alerts}),
        "severity": episode.severity.value,
        "first": windows[episode.first].to_dict()["start"],
        "last": windows[last].to_dict()["start"],
        "open": episode.last is None,
        "windows": last - episode.first + 1,
    }


def _overlap(one: dict[str, Any], two: dict[str, Any]) -> bool:
    same = bool(set(one["rules"]) & set(two["rules"])) or one["group"] == two["group"]
    return bool(same and one["first"] <= two["last"] and two["first"] <= one["last"])


def _span(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return "none"
    end = ", still open" if summary["open"] else ""
    return f"{summary['severity']} from {summary['first'][:16]}, {summary['windows']} window(s){end}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

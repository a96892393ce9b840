"""The comment on what a change does to the infrastructure: counts and cost first, then each stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.delivery.markdown import code, folded, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["OVERRIDE_LABEL", "CostChange", "StackReport", "data_at_risk", "to_markdown"]

OVERRIDE_LABEL: Final = "allow:data-loss"
"""With this label a pull request may delete or replace what holds data."""

_KINDS: Final = ("create", "update", "replace", "delete")


@dataclass(frozen=True, slots=True)
class CostChange:
    """One line of a stack's bill that differs; amounts are a month's, in the price sheet's currency."""

    item: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float:
        """What the month will cost more."""
        return (self.after or 0.0) - (self.before or 0.0)


@dataclass(frozen=True, slots=True)
class StackReport:
    """What a change does to one stack.

    Parameters
    ----------
    counts
        Resources by kind of change.
    detail
        Each change as Markdown.
    at_risk
        What holds data and would be deleted or replaced, as ``type name``.
    costs
        None when the base's bill cannot be computed; `cost_note` then says why.
    total_before, total_after
        A month's bill; None where there is none.
    failed
        Why the stack could not be rendered.
    """

    stack: str
    counts: dict[str, int]
    detail: str
    at_risk: tuple[str, ...] = ()
    costs: tuple[CostChange, ...] | None = ()
    total_before: float | None = None
    total_after: float | None = None
    cost_note: str = ""
    failed: str = ""

    @property
    def changed(self) -> int:
        """How many resources differ."""
        return sum(self.counts.values())


def data_at_risk(reports: Iterable[StackReport], labels: Iterable[str]) -> list[str]:
    """Return what would lose data without anybody having said that it may."""
    if OVERRIDE_LABEL in set(labels):
        return []
    return [f"{report.stack}: {one}" for report in reports for one in report.at_risk]


def to_markdown(
    reports: Sequence[StackReport], *, base: str, currency: str, labels: Iterable[str] = ()
) -> str:
    """Return the comment's text for all stacks that a change touches."""
    if not reports:
        return "## Infrastructure\n\nThis change touches no stack.\n"
    lines = [
        "## Infrastructure",
        "",
        f"By the offline engine, so no account was asked. Compared with {code(base[:12])}.",
        "",
        *table(
            ("stack", "create:", "update:", "replace:", "delete:", f"{currency} a month:"),
            [_row(report) for report in reports],
        ),
        *_warnings(reports, labels),
    ]
    for report in reports:
        if report.failed:
            lines += [
                "",
                f"### {code(report.stack)}",
                "",
                "```text",
                report.failed.replace("```", "'''"),
                "```",
            ]
        elif report.changed:
            title = f"{report.stack}: {report.changed} resource{'' if report.changed == 1 else 's'}"
            lines += ["", *folded(title, report.detail.strip("\n").split("\n"))]
    costs = [line for report in reports for line in _cost_lines(report)]
    if costs:
        lines += ["", *folded("Cost", table(("stack", "what", "before:", "after:", "difference:"), costs))]
        lines += [
            "",
            "Costs follow the settings and the list prices of `infra/prices.yaml`; nobody was asked.",
        ]
    return "\n".join(lines) + "\n"


def _row(report: StackReport) -> tuple[str, ...]:
    if report.failed:
        return (code(report.stack), "**cannot be rendered**", "", "", "", "")
    numbers = []
    for kind in _KINDS:
        count = report.counts.get(kind, 0)
        numbers.append(f"**{count}**" if count and kind in {"replace", "delete"} else str(count))
    return (code(report.stack), *numbers, _cost(report))


def _cost(report: StackReport) -> str:
    if report.costs is None:
        return f"unknown: {report.cost_note}"
    if report.total_after is None:
        return "-"
    difference = report.total_after - (report.total_before or 0.0)
    return (
        f"{report.total_after:,.0f}"
        if abs(difference) < 0.5
        else f"{report.total_after:,.0f} ({difference:+,.0f})"
    )


def _cost_lines(report: StackReport) -> Iterator[tuple[str, ...]]:
    for one in report.costs or ():
        before = "-" if one.before is None else f"{one.before:,.0f}"
        after = "-" if one.after is None else f"{one.after:,.0f}"
        yield code(report.stack), one.item, before, after, f"{one.difference:+,.0f}"


def _warnings(reports: Sequence[StackReport], labels: Iterable[str]) -> Iterator[str]:
    at_risk = [f"{code(report.stack)}: {code(one)}" for report in reports for one in report.at_risk]
    if not at_risk:
        return
    allowed = OVERRIDE_LABEL in set(labels)
    yield ""
    yield f"> [!{'WARNING' if allowed else 'CAUTION'}]"
    yield "> What holds data would be deleted or replaced:"
    for one in at_risk:
        yield f"> - {one}"
    yield (
        f"> The label {code(OVERRIDE_LABEL)} allows it."
        if allowed
        else f"> Who wants this sets the label {code(OVERRIDE_LABEL)}; until then the gate is shut."
    )

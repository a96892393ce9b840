"""What a change does to each stack and to its bill, computed offline."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.diff import diff, extract
from infra.diff_report import to_markdown
from infra.mlops_infra.prices import load_prices, stack_bills
from infra.policy.governance import DATA
from mlops.delivery.infra_report import CostChange, StackReport
from mlops.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.diff import StackDiff
    from infra.mlops_infra.prices import Line

__all__ = ["stack_reports"]

_DETAIL_LIMIT = 30_000
_KINDS = ("create", "update", "replace", "delete")

Bills = dict[str, list["Line"]]


def stack_reports(stacks: Sequence[str], base: str, root: Path) -> list[StackReport]:
    """Return a report for each stack; one that cannot be rendered says why instead.

    Raises
    ------
    UsageError
        The base is no revision of the repository in `root`.
    """
    before = _base_bills(base, root)
    after = _bills(root)
    return [_report(stack, base, root, before, after) for stack in stacks]


def _report(
    stack: str, base: str, root: Path, before: Bills | ProjectError, after: Bills | ProjectError
) -> StackReport:
    try:
        found = diff(stack, base, root=root)
    except ProjectError as error:
        return StackReport(stack, {}, "", costs=None, cost_note="not rendered", failed=str(error))
    costs: tuple[CostChange, ...] | None = None
    note = ""
    totals: list[float | None] = [None, None]
    if isinstance(before, ProjectError) or isinstance(after, ProjectError):
        note = (
            "the settings of the base do not load"
            if isinstance(before, ProjectError)
            else "settings do not load"
        )
    else:
        old, new = before.get(stack), after.get(stack)
        costs = _cost_changes(old or [], new or [])
        totals = [None if lines is None else sum(line.amount for line in lines) for lines in (old, new)]
    return StackReport(
        stack=stack,
        counts={kind: len(found.of_kind(kind)) for kind in _KINDS},  # type: ignore[arg-type]
        detail=to_markdown(found, limit=_DETAIL_LIMIT),
        at_risk=_at_risk(found),
        costs=costs,
        total_before=totals[0],
        total_after=totals[1],
        cost_note=note,
    )


def _at_risk(found: StackDiff) -> tuple[str, ...]:
    return tuple(
        f"{short} {one.name}"
        for one in found.changes
        if one.kind in {"replace", "delete"} and (short := one.type.removeprefix("azure-native:")) in DATA
    )


def _cost_changes(old: Sequence[Line], new: Sequence[Line]) -> tuple[CostChange, ...]:
    # Three machines instead of two are the same line of the bill.
    before, after = ({re.sub(r"\d+", "#", line.item): line for line in lines} for lines in (old, new))
    changes = []
    for key in dict.fromkeys([*before, *after]):
        was, becomes = before.get(key), after.get(key)
        amounts = [line.amount if line else None for line in (was, becomes)]
        if amounts[0] != amounts[1]:
            name = becomes.item if becomes else key.replace("#", "0")
            changes.append(CostChange(name, *amounts))
    return tuple(changes)


def _base_bills(base: str, root: Path) -> Bills | ProjectError:
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as folder:
        extract(base, root, Path(folder))
        return _bills(Path(folder))


def _bills(root: Path) -> Bills | ProjectError:
    try:
        return stack_bills(load_prices(root), root)
    except ProjectError as error:
        return error

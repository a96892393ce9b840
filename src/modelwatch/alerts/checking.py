"""Whether what rules name exists: signals, metrics, columns, owners, routes, runbooks, other rules."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from modelwatch.contract import Contract
from modelwatch.errors import ContractError
from modelwatch.monitor import place
from modelwatch.signal_checks import metrics_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from modelwatch.alerts.rules import Rule
    from modelwatch.monitor import Monitor

Problem = tuple[str, str, object, str]
"""The rule's key, what is wrong, what stands there, what could."""


def check_rules(
    monitor: Monitor,
    path: Path,
    *,
    owners: Sequence[str] | None = None,
    routes: Sequence[str] | None = None,
) -> None:
    """Refuse rules that name what does not exist.

    Parameters
    ----------
    path
        The monitor's file: runbooks and the contract are beside it.
    owners, routes
        Those that exist; None leaves them unchecked.

    Raises
    ------
    ContractError
        For the first problem, with file and line.
    """
    columns = None
    if monitor.contract is not None and monitor.rules:
        columns = [column.name for column in Contract.load(path.parent / monitor.contract).columns]
    seen: set[str] = set()
    for position, rule in enumerate(monitor.rules):
        problems = _problems(monitor, rule, path.parent, columns, owners, routes)
        if rule.id in seen:
            problems = iter([("id", "Two rules have the same id", rule.id, "an id of its own")])
        seen.add(rule.id)
        for key, what, got, expected in problems:
            raise ContractError(
                what, where=place(str(path), ("rules", position, key)), got=got, expected=expected
            )


def _problems(  # noqa: PLR0917
    monitor: Monitor,
    rule: Rule,
    folder: Path,
    columns: Sequence[str] | None,
    owners: Sequence[str] | None,
    routes: Sequence[str] | None,
) -> Iterator[Problem]:
    signal = monitor.signals.get(rule.signal)
    if signal is None:
        yield (
            "when",
            "The rule watches no signal of this monitor",
            rule.signal,
            _near(rule.signal, monitor.signals),
        )
        return
    known = metrics_of(signal.type)
    if rule.metric is not None and rule.metric.id not in known:
        what = f"A signal of type {signal.type} does not measure {rule.metric.id}"
        yield "when", what, rule.when, _near(rule.metric.id, known)
    others = [other.id for other in monitor.rules if other.id != rule.id]
    for name in rule.inhibited_by:
        if name not in others:
            yield "inhibited_by", "No other rule is called so", name, _near(name, others)
    for name in rule.features or ():
        if columns is not None and name not in columns:
            yield "features", "The contract has no such column", name, _near(name, columns)
    owner = rule.owner or monitor.owner
    if not owner:
        yield "owner", "The rule has no owner", None, "`owner` of the rule or of the monitor"
    elif owners is not None and owner not in owners:
        yield "owner", "Nobody knows this owner", owner, _near(owner, owners)
    if rule.route is not None and routes is not None and rule.route not in routes:
        yield "route", "There is no such route", rule.route, _near(rule.route, routes)
    if not rule.runbook:
        yield "runbook", "The rule has no runbook", None, "a file that says what to do"
    elif not (folder / rule.runbook).is_file():
        yield "runbook", "The runbook does not exist", rule.runbook, f"a file below {folder}"


def _near(name: str, known: Collection[str] | Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"{near[0]!r}" if near else f"one of {', '.join(names) or 'none: there are none'}"

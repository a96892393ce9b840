"""Tests of the tests: every direction, bound and count of the rules changed once (``mlops alerts mutate``).

A change that no rule test notices is a part of a rule that could be wrong today without anybody knowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modelwatch.alerts.rules import SEVERITIES, Severity
from modelwatch.alerts.testing import run_case
from modelwatch.errors import UsageError
from modelwatch.metrics import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.alerts.rules import Rule
    from modelwatch.alerts.testing import Suite
    from modelwatch.monitor import Monitor

# A bound that is wrong by half is one that a test should notice.
_FACTORS: Final = (1.5, 1 / 1.5)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed monitor, and the test that noticed; None when none did."""

    rule: str
    change: str
    killed_by: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"rule": self.rule, "change": self.change, "killed_by": self.killed_by}


def mutate(suite: Suite, monitor: Monitor) -> list[Mutant]:
    """Run the tests against each change of each rule, up to the first that fails.

    Raises
    ------
    UsageError
        If a test fails without any change: then it would seem to notice each.
    """
    for case in suite.tests:
        outcome = run_case(case, monitor)
        if not outcome.passed:
            raise UsageError(
                "A rule test fails already",
                where=case.name,
                got="; ".join(outcome.problems),
                next_step="mlops alerts test",
            )
    found = []
    for rule, change, changed in changes(monitor):
        killer = next((case.name for case in suite.tests if not run_case(case, changed).passed), None)
        found.append(Mutant(rule, change, killer))
    return found


def changes(monitor: Monitor) -> Iterator[tuple[str, str, Monitor]]:
    """Yield each rule's name, what was changed, and the monitor with that change."""
    for position, rule in enumerate(monitor.rules):
        for change, update in _changes(rule):
            rules = list(monitor.rules)
            rules[position] = rule.model_copy(update=update)
            yield rule.id, change, monitor.model_copy(update={"rules": tuple(rules)})
        if rule.fire is None:
            yield from _threshold_changes(rule, monitor)


def _changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    if rule.metric is not None and rule.fire is not None:
        higher = rule.metric.direction is Direction.HIGHER_IS_WORSE
        yield "direction", {"direction": "below" if higher else "above"}
    for name in ("fire", "clear"):
        bound = getattr(rule, name)
        for changed in _bounds(bound):
            yield f"{name}: {bound:g} -> {changed:g}", {name: changed}
    k, n = rule.needed, rule.out_of
    for needed, out_of in ((k - 1, n), (k + 1, n), (k, n - 1), (k, n + 1)):
        # With one breach needed, how many windows are remembered makes no difference.
        if 1 <= needed <= out_of and not (k == 1 and needed == 1):
            yield f"for: {k} of {n} -> {needed} of {out_of}", {"persistence": f"{needed} of {out_of}"}
    for changed in (rule.keep_firing - 1, rule.keep_firing + 1):
        if changed >= 1:
            yield f"keep_firing: {rule.keep_firing} -> {changed}", {"keep_firing": changed}
    if rule.evidence is not None and rule.fire is not None:
        yield "evidence: none", {"evidence": None}
    yield from _severity_changes(rule)
    for name in ("no_data", "insufficient"):
        policy = getattr(rule, name)
        if policy != "hold":
            yield f"{name}: {policy} -> hold", {name: "hold"}
    for name in rule.inhibited_by:
        others = tuple(each for each in rule.inhibited_by if each != name)
        yield f"inhibited_by without {name}", {"inhibited_by": others}


def _severity_changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(rule.severity, Severity):
        other = _other(rule.severity)
        yield f"severity: {rule.severity} -> {other}", {"severity": other}
        return
    for level, severity in rule.severity.items():
        other = _other(severity)
        yield f"severity at {level:g}: {severity} -> {other}", {"severity": {**rule.severity, level: other}}
        if level == rule.fire:
            continue  # the bound itself is changed above
        rest = {each: name for each, name in rule.severity.items() if each != level}
        for changed in _bounds(level):
            yield f"severity level: {level:g} -> {changed:g}", {"severity": {**rest, changed: severity}}


def _threshold_changes(rule: Rule, monitor: Monitor) -> Iterator[tuple[str, str, Monitor]]:
    """Yield changes of the signal's thresholds, by which a rule without a bound of its own judges."""
    signal = monitor.signals[rule.signal]
    for name, bound in signal.bounds.items():
        if rule.metric is not None and name != rule.metric.id:
            continue
        for changed in _bounds(bound.value):
            moved = signal.with_threshold(name, bound.model_copy(update={"value": changed}))
            signals = {**monitor.signals, rule.signal: moved}
            yield (
                rule.id,
                f"{name}: {bound.value:g} -> {changed:g}",
                monitor.model_copy(update={"signals": signals}),
            )


def _bounds(bound: float | None) -> tuple[float, ...]:
    if bound is None:
        return ()
    return tuple(bound * factor for factor in _FACTORS) if bound else (0.05, -0.05)


def _other(severity: Severity) -> Severity:
    return next(each for each in reversed(SEVERITIES) if each is not severity)

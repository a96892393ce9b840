"""Which columns a rule will watch, as far as a baseline's profile tells before any window is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwatch.column_contracts import Role
from modelwatch.contract import Contract
from modelwatch.errors import UsageError
from modelwatch.inputs import roles_of
from modelwatch.metrics import METRICS, Family
from modelwatch.quality import PROFILED_QUALITY, baseline_count
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.alerts.rules import Rule
    from modelwatch.column_contracts import ColumnContract
    from modelwatch.declared_signals import Signal
    from modelwatch.distributions import Distribution
    from modelwatch.monitor import Monitor
    from modelwatch.profiles import Profile

_ROLES = {
    "data_drift": (Role.FEATURE, Role.SEGMENT),
    "prediction_drift": (Role.PREDICTION, Role.PROBABILITY),
}


@dataclass(frozen=True, slots=True)
class Watched:
    """One series of a rule.

    Attributes
    ----------
    fire
        The bound that counts: the rule's, else the signal's; None where there is none.
    features
        Over how many columns its evidence is corrected.
    column
        What a drift metric compares with.
    count
        Baseline rows that a rate counts.
    """

    metric: str
    feature: str | None
    fire: float | None
    features: int = 1
    column: Distribution | None = None
    count: int | None = None
    note: str = ""


def watched_columns(
    monitor: Monitor, rule: Rule, baseline: Profile, contract: Contract | None = None
) -> Iterator[Watched]:
    """Yield a series for each metric and column that a rule watches, or one that says why none is known."""
    signal = monitor.signals[rule.signal]
    contract = contract or Contract.infer(
        baseline, roles=roles_of(monitor, baseline), timezone=monitor.data.timezone
    )
    metrics = [rule.metric.id] if rule.metric is not None else list(signal.bounds)
    for metric in metrics:
        family = METRICS[metric].family
        if signal.type in _ROLES and family is Family.DRIFT:
            yield from _drift(rule, signal, metric, baseline, contract)
        elif signal.type == "data_quality" and metric in PROFILED_QUALITY:
            yield from _quality(rule, signal, metric, baseline, contract)
        else:
            bound = signal.bounds.get(metric)
            fire = rule.fire if rule.fire is not None or bound is None else bound.value
            yield Watched(metric, None, fire, note="a profile does not tell: backtest it on stored history")


def window_rows(monitor: Monitor, baseline: Profile) -> int:
    """Return the rows a window will have, taken from the baseline's own traffic.

    Raises
    ------
    UsageError
        If the baseline does not tell.
    """
    name = monitor.data.event_time
    column = baseline.columns.get(name) if name is not None else None
    if column is not None and column.minimum is not None and column.maximum is not None:
        # Times are profiled in microseconds.
        seconds = (float(column.maximum) - float(column.minimum)) / 1e6
        if seconds > 0:
            share = parse_duration(monitor.data.window).total_seconds() / seconds
            return max(1, round(baseline.rows * min(share, 1.0)))
    if isinstance(monitor.data.min_rows, int):
        return monitor.data.min_rows
    raise UsageError(
        "The rows a window will have are not known",
        where=monitor.monitor,
        expected="the baseline's event time, or a number",
        next_step="say how many rows are expected: --rows N",
    )


def _drift(
    rule: Rule, signal: Signal, metric: str, baseline: Profile, contract: Contract
) -> Iterator[Watched]:
    fire = _bound(rule, signal, metric)
    measured: list[tuple[ColumnContract, Distribution]] = []
    for column in contract.columns:
        if column.role not in _ROLES[signal.type] or column.name not in baseline.columns:
            continue
        if isinstance(signal.features, tuple) and column.name not in signal.features:
            continue
        found = baseline.columns[column.name].distribution(column.compared_as)
        if found is not None and found.kind in METRICS[metric].kinds:
            measured.append((column, found))
    for column, found in measured:
        if rule.features is None or column.name in rule.features:
            yield Watched(metric, column.name, fire, len(measured), column=found)


def _quality(
    rule: Rule, signal: Signal, metric: str, baseline: Profile, contract: Contract
) -> Iterator[Watched]:
    bound = signal.bounds.get(metric)
    counts: dict[str, int] = {}
    for column in contract.columns:
        if column.role is Role.IGNORED or column.name not in baseline.columns:
            continue
        count = baseline_count(METRICS[metric], baseline.columns[column.name])
        if count is not None:
            counts[column.name] = count
    for name, count in counts.items():
        if rule.features is not None and name not in rule.features:
            continue
        fire = _bound(rule, signal, metric)
        if rule.fire is None and bound is not None and bound.above_baseline and fire is not None:
            fire += count / baseline.rows
        yield Watched(metric, name, fire, len(counts), count=count)


def _bound(rule: Rule, signal: Signal, metric: str) -> float | None:
    if rule.fire is not None:
        return rule.fire
    bound = signal.bounds.get(metric)
    return bound.value if bound is not None else None

"""What rules will do before they are deployed: false alarms, the smallest shift they find, and how soon."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwatch.alerts.effects import Shifts
from modelwatch.alerts.laws import Setting
from modelwatch.alerts.metric_laws import law_of
from modelwatch.alerts.runs import Runs
from modelwatch.alerts.watched import Watched, watched_columns, window_rows
from modelwatch.evidence import rows_needed
from modelwatch.intervals import two_rates_p_value
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.alerts.laws import Law, Mixture
    from modelwatch.alerts.rules import Rule
    from modelwatch.contract import Contract
    from modelwatch.monitor import Monitor
    from modelwatch.profiles import Profile

DAYS_A_MONTH = 30
POWERS = (0.8, 0.95)
# A rule is useless where most drift-free windows lie beyond its bound and cannot be told from drift, and a
# nuisance where chance alone rings every month.
MOSTLY = 0.5
NUISANCE = 1.0
_LONGEST_WAIT = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric of one feature under one rule.

    Attributes
    ----------
    false_alarm_window, false_alarm_month
        Chance that a drift-free window breaches, and that a drift-free month has an alert firing.
    alarms_month
        Alerts expected to begin in a drift-free month.
    inconclusive
        Share of drift-free windows beyond the bound that cannot be told from drift.
    unit
        What shifts are counted in: baseline sigma, share moved, share added.
    shift_80, shift_95
        The smallest shift that makes a window a breach with 80 and 95 % power; None where none does.
    days_80, days_95
        Days after which an alert fires, with the same chance, on such a shift.
    rows_needed
        Rows a window for which drift-free data stay within the bound; None where no number suffices, or any.
    problem
        Why this cannot work, or why nothing is known; empty otherwise.
    """

    rule: str
    signal: str
    metric: str
    feature: str | None
    fire: float | None
    false_alarm_window: float | None = None
    false_alarm_month: float | None = None
    alarms_month: float | None = None
    inconclusive: float | None = None
    unit: str | None = None
    shift_80: float | None = None
    shift_95: float | None = None
    days_80: float | None = None
    days_95: float | None = None
    rows_needed: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All rules of a monitor for windows of so many rows.

    Attributes
    ----------
    alarms_month
        False alarms expected in a month, of all entries whose law is known: an upper bound of incidents,
        since alerts that fire together are one.
    refusals
        Why rules must not be deployed like this.
    accepted
        The same for rules that say why they are wanted all the same.
    """

    monitor: str
    rows: int
    baseline_rows: int
    window_days: float
    entries: tuple[Entry, ...]
    alarms_month: float
    budget: float
    refusals: tuple[str, ...]
    accepted: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def plan(
    monitor: Monitor, baseline: Profile, *, contract: Contract | None = None, rows: int | None = None
) -> Plan:
    """Compute what a monitor's rules will do.

    Parameters
    ----------
    baseline
        Profile of the data that production will be compared with.
    contract
        Inferred from the baseline by default, as `modelwatch.run` does.
    rows
        Rows expected in a window; by default as many as the baseline has in one.

    Raises
    ------
    UsageError
        If the number of rows is neither given nor to be had from the baseline.

    Notes
    -----
    Features are taken as independent and rows as drawn at random: evidence from held-out blocks of time
    knows of seasons and sessions, these laws do not.
    """
    expected = window_rows(monitor, baseline) if rows is None else rows
    days = parse_duration(monitor.data.window).total_seconds() / 86_400
    entries: list[Entry] = []
    refusals: list[str] = []
    accepted: list[str] = []
    for rule in monitor.rules:
        found = [
            _entry(rule, watched, baseline.rows, expected, days)
            for watched in watched_columns(monitor, rule, baseline, contract)
        ]
        entries += found
        (accepted if rule.accept_noise else refusals).extend(_problems(rule, found))
    alarms = math.fsum(entry.alarms_month or 0.0 for entry in entries)
    budget = monitor.budget.false_alarms_per_month
    if alarms > budget:
        refusals.append(
            f"{alarms:.2g} false alarms a month are expected, the budget allows {budget:g}: "
            f"raise `fire`, lower `fdr`, or ask for more windows"
        )
    return Plan(
        monitor.monitor, expected, baseline.rows, days, tuple(entries), alarms, budget, tuple(refusals),
        tuple(accepted),
    )  # fmt: skip


def _problems(rule: Rule, entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.problem and entry.false_alarm_window is not None:
            yield f"{rule.id}: {entry.metric} of {entry.feature}: {entry.problem}"
    alarms = math.fsum(entry.alarms_month or 0.0 for entry in entries)
    if alarms >= NUISANCE:
        yield f"{rule.id}: {alarms:.3g} false alarms a month are expected without any drift"


def _entry(rule: Rule, watched: Watched, n_baseline: int, rows: int, days: float) -> Entry:
    about = Entry(rule.id, rule.signal, watched.metric, watched.feature, watched.fire)
    if watched.fire is None or (watched.column is None and watched.count is None):
        return replace(about, problem=watched.note or "no law is known: backtest it")
    n = n_baseline if watched.count is not None or watched.column is None else watched.column.n
    fdr = rule.evidence.fdr if rule.evidence is not None else None
    setting = Setting(watched.fire, fdr, watched.features, n, rows)
    shifts = Shifts.of(watched.column) if watched.column is not None else None
    law = law_of(watched.metric, shifts, watched.count, setting)
    if law is None:
        return replace(about, problem="constant, or names its rows: nothing to compare")
    largest = shifts.largest if shifts is not None else 1.0
    windows = max(1, round(DAYS_A_MONTH / days))
    runs = Runs(rule.needed, rule.out_of)
    quiet, inconclusive = law.quiet(), law.inconclusive()
    # Windows that cannot be judged are no part of "k of n": fewer are, and more of those are breaches.
    judged = max(1, math.ceil(windows * (1 - inconclusive)))
    among_judged = np.minimum(quiet.chance * windows / judged, 1.0)
    found = [smallest_shift(law, power, largest) for power in POWERS]
    waits = [
        _wait(law.shifted(shift), runs, power, days) if shift is not None else None
        for shift, power in zip(found, POWERS, strict=True)
    ]
    needed = _rows_needed(watched, shifts, setting)
    problem = ""
    if inconclusive >= MOSTLY:
        rows_text = f"{needed} rows a window are needed" if needed else "no number of rows suffices"
        problem = f"{inconclusive:.0%} of drift-free windows are beyond {watched.fire:g}; {rows_text}"
    elif found[0] is None:
        problem = "no shift is found with 80 % power: it can hardly ever fire"
    return replace(
        about,
        false_alarm_window=quiet.mean,
        false_alarm_month=float(quiet.weight @ runs.within(among_judged, judged)[-1]),
        alarms_month=float(quiet.weight @ runs.starts(among_judged, judged, rule.keep_firing)),
        inconclusive=inconclusive,
        unit=shifts.unit if shifts is not None else "share added",
        shift_80=found[0],
        shift_95=found[1],
        days_80=waits[0],
        days_95=waits[1],
        rows_needed=needed,
        problem=problem,
    )


def smallest_shift(law: Law, power: float, largest: float) -> float | None:
    """Return the smallest shift up to ``largest`` that one window shows with this chance, or None."""
    steps = largest * np.geomspace(1e-4, 1.0, 25)
    enough = next((step for step in steps if law.shifted(float(step)).mean >= power), None)
    if enough is None:
        return None
    low, high = float(enough) * (1e-4 ** (1 / 24)), float(enough)
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if law.shifted(middle).mean >= power else (middle, high)
    return high


def _wait(after: Mixture, runs: Runs, power: float, days: float) -> float | None:
    fired = runs.within(after.chance, _LONGEST_WAIT) @ after.weight
    enough = np.flatnonzero(fired >= power)
    return float((enough[0] + 1) * days) if enough.size else None


def _rows_needed(watched: Watched, shifts: Shifts | None, setting: Setting) -> int | None:
    if shifts is not None:
        return rows_needed(
            watched.metric, setting.fire, n_baseline=setting.n_baseline, bins=shifts.counts.size, alpha=0.05
        )
    count = watched.count or 0
    if setting.fire <= count / setting.n_baseline or setting.fdr is None:
        return None
    for rows in np.unique(np.geomspace(10, 1e8, 300).astype(np.int64)):
        at_bound = math.floor(setting.fire * rows) + 1
        if two_rates_p_value(at_bound, int(rows), count, setting.n_baseline) < setting.needed:
            return int(rows)
    return None

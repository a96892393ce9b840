"""Rules against a stored history whose incidents people have labelled (``mlops alerts backtest``)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from modelwatch.alerts.evaluation import evaluate
from modelwatch.errors import ContractError
from modelwatch.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwatch.alerts.evaluation import Episode
    from modelwatch.alerts.history import History
    from modelwatch.alerts.labels import LabelledIncident, Labels, Requirements
    from modelwatch.monitor import Monitor

DAYS_A_MONTH = 30
DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Found:
    """A labelled incident, and the alerts that told of it: ``delay`` windows late, None if none did."""

    start: datetime
    end: datetime
    note: str
    delay: int | None


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """An incident that the rules raised when nothing had happened."""

    start: datetime
    rules: tuple[str, ...]
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """How the rules would have done.

    Attributes
    ----------
    precision, recall
        Shares of raised incidents that were real, and of real ones that were raised; None without any.
    precision_interval, recall_interval
        Wilson's 95 % intervals: a handful of incidents says little, and this says how little.
    delay
        Median, in windows, of those found.
    alerts_a_week
        Incidents raised.
    run_length
        Quiet windows from one false alarm to the next; None without one.
    false_alarms_a_month
        And the most it might be, with 95 % confidence, given so few windows.
    problems
        What is asked of the rules and not reached.
    """

    monitor: str
    windows: int
    quiet_windows: int
    raised: int
    precision: float | None
    precision_interval: tuple[float, float]
    recall: float | None
    recall_interval: tuple[float, float]
    delay: float | None
    alerts_a_week: float
    run_length: float | None
    false_alarms_a_month: float
    false_alarms_at_most: float
    budget: float
    incidents: tuple[Found, ...]
    false_alarms: tuple[FalseAlarm, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, times in ISO 8601."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def backtest(monitor: Monitor, history: History, labels: Labels) -> Backtest:
    """Hold a monitor's rules to what really happened.

    An incident that the rules raise is right if it begins in a labelled one (or `grace` windows after), on
    a feature concerned. One that was already firing when something happened told nobody of it: a false
    alarm, and a miss.

    Raises
    ------
    ContractError
        If a labelled incident lies outside the history, so that it could not have been found.
    """
    spans = [_span(history, incident) for incident in labels.incidents]
    episodes = evaluate(monitor, history).episodes()
    delays: list[int | None] = [None] * len(spans)
    false: list[Episode] = []
    for episode in episodes:
        hits = [
            position
            for position, (first, last) in enumerate(spans)
            if first <= episode.first <= last + labels.grace
            and _concerns(episode, labels.incidents[position].features)
        ]
        for position in hits:
            late = episode.first - spans[position][0]
            known = delays[position]
            delays[position] = late if known is None else min(known, late)
        if not hits:
            false.append(episode)
    return _scored(monitor, history, labels, spans, delays, episodes, false)


def _scored(  # noqa: PLR0917
    monitor: Monitor,
    history: History,
    labels: Labels,
    spans: Sequence[tuple[int, int]],
    delays: Sequence[int | None],
    episodes: Sequence[Episode],
    false: Sequence[Episode],
) -> Backtest:
    windows = len(history.windows)
    drifting = {position for first, last in spans for position in range(first, last + labels.grace + 1)}
    quiet = windows - len(drifting & set(range(windows)))
    days = (
        (history.windows[-1].end - history.windows[0].start).total_seconds() / 86_400 if windows else math.nan
    )
    months = days / DAYS_A_MONTH * quiet / windows if windows else 0.0
    right, found = len(episodes) - len(false), [late for late in delays if late is not None]
    rate = len(false) / months if months else 0.0
    precision = right / len(episodes) if episodes else None
    recall = len(found) / len(spans) if spans else None
    delay = float(median(found)) if found else None
    return Backtest(
        monitor=monitor.monitor,
        windows=windows,
        quiet_windows=quiet,
        raised=len(episodes),
        precision=precision,
        precision_interval=wilson(right, len(episodes)),
        recall=recall,
        recall_interval=wilson(len(found), len(spans)),
        delay=delay,
        alerts_a_week=len(episodes) / (days / DAYS_A_WEEK) if windows else 0.0,
        run_length=quiet / len(false) if false else None,
        false_alarms_a_month=rate,
        false_alarms_at_most=_most(len(false)) / months if months else 0.0,
        budget=monitor.budget.false_alarms_per_month,
        incidents=tuple(
            Found(incident.start, incident.end, incident.note, late)
            for incident, late in zip(labels.incidents, delays, strict=True)
        ),
        false_alarms=tuple(_false_alarm(history, episode) for episode in false),
        problems=_problems(monitor, labels.require, rate, precision, recall, delay),
    )


def _problems(  # noqa: PLR0917
    monitor: Monitor,
    wanted: Requirements,
    rate: float,
    precision: float | None,
    recall: float | None,
    delay: float | None,
) -> tuple[str, ...]:
    problems = []
    budget = monitor.budget.false_alarms_per_month
    if rate > budget:
        problems.append(f"{rate:.2g} false alarms a month, the budget allows {budget:g}")
    for name, reached, least in (
        ("precision", precision, wanted.precision),
        ("recall", recall, wanted.recall),
    ):
        if least is not None and (reached is None or reached < least):
            shown = "unknown" if reached is None else f"{reached:.0%}"
            problems.append(f"{name} {shown}, required {least:.0%}")
    if wanted.delay is not None and (delay is None or delay > wanted.delay):
        shown = "unknown" if delay is None else f"{delay:g} windows"
        problems.append(f"delay {shown}, required {wanted.delay:g} at most")
    return tuple(problems)


def _span(history: History, incident: LabelledIncident) -> tuple[int, int]:
    """Return the first and last window that an incident touches."""
    touched = [
        position
        for position, window in enumerate(history.windows)
        if window.start < incident.end and incident.start < window.end
    ]
    if not touched:
        known = "no window"
        if history.windows:
            known = f"{history.windows[0].start:%Y-%m-%d} to {history.windows[-1].end:%Y-%m-%d}"
        raise ContractError(
            "An incident lies outside the history",
            where=history.monitor,
            got=f"{incident.start:%Y-%m-%d %H:%M} to {incident.end:%Y-%m-%d %H:%M}",
            expected=known,
            next_step="leave it out, or measure its windows: mlops monitor run --start TIME --end TIME",
        )
    return touched[0], touched[-1]


def _concerns(episode: Episode, features: Sequence[str]) -> bool:
    return not features or any(row["feature"] in features or row["feature"] is None for row in episode.alerts)


def _false_alarm(history: History, episode: Episode) -> FalseAlarm:
    return FalseAlarm(
        history.windows[episode.first].start,
        tuple(sorted({row["rule"] for row in episode.alerts})),
        tuple(sorted({row["feature"] for row in episode.alerts if row["feature"] is not None})),
    )


def _most(events: int) -> float:
    """Return the upper 95 % confidence limit of a Poisson mean (one-sided, exact)."""
    from scipy.special import chdtri  # noqa: PLC0415

    return float(chdtri(2 * events + 2, 0.05)) / 2


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value

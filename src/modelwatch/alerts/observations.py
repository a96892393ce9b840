"""What a rule sees in each window of each series: clear, a breach, or nothing that could be judged."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.alerts.history import CODES
from modelwatch.alerts.rules import Severity
from modelwatch.metrics import METRICS, Direction
from modelwatch.results import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelwatch.alerts.history import History
    from modelwatch.alerts.rules import Rule
    from modelwatch.monitor import Monitor

# Data that have not changed have such a p-value four times out of five.
NO_EVIDENCE = 0.2


class Observation(IntEnum):
    """One window of one series under one rule; those up to `BREACH` were judged."""

    CLEAR = 0
    # Beyond `clear` and no breach: too small an effect to fire, too large to be over.
    BAND = 1
    BREACH = 2
    INSUFFICIENT = 3
    NO_DATA = 4
    ERROR = 5
    ABSENT = 6


def watched(rule: Rule, history: History) -> NDArray[np.intp]:
    """Return the positions of the series that a rule is about.

    A rule without a bound of its own is about the series that have one, or that broke.
    """
    wanted = []
    for position, key in enumerate(history.series):
        if key.signal != rule.signal or (rule.metric is not None and key.metric != rule.metric.id):
            continue
        if rule.features is not None and key.feature not in rule.features:
            continue
        wanted.append(position)
    found = np.array(wanted, dtype=np.intp)
    if rule.fire is not None or not wanted:
        return found
    broke = np.isin(history.status[:, found], [CODES[Status.BREACH], CODES[Status.SCHEMA_ERROR]])
    return found[(broke | np.isfinite(history.threshold[:, found])).any(axis=0)]


def observe(rule: Rule, monitor: Monitor, history: History, series: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return `Observation` codes of shape (windows, series).

    A value is compared with a bound only where the measurement's status says that there is one; a value
    beyond `fire` whose evidence is weak is in the band, neither a breach nor clear.
    """
    status = history.status[:, series]
    seen = np.full(status.shape, Observation.ABSENT, dtype=np.uint8)
    seen[status == CODES[Status.INSUFFICIENT]] = Observation.INSUFFICIENT
    seen[status == CODES[Status.NO_DATA]] = Observation.NO_DATA
    seen[status == CODES[Status.ERROR]] = Observation.ERROR
    # A broken schema is what a quality signal looks for; to any other it means that there is nothing to see.
    quality = monitor.signals[rule.signal].type == "data_quality"
    seen[status == CODES[Status.SCHEMA_ERROR]] = Observation.BREACH if quality else Observation.NO_DATA

    judged = np.isin(status, [CODES[Status.OK], CODES[Status.BREACH]])
    signs = _signs(rule, history, series)
    value = history.value[:, series] * signs
    if rule.fire is None:
        fire = history.threshold[:, series] * signs
        beyond, clear = status == CODES[Status.BREACH], status == CODES[Status.OK]
    else:
        fire = np.broadcast_to(rule.fire * signs, status.shape)
        bound = rule.fire if rule.clear is None else rule.clear
        with np.errstate(invalid="ignore"):
            beyond, clear = value > fire, value <= bound * signs
    convincing = _convincing(rule, history, series, signs, fire)
    seen[judged] = Observation.BAND
    seen[judged & clear] = Observation.CLEAR
    if rule.evidence is not None:
        # Few rows throw a distance far: without a sign of change the value alone keeps no alert alive.
        with np.errstate(invalid="ignore"):
            seen[judged & (history.p_value[:, series] >= NO_EVIDENCE)] = Observation.CLEAR
    seen[judged & beyond & convincing] = Observation.BREACH
    return seen


def severities(rule: Rule, history: History, series: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return the rank of the severity that each value would have, of shape (windows, series)."""
    shape = len(history.windows), len(series)
    ranks = np.full(shape, rule.lowest_severity.rank, dtype=np.int8)
    signs = _signs(rule, history, series)
    value = history.value[:, series] * signs
    with np.errstate(invalid="ignore"):
        for level, severity in rule.levels.items():
            beyond = value >= level * signs
            ranks[beyond] = np.maximum(ranks[beyond], Severity(severity).rank)
    return ranks


def applied_policies(rule: Rule, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the observations with windows that could not be judged counted as the rule says.

    A series that vanished has no data; one that was not yet there stays absent.
    """
    result = seen.copy()
    known = np.logical_or.accumulate(seen != Observation.ABSENT, axis=0)
    without = (
        (seen == Observation.NO_DATA) | (seen == Observation.ERROR) | ((seen == Observation.ABSENT) & known)
    )
    counted = {"alert": Observation.BREACH, "ignore": Observation.CLEAR}
    if rule.no_data in counted:
        result[without] = counted[rule.no_data]
    else:
        result[(seen == Observation.ABSENT) & known] = Observation.NO_DATA
    if rule.insufficient in counted:
        result[seen == Observation.INSUFFICIENT] = counted[rule.insufficient]
    return result


def _signs(rule: Rule, history: History, series: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return 1 for each series whose higher values are worse, else -1."""
    if rule.direction is not None:
        return np.full(len(series), 1.0 if rule.direction == "above" else -1.0)
    worse = [METRICS[history.series[position].metric].direction for position in series]
    return np.array([1.0 if each is Direction.HIGHER_IS_WORSE else -1.0 for each in worse])


def _convincing(
    rule: Rule,
    history: History,
    series: NDArray[np.intp],
    signs: NDArray[np.float64],
    fire: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Tell where the evidence suffices: q-value or p-value, else interval, else there is none to ask."""
    if rule.evidence is None:
        return np.ones(fire.shape, dtype=bool)
    p = history.q_value[:, series]
    p = np.where(np.isnan(p), history.p_value[:, series], p)
    # The end of the interval that is nearer to the good side.
    near = np.where(signs > 0, history.low[:, series], history.high[:, series]) * signs
    with np.errstate(invalid="ignore"):
        by_interval = np.isnan(near) | np.isnan(fire) | (near > fire)
        return np.where(np.isnan(p), by_interval, p < rule.evidence.fdr)

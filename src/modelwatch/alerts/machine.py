"""The state machine of alerts: a pure fold over windows, for many alerts at once.

::

    inactive ──breach──► pending ──k of n──► firing ──clear──► recovering ──keep_firing clear──► resolved
        ▲                   │                  ▲                    │                               │
        └──no breach in n───┘                  └──breach, or band───┘         next window: inactive, pending

A window that could not be judged changes nothing: the alert stays where it is, and one that is not firing
reports why instead (`no_data`, `insufficient`, `error`). Severity only rises while an alert fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from modelwatch.alerts.observations import Observation

if TYPE_CHECKING:
    from numpy.typing import NDArray


class State(StrEnum):
    """Where an alert stands after a window."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"
    NO_DATA = "no_data"
    INSUFFICIENT = "insufficient"
    ERROR = "error"


STATES = tuple(State)
"""Array codes of states are positions in this."""
_INACTIVE, _PENDING, _FIRING, _RECOVERING, _RESOLVED, _NO_DATA, _INSUFFICIENT, _ERROR = np.arange(
    len(STATES), dtype=np.uint8
)
LIVE = (_FIRING, _RECOVERING)
"""Codes of the states that people hear of."""
NONE = -1
"""Severity of an alert that does not fire."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """States and severities after each window, arrays of shape (windows, alerts)."""

    states: NDArray[np.uint8]
    severity: NDArray[np.int8]


def fold(
    observations: NDArray[np.uint8],
    severities: NDArray[np.int8],
    *,
    needed: int,
    out_of: int,
    keep_firing: int,
) -> Trajectory:
    """Return the states of alerts over their windows.

    Parameters
    ----------
    observations
        `Observation` codes of shape (windows, alerts), oldest window first.
    severities
        Rank that a breach of that window would have; same shape.
    needed, out_of
        An alert fires on a breach that is at least the ``needed``-th in the last ``out_of`` judged windows.
    keep_firing
        Clear windows in a row that resolve it.

    Notes
    -----
    Depends on nothing but its arguments, so evaluating a window twice or replaying from any prefix gives the
    same states. Cost is linear in windows times alerts.
    """
    count = observations.shape[1]
    states = np.empty(observations.shape, dtype=np.uint8)
    severity = np.empty(observations.shape, dtype=np.int8)
    phase = np.full(count, _INACTIVE, dtype=np.uint8)
    level = np.full(count, NONE, dtype=np.int8)
    # The last judged windows, newest in the lowest bit: 1 for a breach.
    memory = np.zeros(count, dtype=np.uint64)
    mask = np.uint64((1 << out_of) - 1)
    clear_run = np.zeros(count, dtype=np.int64)
    for window, seen in enumerate(observations):
        judged = seen <= Observation.BREACH
        breach = seen == Observation.BREACH
        clear = seen == Observation.CLEAR
        memory = np.where(judged, ((memory << np.uint64(1)) | breach) & mask, memory)
        breaches = np.bitwise_count(memory)

        live = (phase == _FIRING) | (phase == _RECOVERING)
        clear_run = np.where(judged & live, np.where(clear, clear_run + 1, 0), clear_run)
        resolves = judged & live & (clear_run >= keep_firing)
        starts = ~live & breach & (breaches >= needed)
        idle = judged & ~live & ~starts

        phase = np.select(
            [resolves, judged & live & clear, judged & live, starts, idle & (breaches > 0), idle],
            [_RESOLVED, _RECOVERING, _FIRING, _FIRING, _PENDING, _INACTIVE],
            phase,
        )
        level = np.where(starts | (live & breach), np.maximum(level, severities[window]), level)
        level = np.where(resolves, NONE, level).astype(np.int8)
        # What was resolved starts from nothing: old breaches must not make it fire again.
        memory = np.where(resolves, np.uint64(0), memory)
        clear_run = np.where(resolves | starts, 0, clear_run)

        held = ~judged & ~((phase == _FIRING) | (phase == _RECOVERING))
        states[window] = np.select(
            [
                held & (seen == Observation.NO_DATA),
                held & (seen == Observation.INSUFFICIENT),
                held & (seen == Observation.ERROR),
            ],
            [_NO_DATA, _INSUFFICIENT, _ERROR],
            phase,
        )
        severity[window] = level
    return Trajectory(states, severity)

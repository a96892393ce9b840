"""The state machine against a model written from its description alone, one alert and window at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwatch.alerts.machine import NONE, STATES, State, Trajectory, fold
from modelwatch.alerts.observations import Observation

CLEAR, BAND, BREACH = Observation.CLEAR, Observation.BAND, Observation.BREACH
INSUFFICIENT, NO_DATA, ERROR = Observation.INSUFFICIENT, Observation.NO_DATA, Observation.ERROR


def states_of(*seen: Observation, needed: int = 2, out_of: int = 3, keep_firing: int = 2) -> list[str]:
    column = np.array(seen, dtype=np.uint8)[:, None]
    levels = np.zeros(column.shape, dtype=np.int8)
    path = fold(column, levels, needed=needed, out_of=out_of, keep_firing=keep_firing)
    return [STATES[code].value for code in path.states[:, 0]]


class Reference:
    """One alert, told in plain words."""

    def __init__(self, needed: int, out_of: int, keep_firing: int) -> None:
        self.needed, self.out_of, self.keep_firing = needed, out_of, keep_firing
        self.firing = False
        self.was_clear = False
        self.resolved_now = False
        self.judged: list[bool] = []
        self.clear_in_a_row = 0
        self.severity = NONE

    def step(self, seen: Observation, severity: int) -> tuple[str, int]:
        if seen in (NO_DATA, INSUFFICIENT, ERROR, Observation.ABSENT):
            return self.held(seen), self.severity
        self.resolved_now = False
        self.judged.append(seen is BREACH)
        if self.firing:
            self.while_firing(seen, severity)
        elif seen is BREACH and sum(self.judged[-self.out_of :]) >= self.needed:
            self.firing, self.was_clear, self.clear_in_a_row, self.severity = True, False, 0, severity
        return self.name(), self.severity

    def while_firing(self, seen: Observation, severity: int) -> None:
        if seen is BREACH:
            self.severity = max(self.severity, severity)
        self.was_clear = seen is CLEAR
        self.clear_in_a_row = self.clear_in_a_row + 1 if self.was_clear else 0
        if self.clear_in_a_row >= self.keep_firing:
            self.firing, self.resolved_now, self.judged, self.severity = False, True, [], NONE

    def name(self) -> str:
        if self.firing:
            return "recovering" if self.was_clear else "firing"
        if self.resolved_now:
            return "resolved"
        return "pending" if any(self.judged[-self.out_of :]) else "inactive"

    def held(self, seen: Observation) -> str:
        reasons = {NO_DATA: "no_data", INSUFFICIENT: "insufficient", ERROR: "error"}
        return self.name() if self.firing else reasons.get(seen, self.name())


@st.composite
def histories(draw: Any) -> tuple[Any, Any, int, int, int]:
    out_of = draw(st.integers(1, 6))
    shape = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    size = shape[0] * shape[1]
    seen = draw(st.lists(st.sampled_from(list(Observation)), min_size=size, max_size=size))
    levels = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return (
        np.array(seen, dtype=np.uint8).reshape(shape),
        np.array(levels, dtype=np.int8).reshape(shape),
        draw(st.integers(1, out_of)),
        out_of,
        draw(st.integers(1, 4)),
    )


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_history_goes_as_the_reference_says(history: Any) -> None:
    seen, levels, needed, out_of, keep_firing = history
    path = fold(seen, levels, needed=needed, out_of=out_of, keep_firing=keep_firing)
    for column in range(seen.shape[1]):
        alert = Reference(needed, out_of, keep_firing)
        for window in range(seen.shape[0]):
            state, severity = alert.step(Observation(seen[window, column]), int(levels[window, column]))
            assert (STATES[path.states[window, column]].value, path.severity[window, column]) == (
                state,
                severity,
            )


@settings(max_examples=50, deadline=None)
@given(histories(), st.data())
def test_a_replay_from_any_prefix_gives_the_same_states(history: Any, data: Any) -> None:
    seen, levels, needed, out_of, keep_firing = history
    cut = data.draw(st.integers(0, len(seen)))

    def run(length: int) -> Trajectory:
        return fold(seen[:length], levels[:length], needed=needed, out_of=out_of, keep_firing=keep_firing)

    whole, prefix = run(len(seen)), run(cut)
    assert np.array_equal(whole.states[:cut], prefix.states)
    assert np.array_equal(whole.severity[:cut], prefix.severity)


def test_every_state_is_reached() -> None:
    seen = (CLEAR, BREACH, BREACH, CLEAR, CLEAR, NO_DATA, INSUFFICIENT, ERROR)
    assert states_of(*seen) == [
        "inactive", "pending", "firing", "recovering", "resolved", "no_data", "insufficient", "error",
    ]  # fmt: skip
    assert set(states_of(*seen)) == {state.value for state in State}


@pytest.mark.parametrize("seen", [NO_DATA, INSUFFICIENT, ERROR, Observation.ABSENT])
def test_a_window_that_could_not_be_judged_holds_what_fires(seen: Observation) -> None:
    assert states_of(BREACH, BREACH, *[seen] * 9) == ["pending", *["firing"] * 10]


def test_windows_that_could_not_be_judged_do_not_count_among_the_last() -> None:
    assert states_of(BREACH, *[NO_DATA] * 9, BREACH)[-1] == "firing"


def test_the_band_neither_fires_nor_clears() -> None:
    assert states_of(BAND, BAND, BAND) == ["inactive"] * 3
    assert states_of(BREACH, BREACH, CLEAR, BAND, CLEAR, BAND)[2:] == [
        "recovering", "firing", "recovering", "firing",
    ]  # fmt: skip


def test_a_breach_before_the_recovery_does_not_fire_again_by_itself() -> None:
    seen = (BREACH, BREACH, CLEAR, CLEAR, BREACH, BREACH)
    assert states_of(*seen)[3:] == ["resolved", "pending", "firing"]


def test_severity_rises_and_never_falls_while_firing() -> None:
    levels = np.array([[0], [1], [0], [2], [0], [0], [0]], dtype=np.int8)
    seen = np.array([[BREACH]] * 5 + [[CLEAR]] * 2, dtype=np.uint8)
    path = fold(seen, levels, needed=2, out_of=3, keep_firing=2)
    assert path.severity[:, 0].tolist() == [NONE, 1, 1, 2, 2, 2, NONE]

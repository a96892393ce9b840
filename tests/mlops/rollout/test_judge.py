"""What the judge says, and what it can never say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.rollout import Bounds, Judgement, Observation, judge
from mlops.rollout.judge import is_clearly_broken

BOUNDS = Bounds(max_error_rate=0.01, max_p95_ms=100, minimum_requests=100)


def answers(count: int, *, errors: int = 0, latency: float = 10.0, mean: float = 0.5) -> list[Observation]:
    right = [
        Observation(latency + 0.01 * (i % 10), predictions=(mean + 0.1 * (i % 3 - 1),))
        for i in range(count - errors)
    ]
    return right + [Observation(1.0, "500: broken")] * errors


def status(judgement: Judgement, name: str) -> str:
    return next(check.status for check in judgement.checks if check.name == name)


def test_a_deployment_like_the_present_one_is_ok() -> None:
    judgement = judge(answers(200), answers(200), BOUNDS)
    assert judgement.status == "ok"
    assert judgement.reasons() == []
    assert [c.name for c in judgement.checks] == [
        "error_rate",
        "p95_ms",
        "p95_ms_against_current",
        "prediction_shift",
        "constant_predictions",
    ]


def test_nothing_measured_is_insufficient() -> None:
    assert judge([], [], BOUNDS).status == "insufficient"
    assert judge([], None, BOUNDS).status == "insufficient"
    assert Judgement(()).status == "insufficient"


@given(st.integers(0, 99), st.integers(0, 300), st.booleans())
def test_too_few_requests_are_never_ok(new: int, old: int, compared: bool) -> None:
    judgement = judge(answers(new), answers(old) if compared else None, BOUNDS)
    assert judgement.status != "ok"


@given(st.integers(0, 99))
def test_too_few_requests_of_the_present_deployment_are_not_ok_either(old: int) -> None:
    assert judge(answers(200), answers(old), BOUNDS).status == "insufficient"


@pytest.mark.parametrize(
    ("errors", "expected"),
    # Of 200. The bound is 1 %: 2 keep it, 3 to 5 may be chance (5 %), 6 and more are not.
    [(0, "ok"), (2, "ok"), (3, "insufficient"), (5, "insufficient"), (6, "breach"), (200, "breach")],
)
def test_errors_are_a_breach_beyond_doubt_and_ok_within_the_bound(errors: int, expected: str) -> None:
    assert status(judge(answers(200, errors=errors), None, BOUNDS), "error_rate") == expected


@given(st.integers(0, 400), st.integers(0, 400))
def test_more_errors_never_look_better(first: int, second: int) -> None:
    order = {"ok": 0, "insufficient": 1, "breach": 2}
    few, many = sorted((first, second))
    better = judge(answers(400, errors=few), None, BOUNDS)
    worse = judge(answers(400, errors=many), None, BOUNDS)
    assert order[status(better, "error_rate")] <= order[status(worse, "error_rate")]


def test_the_first_problem_is_told() -> None:
    (check, *_) = judge(answers(100, errors=50), None, BOUNDS).checks
    assert "50 errors in 100 requests" in check.detail
    assert "500: broken" in check.detail


@pytest.mark.parametrize(("latency", "expected"), [(10, "ok"), (99, "ok"), (150, "breach")])
def test_latency_is_held_against_the_bound(latency: float, expected: str) -> None:
    assert status(judge(answers(200, latency=latency), None, BOUNDS), "p95_ms") == expected


def test_a_few_slow_answers_may_be_chance() -> None:
    """Eleven of 200 lift the measured p95 over the bound; ten are expected if it were exactly at it."""
    slow = answers(189) + answers(11, latency=500)
    assert status(judge(slow, None, BOUNDS), "p95_ms") == "insufficient"
    assert status(judge(answers(170) + answers(30, latency=500), None, BOUNDS), "p95_ms") == "breach"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(4, 9, "ok"), (4, 59, "breach"), (40, 95, "ok"), (20, 95, "breach")],
)
def test_latency_is_held_against_the_present_deployment(old: float, new: float, expected: str) -> None:
    judgement = judge(answers(200, latency=new), answers(200, latency=old), BOUNDS)
    assert status(judgement, "p95_ms_against_current") == expected


@pytest.mark.parametrize(("mean", "expected"), [(0.5, "ok"), (0.55, "ok"), (0.9, "breach"), (0.1, "breach")])
def test_a_mean_prediction_that_moves_far_is_a_breach(mean: float, expected: str) -> None:
    assert status(judge(answers(200, mean=mean), answers(200), BOUNDS), "prediction_shift") == expected


@pytest.mark.parametrize(("mean", "expected"), [(0.5, "breach"), (0.3, "ok"), (0.1, "breach")])
def test_a_shift_that_the_evaluation_found_is_expected_and_no_other(mean: float, expected: str) -> None:
    bounds = replace(BOUNDS, expected_shift=-0.2)
    judgement = judge(answers(200, mean=mean), answers(200), bounds)
    assert status(judgement, "prediction_shift") == expected


def test_a_model_that_lost_its_inputs_is_a_breach() -> None:
    constant = [replace(answer, predictions=(0.5,)) for answer in answers(200)]
    assert status(judge(constant, answers(200), BOUNDS), "constant_predictions") == "breach"
    assert judge(constant, constant, BOUNDS).status == "ok"


def test_a_broken_present_deployment_does_not_stand_in_the_way_of_its_repair() -> None:
    judgement = judge(answers(200), answers(200, errors=200), BOUNDS)
    assert judgement.status == "ok"
    assert [check.name for check in judgement.checks] == ["error_rate", "p95_ms"]


def test_answers_without_numbers_are_not_ok() -> None:
    silent = [Observation(10.0) for _ in range(200)]
    assert judge(silent, answers(200), BOUNDS).status == "insufficient"


OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        latency_ms=st.floats(0, 1e4),
        problem=st.none() | st.just("500"),
        predictions=st.lists(st.floats(-1e3, 1e3), max_size=2).map(tuple),
    ),
    max_size=150,
)


@given(OBSERVATIONS, st.none() | OBSERVATIONS)
def test_every_judgement_is_json_without_nan(
    candidate: list[Observation], current: list[Observation] | None
) -> None:
    judgement = judge(candidate, current, replace(BOUNDS, minimum_requests=10))
    content: list[dict[str, Any]] = json.loads(
        json.dumps([check.to_dict() for check in judgement.checks], allow_nan=False)
    )
    for check in content:
        if check["status"] == "ok":
            assert check["value"] <= check["bound"]
            assert check["requests"] >= 10


@pytest.mark.parametrize(
    ("errors", "of", "broken"), [(0, 25, False), (1, 25, False), (2, 25, False), (5, 25, True)]
)
def test_the_circuit_breaker_needs_strong_evidence(errors: int, of: int, broken: bool) -> None:
    assert is_clearly_broken(answers(of, errors=errors), BOUNDS) is broken


def test_the_circuit_breaker_hardly_ever_fires_at_the_bound() -> None:
    """A deployment exactly at the bound, looked at every 25 of 2,000 requests: under 1 % false alarms."""
    import random

    generator = random.Random(5)
    alarms = 0
    for _ in range(300):
        seen: list[Observation] = []
        right, wrong = Observation(1.0), Observation(1.0, "500")
        for _ in range(80):
            seen += [wrong if generator.random() < 0.01 else right for _ in range(25)]
            if is_clearly_broken(seen, BOUNDS):
                alarms += 1
                break
    assert alarms <= 3

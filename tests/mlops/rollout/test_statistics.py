"""The confidence bounds, against the distributions that define them."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from mlops.rollout.statistics import (
    binomial_tail,
    mean_difference,
    proportion_interval,
    quantile_interval,
)

CONFIDENCE = st.sampled_from([0.8, 0.95, 0.99])
COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.floats(1e-6, 1 - 1e-6))
def test_the_binomial_tail_is_the_distributions(counts: tuple[int, int], probability: float) -> None:
    successes, trials = counts
    expected = stats.binom.sf(successes - 1, trials, probability)
    assert binomial_tail(successes, trials, probability) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "trials", "probability", "expected"),
    [(0, 5, 0.0, 1.0), (1, 5, 0.0, 0.0), (5, 5, 1.0, 1.0), (6, 5, 0.5, 0.0)],
)
def test_the_binomial_tail_at_its_ends(
    successes: int, trials: int, probability: float, expected: float
) -> None:
    assert binomial_tail(successes, trials, probability) == expected


@given(COUNTS, CONFIDENCE)
def test_the_bounds_of_a_proportion_are_clopper_and_pearsons(
    counts: tuple[int, int], confidence: float
) -> None:
    successes, trials = counts
    found = proportion_interval(successes, trials, confidence)
    lower = stats.beta.ppf(1 - confidence, successes, trials - successes + 1) if successes else 0.0
    upper = stats.beta.ppf(confidence, successes + 1, trials - successes) if successes < trials else 1.0
    assert found.lower == pytest.approx(lower, abs=1e-7)
    assert found.upper == pytest.approx(upper, abs=1e-7)
    assert found.lower <= found.value <= found.upper


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=400), CONFIDENCE)
def test_the_bounds_of_a_quantile_have_their_confidence(values: list[float], confidence: float) -> None:
    found = quantile_interval(values, 0.95, confidence)
    ordered, count = sorted(values), len(values)
    assert found.lower <= found.value <= found.upper
    if found.lower > -math.inf:
        rank = ordered.index(found.lower) + 1
        # The next order statistic is no lower bound with this confidence any more (or is equal).
        last = max(i for i, v in enumerate(ordered, 1) if v == found.lower)
        assert stats.binom.sf(rank - 1, count, 0.95) >= confidence - 1e-9
        assert stats.binom.sf(last, count, 0.95) < confidence + 1e-9
    if found.upper < math.inf:
        assert stats.binom.cdf(ordered.index(found.upper), count, 0.95) < 1
    assert (found.upper < math.inf) == (stats.binom.cdf(count - 1, count, 0.95) >= confidence)


def test_59_values_are_the_fewest_with_an_upper_bound_of_the_95th_percentile() -> None:
    assert quantile_interval(range(58), 0.95, 0.95).upper == math.inf
    assert quantile_interval(range(59), 0.95, 0.95).upper == 58


NUMBERS = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=50)


@given(NUMBERS, NUMBERS, st.floats(0.5, 10), st.floats(-100, 100))
def test_a_shift_does_not_depend_on_scale_and_origin(
    values: list[float], reference: list[float], factor: float, offset: float
) -> None:
    plain = mean_difference(values, reference, 0.95)
    moved = mean_difference(
        [factor * v + offset for v in values], [factor * v + offset for v in reference], 0.95
    )
    if len(set(values)) == 1 and len(set(reference)) == 1:
        return
    assert moved.value == pytest.approx(plain.value, rel=1e-6, abs=1e-6)
    assert plain.lower <= plain.value <= plain.upper


@given(NUMBERS)
def test_the_same_values_have_not_shifted(values: list[float]) -> None:
    found = mean_difference(values, values, 0.95)
    assert found.value == 0
    assert found.lower == 0


def test_constants_that_differ_are_infinitely_far_apart() -> None:
    assert mean_difference([1.0, 1.0], [2.0, 2.0], 0.95).lower == math.inf
    assert mean_difference([2.0, 2.0], [2.0, 2.0], 0.95).value == 0


def test_a_constant_reference_takes_its_scale_from_the_values() -> None:
    values = [0.0, 1.0] * 50
    assert mean_difference(values, [0.5] * 10, 0.95).value == pytest.approx(abs(fmean(values) - 0.5))

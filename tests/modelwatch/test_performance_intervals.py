"""What intervals and evidence of performance promise, held against simulated truths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelwatch import Measurement, Status, measure
from modelwatch.fairness import fairness_gaps
from modelwatch.intervals import newcombe, newcombe_range
from modelwatch.judging import judged

Sample = Callable[[np.random.Generator], tuple[Any, Any]]


def repeated(metric: str, sample: Sample, times: int, **options: Any) -> list[Measurement]:
    generator = np.random.default_rng(14)
    return [measure(metric, *sample(generator), **options) for _ in range(times)]


def coverage(found: list[Measurement], true: float) -> float:
    held = [m.interval for m in found if m.interval is not None]
    assert len(held) == len(found)
    for measurement, (low, high) in zip(found, held, strict=True):
        assert low <= (measurement.value or 0.0) <= high
    return float(np.mean([low <= true <= high for low, high in held]))


def predicted(n: int, true: Callable[[Any], Any]) -> Sample:
    def sample(generator: np.random.Generator) -> tuple[Any, Any]:
        probability = generator.beta(2, 2, n)
        return generator.random(n) < true(probability), probability

    return sample


def test_calibration_error_does_not_depend_on_the_order_of_rows() -> None:
    truth, score = np.repeat([0, 1], 50), np.full(100, 0.5)
    assert measure("calibration_error", truth, score).value == 0
    generator = np.random.default_rng(3)
    score = np.round(generator.beta(2, 2, 500), 1)
    truth = generator.random(500) < score
    values = set()
    for _ in range(5):
        order = generator.permutation(500)
        values.add(round(measure("calibration_error", truth[order], score[order]).value or 0.0, 12))
    assert len(values) == 1


def test_calibration_error_is_the_plain_one_over_bins_of_equal_mass() -> None:
    generator = np.random.default_rng(4)
    score = np.sort(generator.random(200))
    truth = (generator.random(200) < score).astype(float)
    gaps = [abs(truth[part].mean() - score[part].mean()) for part in np.array_split(np.arange(200), 10)]
    assert measure("calibration_error", truth, score).value == pytest.approx(np.mean(gaps))


def test_chance_alone_does_not_breach_a_calibration_bound() -> None:
    found = repeated("calibration_error", predicted(100, lambda p: p), 100)
    # Chance alone adds up to more than the bound in most windows.
    assert np.mean([m.value or 0.0 for m in found]) > 0.1
    assert np.mean([judged(m, 0.1).status is Status.BREACH for m in found]) <= 0.08
    assert np.mean([(m.interval or (1, 1))[0] > 0.1 for m in found]) <= 0.02
    assert coverage(found, 0.0) >= 0.93
    broken = repeated("calibration_error", predicted(1_000, lambda p: np.minimum(p + 0.15, 1)), 10)
    assert {judged(m, 0.1).status for m in broken} == {Status.BREACH}


@pytest.mark.parametrize(
    ("true", "error"),
    [
        (lambda p: np.clip(p + 0.1, 0, 1), 0.0997),
        (lambda p: p**0.5 / (p**0.5 + (1 - p) ** 0.5), 0.0824),
        (lambda p: np.where(p > 0.8, p - 0.3, p), 0.0321),
    ],
)
def test_intervals_of_the_calibration_error_cover_it(true: Callable[[Any], Any], error: float) -> None:
    assert coverage(repeated("calibration_error", predicted(300, true), 40), error) >= 0.85


def test_the_interval_of_a_certain_model_is_no_point() -> None:
    low, high = measure("calibration_error", [0] * 10 + [1] * 10, [0.0] * 10 + [1.0] * 10).interval or (0, 0)
    assert low == 0
    assert 0.05 < high < 0.35


def apart(m: int, n: int, distance: float) -> Sample:
    def sample(generator: np.random.Generator) -> tuple[Any, Any]:
        truth = np.repeat([1, 0], [m, n])
        return truth, truth * distance + generator.standard_normal(m + n)

    return sample


@pytest.mark.parametrize(
    ("m", "n", "distance"), [(10, 10, 3.0), (25, 25, 3.0), (10, 500, 3.0), (5, 200, 1.5)]
)
def test_intervals_of_the_area_cover_it_near_one_and_with_few_rows(m: int, n: int, distance: float) -> None:
    area = 0.5 * (1 + math.erf(distance / 2))
    assert coverage(repeated("roc_auc", apart(m, n, distance), 200), area) >= 0.93


def test_perfect_ranking_leaves_doubt() -> None:
    for truth, score in (([0, 1] * 10, [0.1, 0.9] * 10), ([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9])):
        low, high = measure("roc_auc", truth, score).interval or (1.0, 1.0)
        assert low < 0.95
        assert high == 1


def test_intervals_of_losses_stay_in_their_range() -> None:
    for truth, score in (([1, 0], [0.9, 0.9]), ([1, 0], [1.0, 0.0]), ([0, 1], [1.0, 0.0])):
        low, high = measure("brier_score", truth, score).interval or (-1.0, 2.0)
        assert 0 <= low < high <= 1
    low, _ = measure("log_loss", [1, 0, 1], [0.99, 0.9, 0.99]).interval or (-1.0, 0.0)
    assert low > 0
    assert measure("brier_score", [1, 0], [0.9, 0.9]).value == pytest.approx(0.41)


def test_intervals_of_few_rows_cover() -> None:
    def errors(generator: np.random.Generator) -> tuple[Any, Any]:
        return np.zeros(20), generator.standard_normal(20)

    assert coverage(repeated("mse", errors, 300), 1.0) >= 0.89
    assert coverage(repeated("mae", errors, 300), math.sqrt(2 / math.pi)) >= 0.92

    def skewed(generator: np.random.Generator) -> tuple[Any, Any]:
        truth = generator.random(30) < 0.1
        return truth, np.where(generator.random(30) < 0.6, truth, generator.random(30) < 0.5)

    # Of the rare class 0.8 are found, as of the other.
    assert coverage(repeated("recall", skewed, 150), 0.8) >= 0.92


@pytest.mark.parametrize(
    ("rates", "least"), [((0.3,) * 5, 0.93), ((0.3,) * 10, 0.93), ((0.3, 0.3, 0.4), 0.93)]
)
def test_the_interval_of_a_gap_knows_that_its_groups_were_chosen(
    rates: tuple[float, ...], least: float
) -> None:
    generator = np.random.default_rng(7)
    n = np.full(len(rates), 200)
    found = [newcombe_range(generator.binomial(n, rates), n) for _ in range(300)]
    gap = max(rates) - min(rates)
    assert np.mean([low <= gap <= high for low, high in found]) >= least
    assert newcombe_range(np.array([30, 60]), np.array([100, 100])) == pytest.approx(
        newcombe(60, 100, 30, 100)
    )


def test_gaps_start_at_nothing_where_groups_may_be_equal() -> None:
    generator = np.random.default_rng(9)
    group = np.repeat(list("abcde"), 100)
    equal = fairness_gaps(group, generator.random(500) < 0.3)[0]
    assert equal.interval is not None
    assert (equal.p_value or 0) > 0.05
    assert equal.interval[0] == 0
    assert equal.interval[1] >= (equal.value or 1)
    unequal = fairness_gaps(group, generator.random(500) < np.where(group == "a", 0.8, 0.3))[0]
    assert (unequal.interval or (0, 0))[0] > 0.2


def test_a_missing_prediction_is_no_refusal() -> None:
    group = ["a"] * 80 + ["b"] * 80
    predicted = [1] * 40 + [0] * 40 + [1] * 40 + [None] * 40
    selection, true_positive, _ = fairness_gaps(group, predicted, [1] * 120 + [0] * 30 + [None] * 10)
    assert selection.details["rates"] == {"a": 0.5, "b": 1.0}
    assert (selection.value, selection.n_production) == (0.5, 120)
    assert "40 rows without group or prediction left out" in selection.note
    assert "40 rows without group, prediction or label" in true_positive.note
    few = fairness_gaps(["a"] * 50 + ["b"] * 50, [1] * 25 + [0] * 25 + [1] * 25 + [None] * 25)[0]
    assert (few.status, few.details["rates"]) == (Status.INSUFFICIENT, {"a": 0.5, "b": 1.0})

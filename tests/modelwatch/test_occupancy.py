"""Categories missed and rows repeated by chance: against counting, and without drift."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelwatch import Status, measure
from modelwatch.occupancy import absence_p_value, chance_of_absence, repeated_rows

GENERATOR = np.random.default_rng(12)
WEIGHTS = 1 / np.arange(1, 301)
NAMES = np.array([f"c{place}" for place in range(300)], dtype=object)


def drawn(rows: int, weights: Any = WEIGHTS) -> Any:
    return GENERATOR.choice(NAMES[: len(weights)], rows, p=weights / np.sum(weights))


def test_the_chance_of_absence_is_the_hypergeometric_one() -> None:
    found = chance_of_absence(np.array([1, 2, 40, 60, 61]), 100, 40)
    expected = stats.hypergeom.pmf(0, 100, [1, 2, 40, 60, 61], 40)
    assert found == pytest.approx(expected, rel=1e-9)
    many = chance_of_absence(np.array([3, 5_000]), 2_000_000, 1_000)
    assert many == pytest.approx(stats.hypergeom.pmf(0, 2_000_000, [3, 5_000], 1_000), rel=1e-6)


def test_repeated_rows_are_those_of_all_samples_on_average() -> None:
    values = [0, 0, 0, 1, 1, 2, 3]
    repeats = [4 - len({values[place] for place in part}) for part in combinations(range(7), 4)]
    assert repeated_rows([3, 2, 1, 1], 7, 4) == pytest.approx(np.mean(repeats))
    assert repeated_rows([3, 2, 1, 1], 7, 7) == pytest.approx(3)


def test_evidence_of_missed_categories_is_that_of_dealing_rows_anew() -> None:
    one, other = np.array([9, 7, 6, 4, 3, 3, 2, 1, 1]), np.array([14, 9, 5, 3, 0, 2, 0, 0, 1])
    rows = np.repeat(np.arange(9), one + other)
    missed = one[other == 0].sum()
    dealt = [np.bincount(GENERATOR.permutation(rows)[: other.sum()], minlength=9) for _ in range(4_000)]
    often = np.mean([(one + other)[side == 0].sum() >= missed for side in dealt])
    assert absence_p_value(one, other) == pytest.approx(often, rel=0.3)
    alone = absence_p_value([8, 50, 50], [0, 50, 50])
    assert alone == pytest.approx(math.comb(200, 100) / math.comb(208, 100), rel=0.01)
    assert absence_p_value([5, 5], [5, 1]) == 1.0


@pytest.mark.parametrize(("n", "m"), [(500, 500), (1_000, 200), (200, 2_000)])
@pytest.mark.parametrize("metric", ["vanished_category_share", "unseen_category_rate", "duplicate_rate"])
def test_rare_categories_come_and_go_without_drift(metric: str, n: int, m: int) -> None:
    p = np.array([measure(metric, drawn(n), drawn(m)).p_value for _ in range(50)], dtype=np.float64)
    assert np.mean(p < 0.05) <= 0.14
    assert np.mean(p < 0.01) <= 0.06


def test_categories_that_really_vanish_are_found() -> None:
    fewer = np.where((np.arange(300) >= 40) & (np.arange(300) < 80), 0, WEIGHTS)
    found = [
        measure(metric, drawn(500, before), drawn(500, after), threshold=0.05).status
        for metric, before, after in (
            ("vanished_category_share", WEIGHTS, fewer),
            ("unseen_category_rate", fewer, WEIGHTS),
        )
        for _ in range(5)
    ]
    assert found.count(Status.BREACH) >= 8
    quiet = [measure("vanished_category_share", drawn(500), drawn(500), threshold=0.05) for _ in range(20)]
    assert sum(result.status is Status.BREACH for result in quiet) <= 3
    assert all((result.value or 0) > 0.05 for result in quiet)


def test_the_share_of_vanished_rows_is_exact() -> None:
    result = measure("vanished_category_share", ["a"] * 95 + ["b"] * 5, ["a"] * 7)
    assert (result.value, result.count) == (0.05, 5)


def test_duplicates_are_compared_in_as_many_rows() -> None:
    baseline = GENERATOR.integers(0, 1_000, 1_000)
    few = measure("duplicate_rate", baseline, GENERATOR.integers(0, 1_000, 100))
    assert few.details["baseline_rate"] == pytest.approx(0.05, abs=0.03)
    assert "in 100 rows" in few.note
    names = np.arange(5_000)
    resent = measure("duplicate_rate", names, np.r_[names[:497], names[:3]], threshold=0.001)
    assert (resent.count, resent.status) == (3, Status.BREACH)
    assert measure("duplicate_rate", names, names[:500]).value == 0

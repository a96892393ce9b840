"""P-values without drift, by simulation: as often below a level as the level says, in windows of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from modelwatch import measure
from modelwatch.evidence import homogeneity, pooled

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[np.random.Generator, int], Any]

BUCKETED = (
    "population_stability_index",
    "jensen_shannon_distance",
    "pearsons_chi_squared_test",
    "chebyshev_distance",
)


def zipf(categories: int) -> Any:
    weights = 1 / np.arange(1, categories + 1)
    return weights / weights.sum()


def normal(generator: np.random.Generator, rows: int) -> Any:
    return generator.standard_normal(rows)


def holed(share: float) -> Draw:
    return lambda generator, rows: np.where(generator.random(rows) < share, np.nan, normal(generator, rows))


def categories(masses: Any) -> Draw:
    # Names whose order has nothing to do with how frequent they are.
    names = [f"{37 * place % 997:03}" for place in range(len(masses))]
    return lambda generator, rows: dict(zip(names, generator.multinomial(rows, masses).tolist(), strict=True))


def balanced(count: int) -> Draw:
    """Return as many rows of each category, as samples drawn by category have."""
    names = categories(np.full(count, 1 / count))(np.random.default_rng(), 0)
    return lambda _, rows: dict.fromkeys(names, rows // count)


def p_values(metric: str, before: Draw, after: Draw, n: int, m: int, *, repeats: int, seed: int = 1) -> Any:
    generator = np.random.default_rng(seed)
    found = [measure(metric, before(generator, n), after(generator, m)).p_value for _ in range(repeats)]
    return np.array([1.0 if p is None else p for p in found])


ALIKE = categories(np.full(20, 0.05))


@pytest.mark.parametrize("metric", BUCKETED)
@pytest.mark.parametrize(
    ("before", "after", "n", "m"),
    [
        (normal, normal, 1_000, 40),
        (normal, normal, 300, 50),
        (normal, normal, 100, 1_000),
        (holed(0.003), holed(0.003), 1_000, 30),
        (balanced(20), ALIKE, 1_000, 40),
        (balanced(20), ALIKE, 1_000, 100),
        (ALIKE, ALIKE, 100, 40),
        (categories(zipf(300)), categories(zipf(300)), 300, 300),
        (categories(zipf(20)), categories(zipf(20)), 100, 1_000),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_small_windows_are_not_drift(metric: str, before: Draw, after: Draw, n: int, m: int) -> None:
    p = p_values(metric, before, after, n, m, repeats=120)
    # Three standard errors above the level.
    assert np.mean(p < 0.05) <= 0.11
    assert np.mean(p < 0.01) <= 0.04


@pytest.mark.parametrize(
    ("before", "after", "n", "m"),
    [
        (normal, lambda generator, rows: normal(generator, rows) + 1, 1_000, 20),
        (normal, holed(0.1), 1_000, 100),
        (categories(zipf(300)), categories(np.r_[zipf(300)[:1] - 0.1, zipf(300)[1:] + 0.1 / 299]), 500, 500),
        (ALIKE, categories(np.r_[np.full(20, 0.045), np.full(3, 0.1 / 3)]), 1_000, 200),
    ],
    ids=["shift", "nulls", "head", "new categories"],
)
def test_small_windows_show_drift(before: Draw, after: Draw, n: int, m: int) -> None:
    p = p_values("population_stability_index", before, after, n, m, repeats=60)
    assert np.mean(p < 0.05) >= 0.8


def test_what_is_pooled_is_not_picked_for_what_was_drawn() -> None:
    baseline = np.full(10, 100)
    low, high = np.array([0, 0, 0, 0, 0, 8, 8, 8, 8, 8]), np.array([0, 8] * 5)
    for production in (low, high):
        groups, leftover = pooled(np.array([baseline, production], dtype=np.float64), quantiles=True)
        assert leftover is None
        assert groups.tolist() == [[200] * 5, (production[::2] + production[1::2]).tolist()]
    assert homogeneity(baseline, high, quantiles=True).p_value == pytest.approx(1)
    assert homogeneity(baseline, low, quantiles=True).p_value < 1e-3


def test_large_bins_stand_alone_and_the_rest_of_a_few_rows_is_told_exactly() -> None:
    table = np.array([[2, 500, 1, 490, 3, 1], [1, 48, 0, 49, 1, 0]], dtype=np.float64)
    groups, leftover = pooled(table)
    assert groups.tolist() == [[500, 497], [48, 51]]
    assert leftover is not None
    assert leftover.tolist() == [7, 2]
    found = homogeneity(np.array([500, 490, 0]), np.array([45, 45, 9]))
    assert found.degrees == 1
    assert found.p_value < 1e-6


def test_the_chebyshev_distance_of_categories_is_the_same_both_ways() -> None:
    one, two = {"a": 40, "b": 40, "c": 20}, {"a": 20, "d": 40, "e": 40}
    forth, back = (measure("chebyshev_distance", *sides).value for sides in ((one, two), (two, one)))
    assert forth == back == pytest.approx(0.4)

"""``azureml/4b41f8c`` against numbers that Azure ML's own components produced (float32, hence 1e-6)."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwatch import AZUREML, Status, measure, profile
from modelwatch.azureml import feature_kind
from modelwatch.bins import equal_width_edges
from modelwatch.comparing import compare
from modelwatch.metrics import METRICS

DATA = json.loads((Path(__file__).parent / "data" / "azureml_4b41f8c.json").read_text())


def values(described: Any) -> Any:
    if isinstance(described, dict) and "counts" in described:
        return described["counts"]
    if isinstance(described, dict):
        mean, deviation, n = described["normal"]
        return np.random.RandomState(0).normal(mean, deviation, n)
    return described


@pytest.mark.parametrize("case", DATA["measurements"], ids=lambda case: f"{case['case']}-{case['metric']}")
def test_equals_azure_ml(case: dict[str, Any]) -> None:
    options = {"kind": case["kind"]} if "kind" in case else {}

    result = measure(
        case["metric"], values(case["baseline"]), values(case["production"]), definition=AZUREML, **options
    )

    expected = case["expected"]
    if isinstance(expected, dict):
        assert result.count == expected["violation_count"]
        assert result.value == pytest.approx(expected["rate"])
    else:
        assert result.value == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert result.status is Status.OK


@pytest.mark.parametrize(
    "case", [case for case in DATA["measurements"] if case.get("kind")], ids=lambda case: str(case["case"])
)
def test_profiles_give_the_same_numbers(case: dict[str, Any]) -> None:
    sides = [values(case[side]) for side in ("baseline", "production")]
    if isinstance(sides[0], dict):
        sides = [[name for name, rows in side.items() for _ in range(rows)] for side in sides]
    baseline, production = (profile({"x": side}) for side in sides)

    (result,) = compare(baseline, production, definition=AZUREML, metrics=[case["metric"]])

    if result.status is Status.OK:
        bound = result.bound or 0.0
        assert result.value is not None
        assert abs(result.value - case["expected"]) <= bound + 1e-6 * abs(case["expected"]) + 1e-9


@pytest.mark.parametrize(("metric", "value", "threshold", "breach"), DATA["breaches"])
def test_a_breach_lies_strictly_on_the_bad_side(
    metric: str, value: float, threshold: float, breach: bool
) -> None:
    assert METRICS[metric].breaches(value, threshold) is breach


@pytest.mark.parametrize(
    ("baseline", "production", "edges"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], [1.0, 2.5, 4.0, 5.5, 7.0]),
        ([-31] * 5, [-31] * 5, [-31.155, -30.845]),
        ([0] * 5, [0] * 5, [-0.005, 0.005]),
        ([1] * 5, [1] * 5, [0.995, 1.005]),
    ],
)
def test_bin_edges(baseline: list[float], production: list[float], edges: list[float]) -> None:
    both = baseline + production
    found = equal_width_edges(min(both), max(both), min(len(baseline), len(production)))
    assert found == pytest.approx(edges, abs=1e-9)


@pytest.mark.parametrize(
    ("distinct", "rows", "kind"),
    [
        (3, 5, "numerical"),
        (10, 10, "numerical"),
        (2, 78, "categorical"),
        (2, 100, "categorical"),
        (2, 20, "numerical"),
    ],
)
def test_integers_with_few_values_are_categories(distinct: int, rows: int, kind: str) -> None:
    assert feature_kind(distinct, rows, integer=True) == kind


def test_the_kind_is_inferred_from_the_baseline_alone() -> None:
    alternating = [0, 1] * 50
    result = measure("pearsons_chi_squared_test", alternating, [0, 1, 0], definition=AZUREML)
    assert result.status is Status.OK
    assert (
        measure("pearsons_chi_squared_test", alternating[:20], [0], definition=AZUREML).status is Status.ERROR
    )


def test_kolmogorov_smirnov_is_refused_as_azure_ml_does() -> None:
    large = np.arange(10_000)
    result = measure("two_sample_kolmogorov_smirnov_test", large, large, definition=AZUREML, kind="numerical")
    assert result.status is Status.ERROR
    assert result.value is None
    assert "10000" in result.note


@pytest.mark.parametrize(
    "metric", ["jensen_shannon_distance", "population_stability_index", "normalized_wasserstein_distance"]
)
def test_large_profiles_stay_within_their_published_bound(metric: str) -> None:
    generator = np.random.default_rng(5)
    for baseline, production in (
        (generator.standard_normal(40_000), generator.standard_normal(30_000) * 1.1),
        (np.exp(2 * generator.standard_normal(40_000)), np.exp(2 * generator.standard_normal(30_000))),
    ):
        exact = measure(metric, baseline, production, definition=AZUREML)
        (result,) = compare(
            profile({"x": baseline}), profile({"x": production}), definition=AZUREML, metrics=[metric]
        )
        assert exact.bound == 0
        assert result.bound is not None
        assert exact.value is not None
        assert result.value is not None
        assert math.fabs(result.value - exact.value) <= result.bound
        assert math.fabs(result.value - exact.value) < 2e-3


def spark_histogram(values: list[float], edges: list[float]) -> list[int]:
    """Count as `RDD.histogram` does: by division where all bins are as wide, else by looking them up."""
    counts = [0] * len(edges)
    steps = [high - low for low, high in itertools.pairwise(edges)]
    even, width = max(steps) - min(steps) < 1e-10, (edges[-1] - edges[0]) / (len(edges) - 1)
    for value in values:
        if edges[0] <= value <= edges[-1]:
            counts[int((value - edges[0]) / width) if even else bisect.bisect_right(edges, value) - 1] += 1
    last = counts.pop()
    counts[-1] += last
    return counts


@pytest.mark.parametrize("scale", [1e-6, 0.01, 1.0, 100.0, 1e9])
@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_bins_are_azure_mls_to_the_last_digit(scale: float, decimals: int) -> None:
    generator = np.random.default_rng(decimals)
    for _ in range(40):
        b, p = (
            (
                np.round(generator.normal(mean, 1, int(generator.integers(2, 150))), decimals) * scale + 0.0
            ).tolist()
            for mean in (0, 0.3)
        )
        low, high = min(b + p), max(b + p)
        bins = math.ceil(math.log2(min(len(b), len(p))) + 1)
        edges = [low + place * ((high - low) / bins) for place in range(bins + 1)]
        shares = [
            [(count + 1) / (len(side) + bins) for count in spark_histogram(side, edges)] for side in (b, p)
        ]
        expected = sum(
            (after - before) * math.log(after / before) for before, after in zip(*shares, strict=True)
        )
        found = measure("population_stability_index", b, p, definition=AZUREML, kind="numerical").value
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_numbers_on_an_edge_and_a_range_beyond_floats() -> None:
    b, p = [2.6, 0.0, 2.3, 1.4], [-1.6, 0.3, 1.1, -0.2]
    edges = [-1.6 + place * ((2.6 + 1.6) / 3) for place in range(4)]
    assert spark_histogram(p, edges) == [1, 3, 0]
    assert bisect.bisect_right(edges, -0.2) == 1
    assert measure("jensen_shannon_distance", b, p, definition=AZUREML).value == pytest.approx(0.7709480772)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = measure("jensen_shannon_distance", [1e308, -1e308] * 5, [1e308, 0.0] * 5, definition=AZUREML)
    assert huge.value == pytest.approx(math.sqrt(0.5), abs=1e-9)


def test_a_side_beyond_the_last_edge_has_no_distance() -> None:
    # Rounding leaves the largest number outside now and then, and Azure ML does not count it.
    pairs = [(low / 10, high / 10) for low in range(1, 40) for high in range(low + 1, 60)]
    low, high = next((low, high) for low, high in pairs if low + 4 * ((high - low) / 4) < high)
    result = measure("jensen_shannon_distance", [low] * 5, [high] * 5, definition=AZUREML, kind="numerical")
    assert (result.status, result.value) == (Status.ERROR, None)
    assert "last edge" in result.note
    partly = measure(
        "jensen_shannon_distance", [low] * 5, [low, high] * 3, definition=AZUREML, kind="numerical"
    )
    assert partly.value == 0

"""Inputs that break monitoring tools, each with the outcome it must have."""

from __future__ import annotations

import math
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import (
    ColumnContract,
    Contract,
    Measurement,
    Status,
    compare,
    measure,
    profile,
    run,
)
from modelwatch.comparing import DRIFT_METRICS

GENERATOR = np.random.default_rng(11)
NORMAL = GENERATOR.standard_normal(2_000)


def compared(baseline: Any, production: Any, **options: Any) -> dict[str, Measurement]:
    """Compare one column, results by metric."""
    found = compare(profile({"x": baseline}), profile({"x": production}), **options)
    return {measurement.metric: measurement for measurement in found if measurement.feature == "x"}


def test_an_empty_window_is_no_data_and_never_zero_drift() -> None:
    results = compare(profile({"x": NORMAL}), profile({"x": np.empty(0)}))
    assert results
    assert {result.status for result in results} == {Status.NO_DATA}
    assert {result.value for result in results} == {None}


@pytest.mark.parametrize("metric", DRIFT_METRICS)
@pytest.mark.parametrize("definition", ["robust/v1", "azureml/4b41f8c"])
def test_measuring_nothing_is_no_data(metric: str, definition: str) -> None:
    kind = "categorical" if metric in ("pearsons_chi_squared_test", "chebyshev_distance") else "numerical"
    for baseline, production in (([], [1.0]), ([1.0], []), ([], []), ([None], [1.0, 2.0])):
        assert (
            measure(metric, baseline, production, definition=definition, kind=kind).status is Status.NO_DATA
        )


def test_too_few_rows_for_the_threshold_are_insufficient_with_the_rows_needed() -> None:
    result = measure("jensen_shannon_distance", NORMAL, NORMAL[:1000] + 1e-9, threshold=0.01)
    assert result.status is Status.INSUFFICIENT
    assert "rows" in result.note
    large = measure("jensen_shannon_distance", NORMAL, NORMAL, threshold=0.2)
    assert large.status is Status.OK


def test_evident_drift_is_a_breach_even_in_a_small_window() -> None:
    result = measure("population_stability_index", NORMAL, NORMAL[:60] + 5, threshold=0.1)
    assert result.status is Status.BREACH


def test_an_all_null_feature_on_one_side_leaves_the_others_alone() -> None:
    baseline = profile({"x": NORMAL, "y": NORMAL})
    production = profile(pa.table({"x": pa.nulls(500), "y": NORMAL[:500]}))
    results = compare(
        baseline, production, metrics={"null_value_rate": 0.1, "population_stability_index": 0.2}
    )
    by = {(result.feature, result.metric): result for result in results}
    assert by["x", "null_value_rate"].status is Status.BREACH
    assert by["x", "population_stability_index"].status is Status.NO_DATA
    assert by["y", "population_stability_index"].value is not None


def test_nulls_are_dropped_per_column_and_are_a_bucket_of_their_own() -> None:
    holed = NORMAL.copy()
    holed[:600] = np.nan
    results = compared(NORMAL, holed)
    assert results["two_sample_kolmogorov_smirnov_test"].n_production == 1400
    psi = results["population_stability_index"]
    assert "__null__" in psi.details["buckets"]
    assert psi.value is not None
    assert psi.value > 0.5
    ks = results["two_sample_kolmogorov_smirnov_test"].value
    assert ks is not None
    assert ks > 0.01


def test_constants() -> None:
    equal, different = compared([5.0] * 50, [5.0] * 40), compared([5.0] * 50, [7.0] * 40)
    assert equal["jensen_shannon_distance"].value == 0
    assert equal["normalized_wasserstein_distance"].value == 0
    assert different["jensen_shannon_distance"].value == pytest.approx(1)
    assert different["normalized_wasserstein_distance"].value == pytest.approx(2 / 0.005)
    assert "degenerate_baseline" in different["population_stability_index"].note


def test_nan_is_null_and_infinity_is_counted_and_out_of_bounds() -> None:
    strange = np.concatenate([NORMAL[:100], [np.inf, -np.inf, np.inf, np.nan]])
    results = compared(NORMAL, strange)
    assert results["null_value_rate"].count == 1
    assert results["non_finite_rate"].count == 3
    assert results["out_of_bounds_rate"].count == 3
    assert results["normalized_wasserstein_distance"].n_production == 100
    assert "non_finite: 3" in results["population_stability_index"].note


def test_an_extreme_outlier_does_not_move_the_index() -> None:
    shifted = NORMAL[:1000] + 0.5
    spoiled = shifted.copy()
    spoiled[0] = 1e6
    clean, dirty = (measure("population_stability_index", NORMAL, side).value for side in (shifted, spoiled))
    assert clean is not None
    assert dirty is not None
    assert abs(dirty - clean) < 0.01 * clean


def test_a_spike_is_a_bin_of_its_own_and_ties_are_said() -> None:
    baseline = np.where(np.arange(2000) % 5 < 3, 0.0, NORMAL)
    production = np.where(np.arange(2000) % 5 < 2, 0.0, NORMAL)
    results = compared(baseline, production)
    buckets = results["population_stability_index"].details
    spike = max(buckets["baseline"])
    assert spike == 1200
    assert buckets["production"][buckets["baseline"].index(spike)] == 800
    assert "conservative" in results["two_sample_kolmogorov_smirnov_test"].note


def test_a_baseline_of_one_row_is_insufficient() -> None:
    result = measure("normalized_wasserstein_distance", [3.0], [3.0, 4.0, 5.0])
    assert result.status is Status.INSUFFICIENT
    assert result.value is None


def test_new_and_vanished_categories_are_counted_listed_and_finite() -> None:
    results = compared(["a"] * 60 + ["b"] * 40, ["a"] * 60 + ["new"] * 40)
    assert results["unseen_category_rate"].count == 40
    assert "'new'" in results["unseen_category_rate"].note
    assert "'b'" in results["vanished_category_share"].note
    assert results["vanished_category_share"].value == pytest.approx(0.4)
    chi = results["pearsons_chi_squared_test"]
    assert chi.statistic is not None
    assert math.isfinite(chi.statistic)
    assert "__new__" in chi.details["buckets"]


def test_categories_are_compared_exactly() -> None:
    odd = ["New York, NY", "[x]", "line\nbreak", "None", "nan", "", "NULL"] * 20
    results = compared(odd, [*odd, None])
    assert results["out_of_bounds_rate"].count == 0
    assert results["null_value_rate"].count == 1
    assert profile({"x": odd}).columns["x"].missing == 0


def test_writing_of_categories_is_distinct_with_a_hint() -> None:
    composed, decomposed = unicodedata.normalize("NFC", "Zürich"), unicodedata.normalize("NFD", "Zürich")
    results = compared([composed, "Bern", "Basel"] * 20, [decomposed, "bern", "Basel "] * 20)
    assert results["unseen_category_rate"].value == 1.0
    assert "differs only by normalisation" in results["jensen_shannon_distance"].note


def test_an_identifier_is_bounded_and_excluded() -> None:
    names = pa.array([f"id-{i}" for i in range(60_000)])
    column = profile({"x": names}).columns["x"]
    assert column.categories is not None
    assert len(column.categories.counts) <= 1 << 14
    assert column.categories.total == 60_000
    assert column.categories.distinct == pytest.approx(60_000, rel=0.05)
    results = compare(profile({"x": names}), profile({"x": names}), metrics=["jensen_shannon_distance"])
    assert results[0].status is Status.INSUFFICIENT
    assert "identifier-like" in results[0].note


@pytest.mark.parametrize(
    ("before", "after"), [("int64", "float64"), ("int32", "int64"), ("float32", "float64")]
)
def test_wider_numbers_are_compared_and_noted(before: str, after: str) -> None:
    values = np.arange(500) % 40
    results = compared(values.astype(before), values.astype(after))
    assert results["jensen_shannon_distance"].value == 0
    assert "dtype_widened" in results["jensen_shannon_distance"].note
    assert results["schema_change"].status is Status.OK


def test_numbers_as_strings_are_parsed_and_failures_are_type_errors() -> None:
    texts = [str(value) for value in NORMAL[:990]] + ["n/a"] * 10
    results = compared(NORMAL, texts)
    assert results["data_type_error_rate"].count == 10
    assert results["population_stability_index"].value is not None
    mostly_wrong = compared(NORMAL, ["oops"] * 50 + ["1.5"] * 50)
    assert mostly_wrong["population_stability_index"].status is Status.SCHEMA_ERROR
    assert mostly_wrong["data_type_error_rate"].value == 0.5
    contract = Contract(columns=(ColumnContract(name="x", type="number"),))
    with_contract = profile({"x": texts}, contract=contract).columns["x"]
    assert (with_contract.type_errors, with_contract.valid) == (10, 990)


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, 2, None] * 40, dtype="Int64"),
        pd.array([True, False, None] * 40, dtype="boolean"),
        pd.array(["a", "b", None] * 40, dtype="string[pyarrow]"),
        pd.Series(["a", "b", None] * 40, dtype="category"),
        pd.Series([1.5, 2.5, None] * 40, dtype="double[pyarrow]"),
        [Decimal("1.10"), Decimal("2.25"), None] * 40,
        pd.Series(pd.to_datetime(pd.Series(["2026-01-01", "2026-01-02", None] * 40))),
        pd.Series(pd.to_timedelta([1, 2, None] * 40, unit="h")),
        [date(2026, 1, 1), date(2026, 1, 2), None] * 40,
        pd.Series([1, "a", None] * 40, dtype="object"),
        pd.Series([b"x", b"y", None] * 40, dtype="object"),
        [[1, 2], [3], None] * 40,
        pd.Series([1 + 2j, 2 + 1j, None] * 40, dtype="object"),
    ],
    ids=lambda values: str(getattr(values, "dtype", type(values[0]).__name__)),
)
def test_every_type_of_column_is_survived(values: Any) -> None:
    frame = pd.DataFrame({"x": values, "y": np.arange(120.0)})
    found = profile(frame)
    assert found.columns["x"].missing == 40
    assert found.columns["x"].rows == 120
    results = compare(found, found)
    assert all(result.status is not Status.ERROR for result in results)
    assert [r.value for r in results if (r.feature, r.metric) == ("y", "jensen_shannon_distance")] == [0]


def test_the_contract_decides_what_is_a_truth_value() -> None:
    contract = Contract(columns=(ColumnContract(name="x", type="boolean"),))
    assert profile({"x": [True, False]}, contract=contract).columns["x"].type_errors == 0
    assert profile({"x": [1, 0]}, contract=contract).columns["x"].type_errors == 2
    assert profile({"x": ["true", "false"]}, contract=contract).columns["x"].type_errors == 2
    results = compared([True, False] * 50, [1, 0] * 50)
    assert results["jensen_shannon_distance"].status is Status.SCHEMA_ERROR
    assert results["data_type_error_rate"].value == 1.0


def test_schema_errors_name_the_column_and_spare_the_rest() -> None:
    baseline = profile({"Age": [1, 2, 3], "a.b": [1, 2, 3], "kept": [1, 2, 3]})
    production = profile({"age": [1, 2, 3], "kept": [1, 2, 3], "extra": [1, 2, 3]})
    results = compare(baseline, production)
    changes = {result.feature: result for result in results if result.metric == "schema_change"}
    assert changes["Age"].status is Status.SCHEMA_ERROR
    assert "'age' differs only by case" in changes["Age"].note
    assert "'a.b' is missing" in changes["a.b"].note
    assert changes["extra"].status is Status.OK
    assert [r.status for r in results if (r.feature, r.metric) == ("Age", "jensen_shannon_distance")] == [
        Status.SCHEMA_ERROR
    ]
    assert all(r.status is Status.OK for r in results if r.feature == "kept")


def test_doubled_names_are_refused_before_anything_is_computed() -> None:
    doubled = pd.DataFrame([[1, 2, 3]] * 20, columns=["x", "x", "y"])
    results = compare(profile({"x": [1] * 20, "y": [3] * 20}), profile(doubled))
    assert ("x", Status.SCHEMA_ERROR) in {(r.feature, r.status) for r in results}
    assert any("more than once" in r.note for r in results)
    assert {r.status for r in results if r.feature == "y"} == {Status.OK}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda x: x * 1000, "unit change, larger by x1000"),
        (lambda x: x / 1000, "unit change, smaller by x1000"),
        (lambda x: -x, "sign flip"),
        (lambda x: np.where(np.arange(x.size) % 5 == 0, -999.0, x), "default fill, 20.0% of rows are -999"),
    ],
)
def test_likely_causes(change: Any, cause: str) -> None:
    amounts = np.exp(NORMAL) + 10
    assert cause in compared(amounts, change(amounts))["population_stability_index"].note
    assert "likely cause" not in compared(amounts, amounts[::-1])["population_stability_index"].note


def test_a_changed_unit_is_told_of_a_column_around_zero() -> None:
    other = np.random.default_rng(5).standard_normal(NORMAL.size)
    assert "x1000" in compared(NORMAL, other * 1000)["population_stability_index"].note
    for quiet in (other, other * 3, other + 2, np.zeros(NORMAL.size)):
        assert "unit change" not in compared(NORMAL, quiet)["population_stability_index"].note


def test_rows_of_one_person_are_no_default_fill() -> None:
    repeated = np.where(np.arange(NORMAL.size) % 20 == 0, 1.2345678, NORMAL)
    assert "default fill" not in compared(NORMAL, repeated)["population_stability_index"].note
    rounded = np.where(np.arange(NORMAL.size) % 20 == 0, 0.0, NORMAL)
    assert "default fill" in compared(NORMAL, rounded)["population_stability_index"].note


def test_huge_and_tiny_magnitudes() -> None:
    huge = np.array([1e300, -1e300, 1.7e308, -1.7e308] * 30)
    tiny = np.array([5e-324, 1e-310, -5e-324, 0.0] * 30)
    for values in (huge, tiny):
        results = compared(values, values)
        assert {results[m].value for m in ("jensen_shannon_distance", "population_stability_index")} == {0.0}
        assert all(r.status in (Status.OK, Status.ERROR) for r in results.values())
    moved = compared(huge, huge / 3)["normalized_wasserstein_distance"]
    assert moved.value is not None
    assert moved.value > 0


def test_whole_numbers_beyond_doubles_keep_exact_bounds() -> None:
    limit = 2**53
    contract = Contract(columns=(ColumnContract(name="x", type="integer", maximum=limit),))
    column = profile({"x": [limit, limit + 1, limit + 2]}, contract=contract).columns["x"]
    assert column.maximum == limit + 2
    assert column.out_of_range == 2


def test_a_rare_rate_keeps_its_count() -> None:
    values = np.zeros(300_000)
    values[17] = 99.0
    result = compared(np.array([0.0, 1.0] * 100), values)["out_of_bounds_rate"]
    assert result.count == 1
    assert result.value == pytest.approx(1 / 300_000)


@pytest.mark.parametrize(
    ("declared", "metric", "right", "wrong"),
    [
        ({"nullable": False}, "null_value_rate", 0.5, None),
        ({"minimum": 0.0, "maximum": 1.0}, "out_of_bounds_rate", 0.5, 7.0),
        ({"type": "text", "allowed": ("a", "b")}, "out_of_bounds_rate", "a", "z"),
        ({}, "data_type_error_rate", "0.5", "n/a"),
    ],
)
def test_what_a_contract_rules_out_is_a_breach_at_the_first_case(
    declared: dict[str, Any], metric: str, right: Any, wrong: Any
) -> None:
    contract = Contract(columns=(ColumnContract(**{"name": "x", "type": "number", **declared}),))
    baseline = profile({"x": [right] * 500}, contract=contract)
    for cases, threshold, status in (
        (1, 0.0, Status.BREACH),
        (0, 0.0, Status.OK),
        # A tolerance is about a rate, and what a rate is takes rows to tell.
        (1, 0.001, Status.OK),
        (50, 0.001, Status.BREACH),
    ):
        production = profile({"x": pa.array([right] * (500 - cases) + [wrong] * cases)}, contract=contract)
        (result,) = compare(baseline, production, metrics={metric: threshold}, contract=contract)
        assert (result.count, result.status) == (cases, status)
        if cases == 1 and not threshold:
            assert result.p_value is None
            assert "a single case is a breach" in result.note
    (unbound,) = compare(baseline, production, metrics={metric: 0.0})
    assert unbound.p_value is not None


def test_a_contract_that_nobody_declared_binds_nobody() -> None:
    monitor = {
        "monitor": "m",
        "signals": {"q": {"type": "data_quality", "out_of_bounds": 0.0, "null_rate": 0.0}},
    }
    baseline = pd.DataFrame({"x": NORMAL})
    production = pd.DataFrame({"x": [None, NORMAL.max() + 1e-6, *NORMAL[:400]]})
    inferred = Contract.infer(profile(baseline))
    found = [
        {
            row["metric"]: row["status"]
            for row in run(monitor, baseline, production, contract=contract)["measurements"]
        }
        for contract in (None, inferred)
    ]
    for metric in ("out_of_bounds_rate", "null_value_rate"):
        assert [statuses[metric] for statuses in found] == ["ok", "breach"]


def test_one_baseline_row_bounds_nothing() -> None:
    for values in ([3.0], ["a"], [3.0, None]):
        result = measure("out_of_bounds_rate", values, [values[0]] * 2, threshold=0.0)
        assert (result.status, result.value) == (Status.INSUFFICIENT, None)
    assert measure("out_of_bounds_rate", [3.0], [3.0, 4.0], definition="azureml/4b41f8c").value == 0.5

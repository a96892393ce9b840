"""Defects of Azure ML's reference implementation, each with the proof that it is not repeated here."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import (
    METRICS,
    ColumnContract,
    Contract,
    Measurement,
    Monitor,
    Role,
    Status,
    compare,
    measure,
    profile,
    run,
)
from modelwatch.attribution import attribution_drift
from modelwatch.errors import ContractError
from modelwatch.judging import judged

GENERATOR = np.random.default_rng(3)


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall"])
def test_defect_1_performance_breaches_below_its_threshold(metric: str) -> None:
    good, bad = ([0, 1] * 50, [0, 1] * 50), ([0, 1] * 50, [1, 0] * 25 + [0, 1] * 25)
    assert measure(metric, *good, threshold=0.9).status is Status.OK
    assert measure(metric, *bad, threshold=0.9).status is Status.BREACH


def test_defect_2_every_metric_has_its_own_threshold() -> None:
    monitor = {
        "monitor": "m",
        "signals": {
            "perf": {"type": "model_performance", "accuracy": {"min": 0.5}, "precision": {"min": 0.99}},
        },
    }
    found = _performance(monitor)
    assert (found["accuracy"]["threshold"], found["accuracy"]["status"]) == (0.5, "ok")
    assert (found["precision"]["threshold"], found["precision"]["status"]) == (0.99, "breach")


def _performance(monitor: dict[str, Any]) -> dict[str, dict[str, Any]]:
    contract = Contract(
        columns=(
            ColumnContract(name="y", type="integer", role=Role.TARGET),
            ColumnContract(name="p", type="integer", role=Role.PREDICTION),
        )
    )
    frame = pd.DataFrame({"y": [0, 1] * 50, "p": [0, 1] * 45 + [1, 0] * 5})
    result = run(monitor, frame, frame, contract=contract)
    return {m["metric"]: m for m in result["measurements"]}


def test_defect_3_attribution_has_a_threshold_and_never_breaches_on_no_number() -> None:
    perfect = attribution_drift([3.0, 2.0, 1.0], [3.0, 2.0, 1.0])
    assert judged(perfect, 0.9).status is Status.OK
    reversed_ = measure(
        "normalized_discounted_cumulative_gain", [0.7, 0.5, 0.05], [0.1, 0.2, 0.7], threshold=0.9
    )
    assert reversed_.status is Status.BREACH
    nothing = measure("normalized_discounted_cumulative_gain", [0.0, 0.0], [0.0, 0.0], threshold=0.9)
    assert nothing.status is Status.NO_DATA
    distance = Measurement("jensen_shannon_distance", "robust/v1", math.nan)
    p_value = Measurement("two_sample_kolmogorov_smirnov_test", "robust/v1", math.nan)
    assert {judged(one, 0.1).status for one in (distance, p_value)} == {Status.ERROR}


def test_defect_4_every_row_of_results_has_the_same_named_dimensions() -> None:
    results = compare(profile({"x": [1.0] * 30, "c": ["a"] * 30}), profile({"x": [None] * 30, "y": [1] * 30}))
    keys = {
        "signal", "metric", "definition", "feature", "segment", "value", "p_value", "q_value", "n_baseline",
        "n_production", "status", "threshold", "note",
    }  # fmt: skip
    assert all(keys <= set(result.to_dict()) for result in results)
    json.dumps([result.to_dict() for result in results], allow_nan=False)


def test_defect_5_a_category_with_a_comma_or_bracket_is_one_category() -> None:
    cities = ["New York, NY", "[Bonn]", "Paris"] * 10
    result = measure("out_of_bounds_rate", cities, ["New York, NY", "[Bonn]"])
    assert result.count == 0
    assert measure("out_of_bounds_rate", cities, ["New York", "Bonn", " NY"]).count == 3


@pytest.mark.parametrize(
    ("baseline", "production"),
    [([True, False] * 20, [True, None, None, False]), (["a", None, None] * 9, ["a", None, None])],
)
def test_defect_6_nulls_are_not_type_errors(baseline: list[Any], production: list[Any]) -> None:
    assert measure("data_type_error_rate", baseline, production).count == 0
    assert measure("null_value_rate", baseline, production).count == 2


def test_defect_6_all_null_columns_and_empty_windows_do_not_crash() -> None:
    baseline = profile({"x": [1.0, 2.0] * 20})
    assert compare(baseline, profile(pa.table({"x": pa.nulls(9)})))
    assert compare(baseline, profile({"x": np.empty(0)}))


def test_defect_6_a_missing_feature_has_a_row() -> None:
    results = compare(profile({"x": [1.0] * 9, "gone": [1.0] * 9}), profile({"x": [1.0] * 9}))
    assert any(r.feature == "gone" and r.status is Status.SCHEMA_ERROR for r in results)


def test_defect_7_several_metrics_of_one_signal_are_all_measured() -> None:
    monitor = {
        "monitor": "m",
        "signals": {
            "inputs": {"type": "data_drift", "numeric": ["psi", "ks", "nwd"], "psi": 0.2, "ks": 0.01}
        },
    }
    frame = pd.DataFrame({"x": GENERATOR.standard_normal(500)})
    found = run(monitor, frame, frame)["measurements"]
    assert [m["metric"] for m in found] == [
        "population_stability_index",
        "two_sample_kolmogorov_smirnov_test",
        "normalized_wasserstein_distance",
    ]
    assert [m["threshold"] for m in found] == [0.2, 0.01, None]


def test_defect_7_a_threshold_of_zero_is_a_threshold() -> None:
    monitor = Monitor.model_validate(
        {"monitor": "m", "signals": {"q": {"type": "data_quality", "null_rate": 0.0}}}
    )
    assert monitor.signals["q"].bounds["null_value_rate"].value == 0.0
    frame, holed = pd.DataFrame({"x": [1.0] * 200}), pd.DataFrame({"x": [None] * 60 + [1.0] * 140})
    found = {m["metric"]: m for m in run(monitor, frame, holed)["measurements"]}
    assert found["null_value_rate"]["status"] == "breach"
    assert found["null_value_rate"]["threshold"] == 0.0


def test_defect_7_thresholds_of_numbers_and_categories_are_apart() -> None:
    monitor = {
        "monitor": "m",
        "signals": {"inputs": {"type": "data_drift", "psi": 0.2, "jsd": 0.3}},
    }
    frame = pd.DataFrame({"x": GENERATOR.standard_normal(400), "c": ["a", "b"] * 200})
    found = run(monitor, frame, frame)["measurements"]
    by = {(m["feature"], m["metric"]): m["threshold"] for m in found}
    assert by["x", "population_stability_index"] == 0.2
    assert by["c", "jensen_shannon_distance"] == 0.3


def test_defect_7_regression_performance_loads() -> None:
    monitor = Monitor.model_validate(
        {"monitor": "m", "signals": {"perf": {"type": "model_performance", "rmse": {"max": 3.0}}}}
    )
    assert monitor.signals["perf"].bounds["rmse"].value == 3.0


def test_a_bound_against_the_direction_of_its_metric_is_refused() -> None:
    with pytest.raises(ContractError, match="direction"):
        Monitor.parse(
            {"monitor": "m", "signals": {"perf": {"type": "model_performance", "accuracy": {"max": 0.9}}}}
        )


def test_rows_are_not_dropped_because_another_column_is_null() -> None:
    frame = pd.DataFrame({"x": GENERATOR.standard_normal(300), "y": [None] * 299 + [1.0]})
    (result,) = compare(profile({"x": frame["x"]}), profile(frame), metrics=["jensen_shannon_distance"])
    assert result.n_production == 300


def test_goodness_of_fit_alarms_falsely_where_homogeneity_does_not() -> None:
    alarms = {"robust/v1": 0, "azureml/4b41f8c": 0}
    for _ in range(40):
        baseline, production = ([str(c) for c in GENERATOR.integers(0, 10, n)] for n in (200, 5_000))
        for definition in alarms:
            p = measure("pearsons_chi_squared_test", baseline, production, definition=definition).value
            assert p is not None
            alarms[definition] += p < 0.05
    assert alarms["azureml/4b41f8c"] >= 30
    assert alarms["robust/v1"] <= 7


def test_many_features_do_not_alarm_by_their_number() -> None:
    runs = 0
    for _ in range(12):
        sides = [profile({f"x{i}": GENERATOR.standard_normal(300) for i in range(50)}) for _ in range(2)]
        results = compare(*sides, metrics=["jensen_shannon_distance"])
        assert sum((r.p_value or 1) < 0.05 for r in results) < 12
        runs += any((r.q_value or 1) < 0.05 for r in results)
    assert runs <= 3


def test_every_metric_states_its_direction() -> None:
    higher_is_better = {
        "accuracy", "precision", "recall", "f1", "roc_auc", "r2", "normalized_discounted_cumulative_gain",
        "two_sample_kolmogorov_smirnov_test", "pearsons_chi_squared_test", "label_coverage", "volume_ratio",
        "throughput_per_second", "estimated_accuracy", "estimated_precision", "estimated_recall",
        "estimated_f1", "estimated_roc_auc",
    }  # fmt: skip
    assert {name for name, metric in METRICS.items() if metric.breaches(0.0, 1.0)} == higher_is_better

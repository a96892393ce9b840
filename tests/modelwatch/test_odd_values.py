"""Nulls on a whole side, numbers beyond 2**53, infinities, counts that are none, swapped bytes."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import Contract, Measurement, Status, Window, compare, measure, profile, run
from modelwatch.comparing import DRIFT_METRICS
from modelwatch.errors import SourceError, UsageError

RANDOM = np.random.default_rng(17)
NUMBERS = RANDOM.standard_normal(300)
TEXTS = RANDOM.choice(["a", "b"], 300).tolist()
PSI = "population_stability_index"


def compared(before: Any, after: Any, **options: Any) -> dict[str, Measurement]:
    found = compare(profile({"x": before}), profile({"x": after}), **options)
    return {one.metric: one for one in found}


NOTHING = [pa.nulls(200), pa.nulls(200, pa.string()), np.full(200, np.nan)]


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("values", [NUMBERS, TEXTS, [True, False] * 100, [None] * 50])
def test_a_baseline_without_values_is_no_data_whatever_comes(nothing: Any, values: Any) -> None:
    found = compared(nothing, values, metrics=[*DRIFT_METRICS, "out_of_bounds_rate", "schema_change"])
    if values[0] is not None:
        assert found["out_of_bounds_rate"].status is Status.NO_DATA
    for name in DRIFT_METRICS:
        assert found[name].status is Status.NO_DATA
        assert "no value in baseline" in found[name].note
        assert measure(name, nothing, values).status is Status.NO_DATA
    assert "schema_change" not in found
    assert "schema_error" not in {one.status for one in found.values()}


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("values", [NUMBERS, TEXTS])
def test_production_without_values_keeps_its_rows_and_hints_at_no_type(nothing: Any, values: Any) -> None:
    found = compared(values, nothing)
    assert found[PSI].status is Status.NO_DATA
    assert measure(PSI, values, nothing).status is Status.NO_DATA
    assert (found["out_of_bounds_rate"].value, found["data_type_error_rate"].value) == (0, 0)
    assert found["null_value_rate"].value == 1
    assert not any("type" in one.note for one in found.values())
    contract = Contract.infer(profile({"x": values}))
    rows = compare(
        profile({"x": values}, contract=contract),
        profile({"x": nothing}, contract=contract),
        contract=contract,
    )
    assert {one.status for one in rows} == {Status.OK, Status.NO_DATA}


def test_rates_of_nothing_are_no_data() -> None:
    for values in (["a"], [1.0]):
        assert measure("out_of_bounds_rate", values, []).status is Status.NO_DATA
        assert measure("out_of_bounds_rate", [None], values).status is Status.NO_DATA


def test_a_type_that_a_contract_reads_otherwise_is_not_called_wider() -> None:
    contract = Contract.infer(profile({"x": NUMBERS}))
    found = compare(
        profile({"x": NUMBERS}), profile({"x": TEXTS}, contract=contract), contract=contract, metrics=[PSI]
    )
    assert "type changed from double to string" in found[0].note
    assert "dtype_widened" in compared(np.arange(300), NUMBERS)[PSI].note


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("spread", [5, 10_000_000])
def test_bounds_beyond_doubles_are_within_their_published_error(sign: int, spread: int) -> None:
    base = 2**62
    before = [sign * (base + int(value)) for value in RANDOM.integers(0, spread, 5_000)]
    after = [sign * (base + int(value)) for value in RANDOM.integers(-spread // 10, spread * 11 // 10, 3_000)]
    after += [min(before) - 1, max(before) + 1, min(before), max(before)]
    exact = sum(not min(before) <= value <= max(before) for value in after)
    found = compared(pa.array(before), pa.array(after), metrics=["out_of_bounds_rate"])["out_of_bounds_rate"]
    assert found.value is not None
    assert found.bound is not None
    assert abs(found.value - exact / len(after)) <= found.bound <= 1
    assert (found.count or 0) >= 2
    inside = compared(pa.array(before), pa.array(before), metrics=["out_of_bounds_rate"])[
        "out_of_bounds_rate"
    ]
    assert (inside.count, inside.bound) == (0, 0)


def test_a_bound_that_many_values_share_is_inside() -> None:
    clipped = np.maximum(-np.abs(RANDOM.standard_normal(9_000)) * 1000, -1024.0)
    lower = np.concatenate([clipped, [-1024.2], np.full(500, -1024.0)])
    found = compared(clipped, lower, metrics=["out_of_bounds_rate"])["out_of_bounds_rate"]
    assert found.value is not None
    assert found.bound is not None
    assert abs(found.value - 1 / lower.size) <= found.bound


def test_infinities_of_the_baseline_are_no_news() -> None:
    frame = pd.DataFrame({"x": np.concatenate([NUMBERS, [np.inf, -np.inf] * 20])})
    monitor = {"monitor": "m", "signals": {"q": {"type": "data_quality", "out_of_bounds": 0.05}}}
    rows = run(monitor, frame, frame)["measurements"]
    (row,) = (row for row in rows if row["metric"] == "out_of_bounds_rate")
    assert (row["status"], row["details"]["baseline_rate"]) == ("ok", row["value"])


def test_counts_by_category() -> None:
    assert measure(PSI, {1: 3, "1": 2, "b": 5}, {"1": 5, "b": 5}).value == 0
    assert measure(PSI, {"a": 3, None: 2}, {"a": 3, float("nan"): 2}).value == 0
    assert measure(PSI, {True: 3.0, "b": np.int64(2)}, {"true": 3, "b": 2}).n_baseline == 5
    for wrong in (0.5, -1, float("nan"), float("inf"), None, "many"):
        with pytest.raises(UsageError, match="'a'"):
            measure(PSI, {"a": wrong, "b": 5}, {"a": 1, "b": 2})


@pytest.mark.parametrize("kind", [">f8", ">i4", ">u2", ">f4"])
def test_numbers_of_the_other_byte_order_are_numbers(kind: str) -> None:
    values = np.arange(300)
    for swapped in (values.astype(kind), pd.Series(values.astype(kind))):
        assert measure(PSI, values, swapped).value == 0
        assert compared(values, swapped)["data_type_error_rate"].value == 0


def test_texts_that_spell_numbers_are_read_alike_by_measure_and_compare() -> None:
    texts = [f"{value:.17g}" for value in NUMBERS[:150]] + ["oops"] + [None]
    whole, column = measure(PSI, NUMBERS, texts), compared(NUMBERS, texts)[PSI]
    assert (whole.value, whole.n_production) == (column.value, column.n_production)
    assert whole.note == column.note
    assert measure(PSI, NUMBERS, TEXTS).status is Status.SCHEMA_ERROR


@pytest.mark.parametrize(
    "column", [None, 5, "text", b"bytes", {"a": 1}, pd.DataFrame({"x": [1.0]}), np.ones((2, 2))]
)
def test_what_is_no_column_is_refused(column: Any) -> None:
    with pytest.raises((SourceError, UsageError)):
        measure("null_value_rate", [1.0], column)
    with pytest.raises((SourceError, UsageError)):
        measure(PSI, [1.0], column)


def test_tables_that_are_none_are_refused() -> None:
    with pytest.raises(SourceError, match="'x': 2, 'y': 1"):
        profile({"x": [1, 2], "y": [1]})
    assert profile({1: [1, 2], "1": [3, 4]}).duplicate_names == ("1",)
    assert profile({"x": (value for value in (1, "a", object))}).rows == 3
    with pytest.raises(UsageError, match="no number"):
        measure("ndcg", {"a": "high"}, {"a": 1})
    assert measure("ndcg", {"a": None, "b": 2}, {"b": 1, "a": 0}).value == 1


def test_metrics_go_by_their_ids_and_short_names() -> None:
    assert measure(metric="psi", baseline=NUMBERS, production=NUMBERS).metric == PSI
    found = compared(NUMBERS, NUMBERS + 3, metrics={"psi": 0.2, "null_rate": 0.1})
    assert (found[PSI].status, found[PSI].threshold) == (Status.BREACH, 0.2)
    assert found["null_value_rate"].threshold == 0.1
    with pytest.raises(UsageError, match="psi"):
        measure("psl", NUMBERS, NUMBERS)


def test_a_csv_column_whose_decimals_come_late_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("a,b,c\n" + "1,,x\n" * 1_100_000 + "1.5,2,x\n")
    found = profile(path).columns
    assert (found["a"].type, found["a"].maximum, found["b"].type) == ("double", 1.5, "double")
    assert found["b"].missing == 1_100_000


def test_dictionaries_that_repeat_values_or_list_null_are_read_by_their_rows() -> None:
    indices = pa.array([0, 1, 2, None] * 25)
    repeated = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "a", "b"]))
    assert measure("jsd", repeated, ["a", "a", "b", None] * 25).value == 0
    for values in ([1.0, None, 2.0], ["a", None, "b"]):
        listed = pa.DictionaryArray.from_arrays(indices, pa.array(values))
        plain = [*values, None] * 25
        result = measure("jsd", plain, listed)
        assert (result.value, result.n_production) == (0, measure("jsd", plain, plain).n_production)


def test_string_views_are_texts() -> None:
    numbers = pa.array(["1.5", "2.5"] * 60).cast(pa.string_view())
    assert (measure("psi", [1.5, 2.5] * 60, numbers).value, measure("psi", numbers, numbers).value) == (0, 0)
    views = pa.table(
        {
            "at": pa.array(["2026-01-01T05:00:00Z", "2026-02-01T05:00:00Z"] * 50).cast(pa.string_view()),
            "g": pa.array(["a", "b"] * 50).cast(pa.string_view()),
            "x": pa.array(["1", "2"] * 50).cast(pa.string_view()),
        }
    )
    plain = {"at": ["2026-01-01T05:00:00Z"] * 50, "g": ["a", "b"] * 25, "x": [1, 2] * 25}
    contract = Contract.infer(profile(plain))
    january = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    monitor = {
        "monitor": "m",
        "data": {"event_time": "at"},
        "signals": {"inputs": {"type": "data_drift"}},
        "segments": [{"by": "g", "min_rows": 1}],
    }
    encoded = views.set_column(0, "at", views["at"].cast(pa.string()).dictionary_encode())
    for source in (views, views.to_batches(), encoded):
        found = run(monitor, views, source, january, contract=contract)["measurements"]
        rows = [row["n_production"] for row in found if row["feature"] == "x" and row["segment"] is None]
        assert rows
        assert set(rows) == {50}


def test_a_drafted_contract_rules_nothing_out_and_says_nothing_of_it() -> None:
    before, after = {"x": [1.0, 2.0] * 100}, {"x": [1.0, 9.0] * 100}
    inferred = Contract.infer(profile(before))
    for contract, noted in ((inferred.draft(), False), (inferred, True)):
        sides = profile(before, contract=contract), profile(after, contract=contract)
        (found,) = compare(*sides, contract=contract, metrics=["out_of_bounds_rate"])
        assert (found.count, "the contract allows none" in found.note) == (100, noted)


def test_a_schema_error_says_what_is_unlike() -> None:
    found = compared([1.0, 2.0] * 50, ["a", "b"] * 50, metrics=["psi"])
    assert found[PSI].status is Status.SCHEMA_ERROR
    assert "100 of 100 values of production are no number" in found[PSI].note


@pytest.mark.parametrize("metric", ["r2", "mse", "rmse", "mae"])
def test_numbers_whose_squares_overflow_raise_no_warning(metric: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(metric, [1e200, -1e200, 0], [1e200, 1e200, 1])
    assert found.status == ("ok" if metric == "mae" else "error")

"""Changes injected into rows, and the rules that notice them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from modelwatch import Monitor
from modelwatch.alerts.changes import CHANGES
from modelwatch.alerts.power import Power, power
from modelwatch.errors import UsageError

GENERATOR = np.random.default_rng(3)


def rows(count: int) -> pa.Table:
    return pa.table(
        {
            "amount": GENERATOR.lognormal(3, 0.5, count),
            "balance": GENERATOR.standard_normal(count),
            "plan": GENERATOR.choice(["a", "b", "c"], count, p=[0.6, 0.3, 0.1]),
            "hour": GENERATOR.choice(24, count, p=np.r_[np.full(12, 1 / 36), np.full(12, 2 / 36)]),
            "ts": pa.array([datetime(2026, 1, 1 + place % 28, tzinfo=UTC) for place in range(count)]),
        }
    )


@pytest.fixture(scope="module")
def measured() -> Power:
    declared = {
        "monitor": "m",
        "owner": "team",
        "data": {"event_time": "ts"},
        "signals": {
            "inputs": {"type": "data_drift"},
            "schema": {"type": "data_quality", "null_rate": "+0.02"},
            "model": {"type": "model_performance", "recall": 0.8},
        },
        "rules": "default",
    }
    return power(Monitor.parse(declared), rows(3_000), rows(3_000), rows=800, windows=4, repeats=1)


def noticed(found: Power, change: str, feature: str) -> set[str]:
    return {
        row.rule
        for row in found.detections
        if row.change.startswith(change) and row.feature == feature and row.rule
    }


def test_each_change_is_noticed_where_it_means_something(measured: Power) -> None:
    assert measured.fired_before == 0
    assert measured.left_out == ("model",)
    for change in ("shift", "scale", "times", "sign flip"):
        assert "inputs-drift" in noticed(measured, change, "amount"), change
    assert noticed(measured, "null burst", "amount") == {"inputs-drift", "schema-null-value-rate"}
    assert "inputs-drift" in noticed(measured, "category swap", "plan")
    assert "inputs-drift" in noticed(measured, "zone", "hour")
    # What looks the same with its sign turned cannot be told by its distribution.
    assert [(row.change, row.feature) for row in measured.unnoticed] == [("sign flip", "balance")]
    # "2 of 3": the second changed window at the earliest.
    assert {row.windows for row in measured.detections if row.rule} == {2.0}


def test_a_change_that_means_nothing_for_a_column_is_left_out(measured: Power) -> None:
    about = {(row.change.split()[0], row.feature) for row in measured.detections}
    assert ("category", "amount") not in about
    assert ("shift", "plan") not in about
    assert ("zone", "amount") not in about
    assert all(feature != "ts" for _, feature in about)


def test_whole_numbers_stay_whole_and_types_are_kept() -> None:
    column = pa.chunked_array([pa.array([0, 5, 23, None], pa.int16())])
    for change in CHANGES:
        changed = change.apply(column, np.random.default_rng(0))
        if changed is not None:
            assert pa.types.is_integer(changed.type), change.name
            assert changed.null_count >= 1
    hours = next(change for change in CHANGES if change.name.startswith("zone"))
    found = hours.apply(column, np.random.default_rng(0))
    assert found is not None
    assert found.to_pylist() == [5, 10, 4, None]


def test_without_a_rule_on_profiles_there_is_nothing_to_measure() -> None:
    declared = {
        "monitor": "m",
        "signals": {"model": {"type": "model_performance", "recall": 0.8}},
        "rules": [{"id": "r", "when": "model.recall", "runbook": "r.md"}],
    }
    with pytest.raises(UsageError, match="profiles"):
        power(Monitor.parse(declared), rows(100), rows(100), rows=50)

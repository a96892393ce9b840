"""Segments hold every row of their value, however each side stores it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelwatch import Contract, profile, run
from modelwatch.column_contracts import ColumnContract, Role
from modelwatch.columns import Kind
from modelwatch.value_names import profiled_names, value_names

EACH = 60
MONITOR = {
    "monitor": "m",
    "segments": [{"by": "g", "min_rows": 50}],
    "signals": {"d": {"type": "data_drift", "features": ["x"], "psi": 5.0}},
}
INTEGER = Contract(
    columns=(
        ColumnContract(name="g", type="integer", role=Role.SEGMENT),
        ColumnContract(name="x", type="number"),
    )
)
DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def table(values: list[Any], data_type: pa.DataType | None = None, *, encoded: bool = False) -> pa.Table:
    groups = pa.array(values * EACH, type=data_type)
    return pa.table(
        {
            "g": groups.dictionary_encode() if encoded else groups,
            "x": np.arange(len(groups), dtype=float),
        }
    )


def segments(
    baseline: Any, production: Any, contract: Contract | None = None, **more: Any
) -> dict[str, tuple[str, int, int]]:
    """Run; each segment's status and rows on both sides."""
    rows = run({**MONITOR, **more}, baseline, production, contract=contract)["measurements"]
    return {
        row["segment"]: (row["status"], row["n_baseline"], row["n_production"])
        for row in rows
        if row["segment"] is not None
    }


@pytest.mark.parametrize(
    ("given", "contract", "names"),
    [
        (table([Decimal("1.00"), Decimal("2.50")]), None, ["1", "2.5"]),
        (table(DAYS), None, ["2026-01-01", "2026-01-02"]),
        (
            table([NOON, NOON.replace(hour=0)], pa.timestamp("us", tz="UTC")),
            None,
            ["2026-01-01", "2026-01-01T12:00"],
        ),
        (table([1, 2], encoded=True), None, ["1", "2"]),
        (table(["1", " 2.0"]), INTEGER, ["1", "2"]),
        (table([-0.0, 1.5]), None, ["0", "1.5"]),
        (table([True, False]), None, ["false", "true"]),
        (table(["a" * 300, "b"]), None, None),
    ],
)
def test_equal_sides_have_every_row_in_a_segment(
    given: pa.Table, contract: Contract | None, names: list[str] | None
) -> None:
    found = segments(given, given, contract)
    assert set(found.values()) == {("ok", EACH, EACH)}
    assert len(found) == 2
    if names is not None:
        assert sorted(found) == [f"g={name}" for name in names]


@pytest.mark.parametrize(
    ("first", "numbers"),
    [(pa.int64(), [2**60, 2**60 + 1, 2**60 + 2]), (pa.uint64(), [2**63, 2**63 + 1, 2**64 - 1])],
)
def test_whole_numbers_that_no_double_tells_apart_are_segments_of_their_own(
    first: pa.DataType, numbers: list[int]
) -> None:
    given = table(numbers, first)
    assert segments(given, given) == {f"g={number}": ("ok", EACH, EACH) for number in numbers}


def test_a_null_that_makes_integers_floats_makes_no_other_segments() -> None:
    before = pd.DataFrame({"g": [1, 2] * EACH, "x": np.arange(2.0 * EACH)})
    after = before.assign(g=before["g"].where(before.index > 0))
    assert after["g"].dtype == float
    expected = {"g=1": ("ok", EACH, EACH - 1), "g=2": ("ok", EACH, EACH)}
    assert segments(before, after) == expected
    # A profile is enough of a baseline: which values there were, and with the whole of it to compare.
    assert set(segments(profile(before), after)) == set(expected)


def test_truth_values_and_their_digits_are_the_same_segments() -> None:
    truths, digits = table([False, True]), table([0, 1])
    assert segments(truths, digits) == {
        "g=false": ("ok", EACH, EACH),
        "g=true": ("ok", EACH, EACH),
    }
    assert segments(digits, truths) == {"g=0": ("ok", EACH, EACH), "g=1": ("ok", EACH, EACH)}


def test_a_column_of_too_many_values_is_no_segmentation_and_says_so_once() -> None:
    numbers = table(list(np.random.default_rng(1).normal(size=500)))
    few = table([1.5, 2.5])
    for before, after, side in ((numbers, numbers, "production"), (numbers, few, "baseline")):
        rows = run(MONITOR, before, after)["measurements"]
        (said,) = [row for row in rows if row["segment"] is not None]
        assert (said["status"], said["feature"]) == ("schema_error", "g")
        assert f"in {side} 500 values" in said["note"]
    more = pa.table({"g": np.arange(20_000) + 0.5, "x": np.zeros(20_000)})
    assert "more than 16,384 values" in run(MONITOR, more, more)["measurements"][-1]["note"]


@pytest.mark.parametrize(
    ("values", "reading"),
    [
        (pa.array(DAYS), None),
        (pa.array([NOON, NOON], pa.timestamp("ns", tz="UTC")), None),
        (pa.array([1, 2_000], pa.time32("ms")), None),
        (pa.array([1, 90_000], pa.duration("s")), None),
        (pa.array([-0.0, 0.5, 7.0]), None),
        (pa.array([1, 2], pa.int8()), None),
        (pa.array(["2026-01-01", "2026-01-01T12:00:00+00:00"]), Kind.TIME),
    ],
)
def test_profiles_name_values_as_rows_do(values: pa.Array, reading: Kind | None) -> None:
    contract = None
    if reading is Kind.TIME:
        contract = Contract(columns=(ColumnContract(name="g", type="time", role=Role.SEGMENT),))
    column = profile({"g": values}, contract=contract).columns["g"]
    assert set(profiled_names(column)) == set(value_names(values, reading).to_pylist())

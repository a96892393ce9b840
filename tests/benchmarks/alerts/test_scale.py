"""All rules over a year: 200 features in 20 segments, and how the cost grows with the windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from modelwatch.alerts.advancing import advance
from modelwatch.alerts.store import AlertStore
from tests.modelwatch.alerts.declarations import DAY, START, drift, monitor, result
from tests.modelwatch.alerts.declarations import measured as measured_row

FEATURES, SEGMENTS, WINDOWS = 200, 20, 365
RULES = monitor(
    drift(),
    drift(id="strict", fire=0.1, clear=0.05),
    {"id": "schema-break", "when": "schema", "for": "1 of 1"},
)


def seconds_to_advance(store: AlertStore) -> float:
    started = time.process_time()
    advance(store, RULES, now=START + 2 * WINDOWS * DAY)
    return time.process_time() - started


@pytest.mark.timeout(600)
def test_a_year_takes_seconds_and_grows_with_its_windows(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    random = np.random.default_rng(0)
    keys = [(f"f{feature}", f"s={segment}") for feature in range(FEATURES) for segment in range(SEGMENTS)]
    costs: dict[int, float] = {}
    with AlertStore(tmp_path / "alerts.sqlite") as store:
        for day in range(WINDOWS):
            rows = [
                measured_row(float(value), feature, segment=segment)
                for (feature, segment), value in zip(keys, random.exponential(0.02, len(keys)), strict=True)
            ]
            store.record(result(day, *rows), now=START + day * DAY + timedelta(hours=1))
            if day + 1 in (WINDOWS // 2, WINDOWS):
                costs[day + 1] = seconds_to_advance(store)
    half, whole = costs.values()
    record_property("cpu_seconds", {"half a year": half, "a year": whole})
    assert whole < 30, "seconds, not minutes"
    assert whole / half < 3, "grows with the windows"

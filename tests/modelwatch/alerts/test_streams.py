"""The counted streams are what `modelwatch.compare` makes of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from modelwatch import compare, profile
from modelwatch.alerts.history import CODES
from tests.modelwatch.alerts.streams import (
    FEATURES,
    PSI,
    Categories,
    Continuous,
    Counted,
    Measured,
    Rows,
    Whole,
    benjamini_hochberg,
    stability,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ("normal, 0.5 % null", "mostly zero", "2 % positive", "a hundred, Zipf", "300, Zipf")


@pytest.mark.parametrize(("baseline", "window"), [(300, 300), (3_000, 1_000)])
def test_counting_is_measuring(baseline: int, window: int) -> None:
    generator, rows = np.random.default_rng(baseline), Rows(3, 2, baseline, window)
    drift = np.array([0.0, 0.02])
    drawn = {name: FEATURES[name].counts(generator, rows, drift) for name in NAMES}
    found = [stability(counted) for counted in drawn.values()]
    value, p, buckets = (np.stack(part, axis=2) for part in zip(*found, strict=True))
    counted = Measured(rows, NAMES, value, p, benjamini_hochberg(p), buckets)
    status = counted.status(0.05)
    for stream in range(rows.streams):
        before = profile(pa.table({name: _rows(name, drawn[name], stream) for name in NAMES}))
        for day in range(rows.windows):
            after = profile(pa.table({name: _rows(name, drawn[name], stream, day) for name in NAMES}))
            for place, one in enumerate(compare(before, after, metrics={PSI: 0.05})):
                here = day, stream, place
                assert one.feature == NAMES[place]
                assert one.value == pytest.approx(counted.value[here])
                assert one.p_value == pytest.approx(counted.p_value[here], abs=1e-9)
                assert one.q_value == pytest.approx(counted.q_value[here], abs=1e-9)
                assert CODES[one.status.value] == status[here], one


def _rows(name: str, counted: Counted, stream: int, day: int | None = None) -> pa.Array:
    """Return a column that has these counts."""
    law = FEATURES[name]
    side = counted.baseline[stream] if day is None else counted.production[day, stream]
    if isinstance(law, Categories):
        assert counted.baseline_table is not None
        assert counted.production_table is not None
        side = counted.baseline_table[stream] if day is None else counted.production_table[day, stream]
        return pa.array(np.repeat([f"c{place:03}" for place in range(side.size)], side))
    if isinstance(law, Whole):
        # Bins of whole numbers are what they are made of: a bin's rows may all have its first value.
        return pa.array(np.repeat(_first_values(counted, stream), side).astype(np.float64))
    assert isinstance(law, Continuous)
    present = np.concatenate([place + np.arange(size) / (size + 1) for place, size in enumerate(side[:-1])])
    return pa.array([*present.tolist(), *[None] * int(side[-1])], pa.float64())


def _first_values(counted: Counted, stream: int) -> NDArray[np.int64]:
    return np.arange(counted.baseline.shape[1])

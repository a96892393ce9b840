"""What cells leave open is measured again from the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelwatch import AZUREML, compare, measure, profile
from modelwatch.refining import GAP, refined

GENERATOR = np.random.default_rng(12)


@pytest.mark.parametrize("definition", ["robust/v1", AZUREML])
def test_flagged_measurements_become_exact(tmp_path: Path, definition: str) -> None:
    # A fifth of the rows sits far from zero in a space that the cells of the rest leave no room for.
    far = np.where(np.arange(60_000) % 5 == 0, 1_000.0, 0.0)
    sides = {
        "baseline": far + GENERATOR.standard_normal(60_000),
        "production": far + GENERATOR.standard_normal(60_000) * 1.02,
    }
    for side, values in sides.items():
        pq.write_table(pa.table({"p": values, "q": values - far}), tmp_path / f"{side}.parquet")
    paths = tmp_path / "baseline.parquet", tmp_path / "production.parquet"
    metrics = {"two_sample_kolmogorov_smirnov_test": 0.01, "jensen_shannon_distance": 0.01}
    rough = compare(*map(profile, paths), definition=definition, metrics=metrics)
    assert any((measurement.bound or 0) > GAP for measurement in rough)

    fine = refined(rough, *paths)

    for before, after in zip(rough, fine, strict=True):
        assert (before.feature, before.metric) == (after.feature, after.metric)
        if (before.bound or 0) > GAP:
            exact = measure(after.metric, *sides.values(), definition=definition, kind="numerical")
            assert after.value == pytest.approx(exact.value) if after.feature == "p" else after.value
            assert after.bound == 0
            assert "again" in after.note
        else:
            assert after.value == before.value


def test_crowding_is_said_in_the_bound() -> None:
    sides = [GENERATOR.beta(0.5, 0.5, 200_000) for _ in range(2)]
    (result,) = compare(
        *(profile({"p": side}) for side in sides), metrics=["two_sample_kolmogorov_smirnov_test"]
    )
    exact = measure("two_sample_kolmogorov_smirnov_test", *sides)
    assert result.bound is not None
    assert abs((exact.statistic or 0) - (result.statistic or 0)) <= result.bound

"""Profiles against plain counts where blocks of one column have little in common."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelwatch import profile
from modelwatch.cells import Cells

N = 70_000


def blocks(kind: str) -> list[Any]:
    generator = np.random.default_rng(0)
    size = np.abs(generator.standard_normal(N))
    return {
        "signs and specials": [
            size,
            np.where(np.arange(N) % 10 == 0, np.nan, -size),
            np.where(np.arange(N) % 9 == 0, np.inf, -size),
        ],
        "specials of one sign": [size + 1, np.where(np.arange(N) % 7 == 0, np.inf, size * 1e6)],
        "far apart": [size * 1e-200, size * 1e200, -size],
        "near and zero": [size, -size, np.zeros(N)],
        "many of few values": [np.round(size, 1), -np.round(size, 1), np.full(N, -0.0)],
        "integers far apart": [
            generator.integers(0, 10, N),
            generator.integers(10**12, 10**12 + 10, N),
            generator.integers(-(2**62), -(2**62) + 5, N),
        ],
        "integers about a window": [
            generator.integers(0, 65_534, N),
            generator.integers(65_530, 131_000, N),
            generator.integers(-100_000, 100_000, N),
        ],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "signs and specials",
        "specials of one sign",
        "far apart",
        "near and zero",
        "many of few values",
        "integers far apart",
        "integers about a window",
    ],
)
def test_blocks_that_differ_are_counted_exactly_in_any_order(kind: str) -> None:
    parts = blocks(kind)
    whole = np.concatenate(parts).astype(np.float64)
    wanted = Cells.of(whole[np.isfinite(whole)])
    for order in permutations(parts):
        found = profile(pa.table({"x": pa.chunked_array([pa.array(part) for part in order])})).columns["x"]
        assert found.cells == wanted
        assert found.missing == np.count_nonzero(np.isnan(whole))
        assert found.positive_infinite == np.count_nonzero(whole == np.inf)

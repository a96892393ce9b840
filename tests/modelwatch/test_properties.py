"""Properties that hold for all data: drawn by hypothesis."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelwatch import AZUREML, ROBUST, compare, measure, profile
from modelwatch.categories import CategoryCounts, bounded
from modelwatch.cells import LIMIT, Cells, coarsened, edges_of, keys_of
from modelwatch.counting import NumberCounter
from modelwatch.distances import jensen_shannon_distance
from modelwatch.scratch import Scratch

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)
ORDINARY = st.floats(-1e6, 1e6, allow_subnormal=False)
SAMPLES = arrays(np.float64, st.integers(2, 60), elements=ORDINARY)
DISTANCES = ("jensen_shannon_distance", "population_stability_index", "normalized_wasserstein_distance")


@settings(max_examples=40, deadline=None)
@given(SAMPLES, st.sampled_from(DISTANCES), st.sampled_from([ROBUST, AZUREML]))
def test_a_column_has_no_distance_to_itself(sample: Any, metric: str, definition: str) -> None:
    result = measure(metric, sample, sample, definition=definition, kind="numerical")
    assert result.value == pytest.approx(0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=8), st.lists(st.integers(0, 50), min_size=2, max_size=8)
)
def test_the_distance_is_symmetric_and_within_one(one: list[int], two: list[int]) -> None:
    size = min(len(one), len(two))
    a, b = np.array(one[:size]), np.array(two[:size])
    assume(a.sum() and b.sum())
    assert jensen_shannon_distance(a, b) == pytest.approx(jensen_shannon_distance(b, a))
    assert 0 <= jensen_shannon_distance(a, b) <= 1 + 1e-12


@settings(max_examples=40, deadline=None)
@given(SAMPLES, SAMPLES)
def test_the_test_is_symmetric(one: Any, two: Any) -> None:
    forth, back = (measure("two_sample_kolmogorov_smirnov_test", a, b) for a, b in ((one, two), (two, one)))
    assert forth.value == pytest.approx(back.value)
    assert forth.statistic == pytest.approx(back.statistic)


@settings(max_examples=40, deadline=None)
@given(SAMPLES, SAMPLES, st.randoms(use_true_random=False), st.sampled_from(DISTANCES))
def test_the_order_of_rows_does_not_matter(one: Any, two: Any, random: Any, metric: str) -> None:
    order = list(range(one.size))
    random.shuffle(order)
    assert measure(metric, one, two).value == measure(metric, one[order], two).value


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.int64, 120, elements=st.integers(-2_000, 2_000), unique=True).map(lambda x: x / 100),
    st.sampled_from([lambda x: 3 * x + 7, np.exp, np.arctan, lambda x: x**3]),
)
def test_the_index_over_quantile_bins_is_invariant_under_increasing_maps(values: Any, mapping: Any) -> None:
    mapped = mapping(values)
    plain = measure("population_stability_index", values[:60], values[60:]).value
    assert measure("population_stability_index", mapped[:60], mapped[60:]).value == pytest.approx(plain)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["normalized_wasserstein_distance", "jensen_shannon_distance"])
)
def test_a_larger_shift_is_a_larger_drift(seed: int, metric: str) -> None:
    sample = np.random.default_rng(seed).standard_normal(2_000)
    drifts = [measure(metric, sample, sample + shift).value or 0.0 for shift in (0.0, 0.25, 0.5, 1.0, 2.0)]
    assert all(small < large for small, large in itertools.pairwise(drifts))


@settings(max_examples=40, deadline=None)
@given(st.lists(FLOATS, max_size=40), st.integers(0, 52))
def test_cells_hold_their_values(values: list[float], shift: int) -> None:
    array = np.array(sorted(values), dtype=np.float64)
    keys = keys_of(array, shift)
    lower, upper = edges_of(keys, shift)
    assert np.all(keys[1:] >= keys[:-1])
    near_zero = keys == 0
    assert np.all((lower <= array) | near_zero)
    assert np.all((array <= upper) | near_zero)


@settings(max_examples=40, deadline=None)
@given(st.lists(FLOATS, max_size=40), st.data())
def test_coarse_cells_do_not_depend_on_the_way(values: list[float], data: Any) -> None:
    shifts = range(53)
    array = np.array(values, dtype=np.float64)
    fine, coarse = sorted(data.draw(st.tuples(st.sampled_from(shifts), st.sampled_from(shifts))))
    assert np.array_equal(coarsened(keys_of(array, fine), fine, coarse), keys_of(array, coarse))


@settings(max_examples=25, deadline=None)
@given(st.lists(arrays(np.float64, st.integers(0, 400), elements=FLOATS), min_size=3, max_size=3))
def test_merging_cells_is_associative_and_commutative(parts: list[Any]) -> None:
    limit = 50
    whole = Cells.of(np.concatenate(parts), limit=limit)
    a, b, c = (Cells.of(part, limit=limit) for part in parts)
    for merged in (
        a.merge(b, limit=limit).merge(c, limit=limit),
        c.merge(b.merge(a, limit=limit), limit=limit),
        b.merge(c, limit=limit).merge(a, limit=limit),
    ):
        assert merged.shift == whole.shift
        assert np.array_equal(merged.keys, whole.keys)
        assert np.array_equal(merged.counts, whole.counts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from(range(9)))
def test_the_fast_loop_counts_as_the_plain_bits_do(seed: int, parts: int, kind: int) -> None:
    generator = np.random.default_rng(seed)
    n = 60_000
    normal = generator.standard_normal(n)
    values = [
        normal,
        np.exp(20 * normal),
        50 + 15 * normal,
        1e9 + normal,
        np.where(generator.random(n) < 0.5, 0.0, normal),
        np.round(20 * normal, 2),
        generator.choice(
            [1e300, -1e300, 5e-324, -0.0, 0.0, 1e-310, 3.4028235e38, 1e39, np.inf, -np.inf, np.nan], n
        )
        * generator.random(n),
        -np.exp(normal),
        generator.integers(-(2**62), 2**62, n).astype(np.float64),
    ][kind]
    nulls = np.flatnonzero(generator.random(n) < 0.03)
    held = np.delete(values, nulls)
    counter = NumberCounter(Scratch())
    spoiled = values.copy()
    spoiled[nulls] = 0.0
    for part in np.array_split(np.arange(n), parts):
        inside = nulls[(nulls >= part[0]) & (nulls <= part[-1])] - part[0]
        finite = np.delete(spoiled[part], inside)
        finite = finite[np.isfinite(finite)]
        counter.add_floats(spoiled[part], inside, float(finite.min()), float(finite.max()))
    found, wanted = counter.cells(), Cells.of(held[np.isfinite(held)])
    assert found.shift == wanted.shift
    assert np.array_equal(found.keys, wanted.keys)
    assert np.array_equal(found.counts, wanted.counts)
    assert counter.nan == np.count_nonzero(np.isnan(held))
    assert counter.positive_infinite == np.count_nonzero(held == np.inf)
    assert found.keys.size <= LIMIT


TABLES = st.lists(
    st.tuples(
        st.one_of(st.none(), FLOATS, st.just(math.inf)),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        st.one_of(st.none(), st.text(max_size=5)),
        st.one_of(st.none(), st.booleans()),
    ),
    min_size=1,
    max_size=30,
)


def table(rows: list[Any]) -> pa.Table:
    types = [pa.float64(), pa.int64(), pa.string(), pa.bool_()]
    columns = [pa.array([row[i] for row in rows], type=kind) for i, kind in enumerate(types)]
    return pa.table(dict(zip("fisb", columns, strict=True)))


@settings(max_examples=50, deadline=None)
@given(TABLES, st.randoms(use_true_random=False), st.integers(1, 7))
def test_a_profile_depends_on_the_rows_alone(rows: list[Any], random: Any, size: int) -> None:
    whole = profile(table(rows))
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert profile(table(shuffled)) == whole
    assert profile(table(rows).to_batches(max_chunksize=size)) == whole
    parts = [profile(table(shuffled[start : start + size])) for start in range(0, len(rows), size)]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    assert merged == whole
    assert all(result.value in (0.0, 1.0, None) or result.value == pytest.approx(0.0, abs=1e-9)
               for result in compare(whole, merged) if result.metric in DISTANCES[:2])  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_categories_beyond_the_limit_merge_exactly(seed: int) -> None:
    generator = np.random.default_rng(seed)
    names = [f"n{i}" for i in generator.integers(0, 40_000, 60_000)]
    parts = [names[:20_000], names[20_000:45_000], names[45_000:]]

    def count(part: list[str]) -> CategoryCounts:
        unique, counts = np.unique(part, return_counts=True)
        return bounded(dict(zip(unique.tolist(), counts.tolist(), strict=True)), 0)

    a, b, c = map(count, parts)
    whole = count(names)
    assert a.merge(b).merge(c) == whole == c.merge(a.merge(b))
    assert whole.total == len(names)
    assert whole.distinct == pytest.approx(len(set(names)), rel=0.05)

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from azureml_local.endpoints.traffic import MirrorSplit, TrafficSplit


@st.composite
def percentages(draw: st.DrawFn) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 100), max_size=4)))
    bounds = [0, *cuts, 100]
    return {f"d{number}": high - low for number, (low, high) in enumerate(pairwise(bounds))}


@given(percentages(), st.integers(1, 3))
def test_every_hundred_requests_are_split_exactly(weights: dict[str, int], hundreds: int) -> None:
    split = TrafficSplit(weights)
    chosen = Counter(split.choose() for _ in range(100 * hundreds))
    assert chosen == Counter({name: weight * hundreds for name, weight in weights.items() if weight})


@given(percentages(), st.integers(1, 250))
def test_no_deployment_is_ever_far_from_its_share(weights: dict[str, int], requests: int) -> None:
    split = TrafficSplit(weights)
    chosen = Counter(split.choose() for _ in range(requests))
    for name, weight in weights.items():
        assert abs(chosen[name] - requests * weight / 100) < len(weights)


def test_without_any_weight_nothing_is_chosen() -> None:
    assert TrafficSplit({"blue": 0}).choose() is None
    assert TrafficSplit({}).choose() is None


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 50)), st.integers(1, 3))
def test_each_mirror_gets_its_percentage_exactly(percents: dict[str, int], hundreds: int) -> None:
    mirror = MirrorSplit(percents)
    copies = Counter(name for _ in range(100 * hundreds) for name in mirror.choose())
    assert copies == Counter({name: percent * hundreds for name, percent in percents.items() if percent})

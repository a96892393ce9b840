from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usecases.classical import prepare

if TYPE_CHECKING:
    from tests.usecases.conftest import Prepared
    from usecases.declaration import Declaration


def test_blocks_are_in_order_and_no_person_is_in_two(prepared: Prepared, declaration: Declaration) -> None:
    blocks = [
        pd.read_parquet(prepared.training / "train.parquet"),
        pd.read_parquet(prepared.training / "calibration.parquet"),
        pd.read_parquet(prepared.held_out / "held_out.parquet"),
    ]
    assert pd.concat(blocks)["row_id"].tolist() == list(range(8_076))
    person = declaration.split["person"]
    for before, after in pairwise(blocks):
        assert (before[person].iloc[-1] != after[person].iloc[0]).any()
    assert [round(len(block) / 8_076, 2) for block in blocks] == [0.55, 0.15, 0.30]


@settings(max_examples=60, deadline=None)
@given(
    persons=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    shares=st.lists(st.floats(0.05, 0.45), min_size=1, max_size=2),
)
def test_a_cut_keeps_every_row_once_and_every_person_whole(persons: list[int], shares: list[float]) -> None:
    # Neighbours differ in `plan`, while the same plan may come back later for somebody else.
    plan = [number % 2 for number, years in enumerate(persons) for _ in range(years)]
    who = [number for number, years in enumerate(persons) for _ in range(years)]
    frame = pd.DataFrame({"plan": plan, "who": who})
    blocks = prepare.split(frame, shares, ["plan"])
    assert len(blocks) == len(shares) + 1
    pd.testing.assert_frame_equal(pd.concat(blocks), frame)
    owners = [set(block["who"]) for block in blocks]
    assert sum(map(len, owners)) == len(set().union(*owners))


@given(
    persons=st.lists(st.integers(1, 9), min_size=4, max_size=30), data=st.data(), share=st.floats(0.1, 0.9)
)
def test_only_rows_since_the_change_calibrate_and_judge(
    persons: list[int], data: st.DataObject, share: float
) -> None:
    who = [number for number, years in enumerate(persons) for _ in range(years)]
    frame = pd.DataFrame({"who": who})
    change = data.draw(st.integers(1, len(who) - 1))
    recent = np.arange(len(who)) >= change
    blocks = prepare.split_recent(frame, recent, share, ["who"])
    pd.testing.assert_frame_equal(pd.concat(blocks), frame)
    assert all(index >= change for block in blocks[1:] for index in block.index)
    owners = [set(block["who"]) for block in blocks]
    assert sum(map(len, owners)) == len(set().union(*owners))


@pytest.mark.parametrize("recent", [[False, False], [True, True]])
def test_a_change_that_nothing_or_everything_came_after_is_refused(recent: list[bool]) -> None:
    with pytest.raises(prepare.NoRecentRowsError, match="of 2 rows are recent"):
        prepare.split_recent(pd.DataFrame({"who": [1, 2]}), np.array(recent), 0.5, ["who"])


def test_a_cut_inside_the_last_person_leaves_nothing_behind_it() -> None:
    frame = pd.DataFrame({"plan": [1, 1, 1]})
    assert prepare.next_person(frame, 1, ["plan"]) == 3

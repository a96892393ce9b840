"""The replay's clock, who answered what, and a stream that a closed rollout step does not end."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pandas as pd
import pytest

from mlops.cli.demo.replay import ROWS_A_DAY, Replay
from mlops.scoring import Exchange

FIRST = 8_000


@pytest.fixture
def replay() -> Replay:
    rows = pd.DataFrame({"row_id": range(FIRST, FIRST + 2 * ROWS_A_DAY + 30)})
    rows["x"] = rows["row_id"] / 7
    return Replay(rows, rows["row_id"] % 2, "row_id")


def answered(body: dict[str, object], deployment: str) -> Exchange:
    table = body["input_data"]
    assert isinstance(table, dict)
    identifiers = [row[table["columns"].index("row_id")] for row in table["data"]]
    predictions = [{"correlationid": f"r_{row}", "row_id": row, "probability": 0.5} for row in identifiers]
    return Exchange("r", deployment, 200, 1.0, 1, {"predictions": predictions})


def test_days_end_when_their_rows_were_sent_by_whomever(replay: Replay) -> None:
    assert (replay.days, replay.days_sent) == (3, 0)
    singles = list(islice(replay.users(), ROWS_A_DAY + 100))
    assert {len(body["input_data"]["data"]) for body in singles} == {1}
    assert replay.days_sent == 1
    rest = list(replay.rest_of_day())
    assert sum(len(body["input_data"]["data"]) for body in rest) == ROWS_A_DAY - 100
    assert (replay.days_sent, replay.is_over) == (2, False)
    assert sum(len(body["input_data"]["data"]) for body in replay.rest_of_day()) == 30
    assert (replay.days_sent, replay.is_over) == (3, True)
    assert list(replay.users()) == []


def test_a_step_that_closes_its_source_does_not_end_the_stream(replay: Replay) -> None:
    def source() -> object:
        yield from replay.users()

    first = source()
    assert next(first)["input_data"]["data"][0][0] == FIRST  # type: ignore[call-overload]
    first.close()  # type: ignore[attr-defined]
    assert next(replay.users())["input_data"]["data"][0][0] == FIRST + 1


def test_answers_keep_who_gave_them_and_get_the_replays_time(replay: Replay) -> None:
    for position, body in enumerate(replay.rest_of_day()):
        if position != 3:  # one request that nobody answered
            replay.note(answered(body, "blue" if position < 20 else "green"))
    found = replay.answered(0)
    assert len(found) == ROWS_A_DAY - 20
    assert found["deployment"].value_counts().to_dict() == {"blue": 380, "green": 200}
    assert found["event_time"].is_monotonic_increasing
    window = replay.window(0)
    assert found["event_time"].between(window.start, window.end, inclusive="left").all()
    assert found["outcome"].tolist() == [row % 2 for row in found["row_id"]]
    assert replay.day_at(datetime(2026, 1, 5, 23, tzinfo=UTC)) == 0


@pytest.mark.parametrize(("row", "day"), [(FIRST, 0), (FIRST + ROWS_A_DAY - 1, 0), (FIRST + ROWS_A_DAY, 1)])
def test_a_row_belongs_to_the_day_on_which_it_comes(replay: Replay, row: int, day: int) -> None:
    assert replay.day_of(row) == day

"""The store: append-only, a window once and once more for late rows, a journal that nobody edits unseen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modelwatch.alerts.store import AlertStore
from modelwatch.errors import SourceError, UsageError
from modelwatch.sources.windows import Window
from tests.modelwatch.alerts.declarations import DAY, START, days, measured, result


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    with AlertStore(tmp_path / "alerts.sqlite") as opened:
        yield opened


def test_a_window_is_recorded_once_and_reopened_once(store: AlertStore) -> None:
    assert store.record(result(0, measured(0.1)), now=START) == "new"
    assert store.record(result(0, measured(0.1)), now=START) == "unchanged"
    assert store.record(result(0, measured(0.2)), now=START) == "reopened"
    assert store.record(result(0, measured(0.2)), now=START) == "unchanged"
    assert store.record(result(0, measured(0.3)), now=START) == "refused"
    assert store.history("loans").value.tolist() == [[0.2]]
    assert [event.kind for event in store.events()] == ["window_reopened", "window_refused"]


def test_windows_come_back_in_order_whenever_they_were_recorded(store: AlertStore) -> None:
    for each in reversed(days(0.1, 0.2, None, 0.4)):
        store.record(each, now=START)
    history = store.history("loans")
    assert [window.start for window in history.windows] == [START + day * DAY for day in range(4)]
    assert history.value[:2, 0].tolist() == [0.1, 0.2]
    assert store.results("loans", history.windows[3])["measurements"][0]["value"] == 0.4


def test_monitors_do_not_mix(store: AlertStore) -> None:
    store.record(result(0, measured(0.1)), now=START)
    store.record(result(0, measured(0.9), monitor="cards"), now=START)
    assert store.monitors() == ["cards", "loans"]
    assert store.history("loans").value.tolist() == [[0.1]]


def test_a_window_that_overlaps_another_in_part_is_refused(store: AlertStore) -> None:
    store.record(result(0, measured(0.1)), now=START)
    shifted = result(0, measured(0.1))
    shifted["window"] = Window(START + DAY / 2, START + 2 * DAY).to_dict()
    with pytest.raises(UsageError, match="overlaps"):
        store.record(shifted, now=START)


def test_a_result_without_a_window_is_refused(store: AlertStore) -> None:
    with pytest.raises(UsageError, match="no window"):
        store.record({**result(0), "window": {"start": None, "end": None}}, now=START)


def test_an_event_happens_once(store: AlertStore) -> None:
    assert store.append("noted", "k", monitor="loans", payload={"n": 1}, now=START)
    assert not store.append("noted", "k", monitor="loans", payload={"n": 2}, now=START)
    assert [event.payload for event in store.events()] == [{"n": 1}]


def test_the_journal_goes_forward_when_the_clock_goes_back(store: AlertStore) -> None:
    store.append("noted", "a", monitor="loans", payload={}, now=START)
    store.append("noted", "b", monitor="loans", payload={}, now=START - timedelta(hours=5))
    assert [event.at for event in store.events()] == [START, START]


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'me'", "DELETE FROM events"])
def test_sqlite_itself_refuses_to_change_the_journal(store: AlertStore, statement: str) -> None:
    store.append("noted", "k", monitor="loans", payload={}, now=START)
    with sqlite3.connect(store.path) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = '{\"n\":9}' WHERE seq = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
    ],
)
def test_what_was_edited_behind_its_back_is_found(store: AlertStore, statement: str) -> None:
    for number in range(3):
        store.append("noted", f"k{number}", monitor="loans", payload={"n": number}, now=START)
    assert store.verify() == 3
    with sqlite3.connect(store.path) as other:
        other.executescript(f"DROP TRIGGER events_stay; DROP TRIGGER events_remain; {statement};")
    with pytest.raises(SourceError, match="changed after it was written"):
        store.verify()


def test_the_export_is_json_lines_that_verify_by_themselves(store: AlertStore) -> None:
    store.append("noted", "a", monitor="loans", payload={"text": "ü"}, now=START)
    store.append("noted", "b", monitor="loans", payload={}, now=START)
    first, second = (json.loads(line) for line in store.export())
    assert second["previous"] == first["hash"]


def test_what_fails_in_a_transaction_leaves_nothing(store: AlertStore) -> None:
    with pytest.raises(RuntimeError), store.transaction():  # noqa: PT012
        store.record(result(0, measured(0.1)), now=START)
        store.append("noted", "k", monitor="loans", payload={}, now=START)
        raise RuntimeError("killed here")
    assert store.monitors() == []


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        AlertStore(path)
    assert caught.value.where == str(path)


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "later.sqlite") as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(SourceError, match="later version"):
        AlertStore(tmp_path / "later.sqlite")

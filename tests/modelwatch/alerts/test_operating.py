"""What people do about incidents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.operating import acknowledge, annotate, lift_silence, silence, silenced, silences
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from modelwatch.errors import UsageError
from tests.modelwatch.alerts.declarations import DAY, START, days, drift, monitor

NOW = START + 5 * DAY


@pytest.fixture
def store() -> Iterator[AlertStore]:
    with AlertStore(":memory:") as opened:
        for each in days(0.3, 0.3):
            watch(opened, monitor(drift()), each, now=NOW)
        yield opened


def mute(store: AlertStore, **changes: Any) -> Any:
    options = {"owner": "ann", "reason": "moving the source", "until": NOW + DAY, "now": NOW, **changes}
    return silence(store, "loans", options.pop("matchers", {"feature": "age"}), **options)


def test_an_incident_is_acknowledged_by_one(store: AlertStore) -> None:
    name = incidents(store)[0].id
    assert acknowledge(store, name, actor="ann", now=NOW)
    assert not acknowledge(store, name, actor="bob", now=NOW)
    assert incidents(store)[0].acknowledged_by == "ann"


def test_notes_say_what_was_done_and_what_came_of_it(store: AlertStore) -> None:
    name = incidents(store)[0].id
    annotate(store, name, actor="ann", text="retrained", outcome="fixed", now=NOW)
    annotate(store, name, actor="bob", text="looked again", now=NOW)
    notes = incidents(store)[0].annotations
    assert [(note["by"], note["text"], note["outcome"]) for note in notes] == [
        ("ann", "retrained", "fixed"),
        ("bob", "looked again", None),
    ]


def test_a_silence_is_in_force_until_it_ends_or_is_lifted(store: AlertStore) -> None:
    made = mute(store)
    incident = incidents(store)[0].to_dict()
    assert silenced(incident, silences(store, "loans", now=NOW))
    assert not silenced(incident, silences(store, "loans", now=NOW + DAY))
    assert lift_silence(store, made.id, actor="bob", now=NOW)
    assert not silenced(incident, silences(store, "loans", now=NOW))


@pytest.mark.parametrize(
    ("matchers", "muted"),
    [
        ({"feature": "age"}, True),
        ({"feature": "a*", "rule": "drift"}, True),
        ({"feature": "income"}, False),
        ({"severity": "critical"}, False),
        ({}, True),
    ],
)
def test_a_silence_mutes_what_all_its_patterns_match(
    store: AlertStore, matchers: dict[str, str], muted: bool
) -> None:
    mute(store, matchers=matchers)
    assert silenced(incidents(store)[0].to_dict(), silences(store, "loans", now=NOW)) is muted


def test_a_silence_of_another_monitor_mutes_nothing(store: AlertStore) -> None:
    silence(store, "cards", {}, owner="ann", reason="x", until=NOW + DAY, now=NOW)
    assert not silenced(incidents(store)[0].to_dict(), silences(store, None, now=NOW))


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": " "},
        {"reason": ""},
        {"until": NOW - timedelta(seconds=1)},
        {"until": NOW + timedelta(days=31)},
        {"until": (NOW + DAY).replace(tzinfo=None)},
        {"matchers": {"colour": "red"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_silence_without_what_it_takes_is_refused(store: AlertStore, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        mute(store, **changes)
    assert silences(store, "loans", now=NOW) == []


def test_what_does_not_exist_is_named(store: AlertStore) -> None:
    with pytest.raises(UsageError, match="no such incident"):
        acknowledge(store, "nothing", actor="ann", now=NOW)
    with pytest.raises(UsageError, match="no such silence"):
        lift_silence(store, "nothing", actor="ann", now=NOW)

"""What people are told, and told once: windows repeated, late, out of order; rules that changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwatch import Monitor
from modelwatch.alerts.advancing import advance, declared
from modelwatch.alerts.evaluation import evaluate
from modelwatch.alerts.heartbeat import check_heartbeat
from modelwatch.alerts.incidents import incidents
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from modelwatch.errors import UsageError
from tests.modelwatch.alerts.declarations import DAY, START, days, drift, measured, monitor, result

DRIFT = monitor(drift())


@pytest.fixture
def store() -> Iterator[AlertStore]:
    with AlertStore(":memory:") as opened:
        yield opened


def told(store: AlertStore, results: Sequence[dict[str, Any]], by: Monitor = DRIFT) -> list[str]:
    """Evaluate windows one after the other and return the kinds of what was told."""
    return [
        event.kind.removeprefix("incident_")
        for each in results
        for event in watch(store, by, each, now=START + 100 * DAY).told
    ]


def test_an_incident_opens_and_resolves_once(store: AlertStore) -> None:
    assert told(store, days(0.0, 0.3, 0.3, 0.3, 0.0, 0.0, 0.0)) == ["opened", "resolved"]
    (incident,) = incidents(store)
    assert (incident.opened, incident.resolved) == ("2026-01-03T00:00:00Z", "2026-01-05T00:00:00Z")


def test_the_same_windows_again_tell_nothing(store: AlertStore) -> None:
    results = days(0.3, 0.3, 0.3, 0.0)
    assert told(store, results) == ["opened"]
    assert told(store, results) == []
    assert told(store, results[::-1]) == []


def test_severity_is_told_when_it_rises(store: AlertStore) -> None:
    by = monitor(drift(severity={0.2: "info", 0.5: "warning", 0.9: "critical"}))
    assert told(store, days(0.3, 0.3, 0.6, 0.3, 0.95, 0.3), by) == ["opened", "escalated", "escalated"]
    assert incidents(store)[0].severity.value == "critical"


def test_a_flapping_alert_is_one_incident(store: AlertStore) -> None:
    assert told(store, days(0.3, 0.3, *[0.0, 0.3] * 6)) == ["opened"]


def test_a_window_that_comes_late_moves_the_beginning_and_tells_nothing(store: AlertStore) -> None:
    results = days(0.3, 0.3, 0.3, 0.3)
    assert told(store, [results[0], results[2], results[3], results[1]]) == ["opened"]
    assert len(incidents(store)) == 1


def test_late_rows_that_undo_the_incident_retract_it(store: AlertStore) -> None:
    assert told(store, days(0.3, 0.3)) == ["opened"]
    assert told(store, [result(1, measured(0.05))]) == ["retracted"]
    assert incidents(store)[0].state == "retracted"


def test_late_rows_that_reopen_an_incident_say_so(store: AlertStore) -> None:
    assert told(store, days(0.3, 0.3, 0.0, 0.0)) == ["opened", "resolved"]
    assert told(store, [result(3, measured(0.3))]) == ["reopened"]
    assert [incident.state for incident in incidents(store)] == ["open"]


def test_two_incidents_that_late_data_join_are_not_told_again(store: AlertStore) -> None:
    assert told(store, days(0.3, 0.3, 0.0, 0.0, 0.3, 0.3, 0.3)) == ["opened", "resolved", "opened"]
    assert told(store, [result(3, measured(0.3))]) == ["reopened", "retracted"]
    assert [incident.state for incident in incidents(store)] == ["open", "retracted"]


def test_new_rules_do_not_ring_for_the_past(store: AlertStore) -> None:
    assert told(store, days(0.15, 0.15, 0.0, 0.0, 0.0)) == []
    stricter = monitor(drift(fire=0.1, clear=0.05))
    kinds = told(store, [result(5, measured(0.0))], stricter)
    assert kinds == ["opened", "resolved"]
    assert all(incident.quiet for incident in incidents(store))


def test_new_rules_that_end_an_incident_say_so_and_can_bring_it_back(store: AlertStore) -> None:
    assert told(store, days(0.3, 0.3)) == ["opened"]
    assert told(store, [result(2, measured(0.3))], monitor(drift(fire=0.5, clear=0.1))) == ["retracted"]
    assert told(store, [result(3, measured(0.3))]) == ["reopened"]


def test_the_monitor_as_it_was_last_evaluated_is_known(store: AlertStore) -> None:
    told(store, days(0.3))
    found = declared(store, "loans")
    assert found is not None
    assert found.rules == DRIFT.rules
    assert declared(store, "nobody") is None


def test_results_of_another_monitor_are_refused(store: AlertStore) -> None:
    with pytest.raises(UsageError, match="another monitor"):
        watch(store, DRIFT, result(0, measured(0.1), monitor="cards"), now=START)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_windows_ends_with_the_same_incident(store: AlertStore, order: tuple[int, ...]) -> None:
    results = days(0.3, 0.3, 0.3, 0.3)
    assert told(store, [results[day] for day in order]) == ["opened"]
    (incident,) = incidents(store)
    assert incident.state == "open"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.15, 0.3, 0.6, None]), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_journal_ends_where_the_history_is(values: list[float | None], random: Any) -> None:
    """Whatever the order and however often: open incidents are the open episodes, and opened once each."""
    by = monitor(drift(severity={0.2: "info", 0.5: "critical"}))
    results = days(*values)
    again = [*results, *random.sample(results, k=min(3, len(results)))]
    random.shuffle(again)
    with AlertStore(":memory:") as store:
        told(store, again, by)
        assert told(store, results, by) == []
        evaluation = evaluate(by, store.history("loans"))
        ongoing = [episode for episode in evaluation.episodes() if episode.last is None]
        known = [incident for incident in incidents(store) if incident.state == "open"]
        assert len(known) == len(ongoing)
        opened = [event.payload["id"] for event in store.events(None, ("incident_opened",))]
        assert len(opened) == len(set(opened))


def test_a_monitor_that_does_not_run_is_reported_once_and_resolved_when_it_does(store: AlertStore) -> None:
    watch(store, DRIFT, days(0.0)[0], now=START + DAY)
    assert check_heartbeat(store, DRIFT, now=START + 3 * DAY) == []
    assert len(check_heartbeat(store, DRIFT, now=START + 4 * DAY)) == 1
    assert check_heartbeat(store, DRIFT, now=START + 5 * DAY) == []
    assert [event.kind for event in advance(store, DRIFT, now=START + 5 * DAY)] == []
    assert told(store, [result(4, measured(0.0))]) == ["resolved"]
    assert len(check_heartbeat(store, DRIFT, now=START + 9 * DAY)) == 1

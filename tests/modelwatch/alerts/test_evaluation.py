"""Rules over a history: what counts as a breach, inhibition, groups, severity, alerts of a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelwatch import Monitor
from modelwatch.alerts.evaluation import Evaluation, evaluate
from modelwatch.alerts.history import History
from modelwatch.alerts.observations import Observation, observe, watched
from modelwatch.errors import UsageError
from tests.modelwatch.alerts.declarations import days, drift, measured, monitor, result


def seen(declared: Monitor, *rows: dict[str, Any]) -> list[Observation]:
    history = History.of([result(day, row) for day, row in enumerate(rows)])
    rule = declared.rules[0]
    codes = observe(rule, declared, history, watched(rule, history))
    return [Observation(code) for code in codes[:, 0]]


def after(declared: Monitor, *results: dict[str, Any]) -> Evaluation:
    return evaluate(declared, History.of(list(results)))


def test_effect_and_evidence_make_a_breach() -> None:
    declared = monitor(drift())
    assert seen(
        declared,
        measured(0.3),
        measured(0.3, q_value=0.2),
        measured(0.3, q_value=None, p_value=0.1),
        measured(0.15),
        measured(0.1),
    ) == [Observation.BREACH, Observation.BAND, Observation.BAND, Observation.BAND, Observation.CLEAR]


def test_a_value_that_nothing_speaks_for_keeps_no_alert_alive() -> None:
    unlikely, likely = measured(0.3, q_value=0.9, p_value=0.1), measured(0.3, q_value=0.9, p_value=0.4)
    assert seen(monitor(drift()), unlikely, likely) == [Observation.BAND, Observation.CLEAR]
    assert seen(monitor(drift(evidence="none")), likely) == [Observation.BREACH]


def test_an_interval_is_evidence_where_there_is_no_p_value() -> None:
    declared = monitor(
        drift(when="perf.recall", fire=0.8, clear=0.82), perf={"type": "model_performance", "recall": 0.8}
    )
    row = {"signal": "perf", "metric": "recall", "feature": None, "p_value": None, "q_value": None}
    assert seen(
        declared,
        measured(0.7, **row, interval=[0.66, 0.74]),
        measured(0.7, **row, interval=[0.55, 0.85]),
        measured(0.9, **row, interval=[0.88, 0.92]),
        measured(0.81, **row, interval=[0.79, 0.83]),
    ) == [Observation.BREACH, Observation.BAND, Observation.CLEAR, Observation.BAND]


@pytest.mark.parametrize(
    ("value", "perf_is_bad"), [(0.95, False), (0.5, True)], ids=["accurate", "inaccurate"]
)
def test_accuracy_breaches_below_its_bound(value: float, perf_is_bad: bool) -> None:
    declared = monitor(
        {"when": "perf.accuracy", "fire": 0.9, "for": "1 of 1"}, perf={"type": "model_performance"}
    )
    row = measured(value, None, signal="perf", metric="accuracy", threshold=0.9)
    assert bool(after(declared, result(0, row)).alerts()) is perf_is_bad


@pytest.mark.parametrize("status", ["insufficient", "no_data", "error"])
def test_what_could_not_be_judged_is_said(status: str) -> None:
    alerts = after(monitor(drift()), result(0, measured(None, status=status))).alerts()
    assert [(row["state"], row["value"]) for row in alerts] == [(status, None)]


@pytest.mark.parametrize(
    ("policy", "state"), [("hold", "no_data"), ("alert", "firing"), ("ignore", "inactive")]
)
def test_the_rule_decides_what_no_data_means(policy: str, state: str) -> None:
    alerts = after(monitor(drift(no_data=policy)), *days(0.0, None, None)).alerts()
    assert [row["state"] for row in alerts] == ([] if state == "inactive" else [state])


def test_a_series_that_vanished_has_no_data_and_one_to_come_is_nothing() -> None:
    declared = monitor(drift())
    evaluation = after(declared, result(0, measured(0.0, "a")), result(1, measured(0.0, "b")))
    assert [(row["feature"], row["state"]) for row in evaluation.alerts(1)] == [("a", "no_data")]
    assert evaluation.alerts(0) == []


def test_a_broken_schema_is_a_breach_of_quality_and_no_drift() -> None:
    declared = monitor({"id": "schema-break", "when": "schema", "for": "1 of 1"}, drift())
    rows = [
        measured(None, status="schema_error", note="column 'age' is missing"),
        measured(None, signal="schema", metric="schema_change", status="schema_error", threshold=None),
    ]
    states = {row["rule"]: row["state"] for row in after(declared, result(0, *rows)).alerts()}
    assert states == {"schema-break": "firing", "drift": "no_data"}


def test_a_schema_break_mutes_drift_of_the_same_feature_alone() -> None:
    declared = monitor(
        {"id": "schema-break", "when": "schema", "for": "1 of 1"},
        drift(**{"for": "1 of 1", "inhibited_by": ["schema-break"]}),
    )
    broken = measured(0.5, "age", signal="schema", metric="null_value_rate", status="breach", threshold=0.02)
    evaluation = after(declared, result(0, broken, measured(0.5, "age"), measured(0.5, "income")))
    alerts = {(row["rule"], row["feature"]): row["inhibited"] for row in evaluation.alerts()}
    assert alerts[("drift", "age")] is True
    assert alerts[("drift", "income")] is False
    (episode,) = evaluation.episodes()
    assert {(row["rule"], row["feature"]) for row in episode.alerts} == {
        ("schema-break", "age"),
        ("drift", "income"),
    }


def test_an_alert_that_was_told_goes_on_when_it_is_inhibited_later() -> None:
    declared = monitor(
        {"id": "schema-break", "when": "schema", "for": "1 of 1", "group_by": ["rule"]},
        drift(**{"for": "1 of 1", "inhibited_by": ["schema-break"], "group_by": ["rule"]}),
    )
    broken = measured(0.5, "age", signal="schema", metric="null_value_rate", status="breach", threshold=0.02)
    evaluation = after(
        declared, result(0, measured(0.5)), result(1, broken, measured(0.5)), result(2, measured(0.5))
    )
    episodes = [episode for episode in evaluation.episodes() if episode.group["rule"] == "drift"]
    assert [(episode.first, episode.last) for episode in episodes] == [(0, None)]


def test_groups_make_incidents() -> None:
    rows = [measured(0.5, feature, segment=segment) for feature in ("a", "b") for segment in ("s=1", "s=2")]
    results = [result(day, *rows) for day in range(2)]
    for group_by, count in ((["monitor"], 1), (["segment"], 2), (["feature", "segment"], 4)):
        episodes = after(monitor(drift(group_by=group_by)), *results).episodes()
        assert len(episodes) == count
        assert sum(len(episode.alerts) for episode in episodes) == 4


def test_owners_do_not_share_an_incident() -> None:
    declared = monitor(drift(), drift(id="other", owner="team-data"))
    episodes = after(declared, *days(0.5, 0.5)).episodes()
    assert {episode.owner for episode in episodes} == {"team-risk", "team-data"}


def test_severity_is_the_level_of_the_worst_value() -> None:
    declared = monitor(drift(severity={0.2: "info", 0.5: "critical"}))
    evaluation = after(declared, *days(0.3, 0.3, 0.6, 0.3))
    assert [row["severity"] for day in range(4) for row in evaluation.alerts(day)] == [
        None, "info", "critical", "critical",
    ]  # fmt: skip
    (episode,) = evaluation.episodes()
    assert episode.severity.value == "critical"
    assert episode.alerts[0]["worst"]["value"] == 0.6


def test_since_is_when_it_began_to_fire() -> None:
    evaluation = after(monitor(drift()), *days(0.3, 0.3, 0.05, 0.3))
    assert evaluation.alerts()[0]["since"] == "2026-01-02T00:00:00Z"


def test_the_order_in_which_windows_are_given_does_not_matter() -> None:
    results = days(0.0, 0.3, 0.3, 0.0, 0.3)
    forth, back = (evaluate(monitor(drift()), History.of(rows)) for rows in (results, results[::-1]))
    assert all(forth.alerts(day) == back.alerts(day) for day in range(5))


def test_windows_that_overlap_are_refused() -> None:
    one, two = days(0.1, 0.1)
    two["window"]["start"] = "2026-01-01T12:00:00+00:00"
    with pytest.raises(UsageError, match="overlap"):
        History.of([one, two])


def test_of_two_rows_of_one_series_the_alarming_one_counts() -> None:
    history = History.of([result(0, measured(0.5, status="breach"), measured(0.1))])
    assert history.value.tolist() == [[0.5]]


def test_many_series_cost_little_each() -> None:
    rng = np.random.default_rng(0)
    features = [f"f{number}" for number in range(200)]
    values = rng.exponential(0.05, (60, 200))
    results = [
        result(day, *[measured(float(v), f) for f, v in zip(features, row, strict=True)])
        for day, row in enumerate(values)
    ]
    evaluation = after(monitor(drift()), *results)
    breaches = values > 0.2
    expected = breaches[1:] & (breaches[:-1] | np.roll(breaches, 1, axis=0)[:-1])
    fired = {row["feature"] for episode in evaluation.episodes() for row in episode.alerts}
    assert {features[column] for column in np.flatnonzero(expected.any(axis=0))} <= fired

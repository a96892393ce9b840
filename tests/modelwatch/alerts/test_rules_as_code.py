"""Rule tests, mutants of rules, and what a change of rules would have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwatch.alerts.differences import differences, markdown
from modelwatch.alerts.history import History
from modelwatch.alerts.mutation import mutate
from modelwatch.alerts.shorthand import expanded
from modelwatch.alerts.testing import Suite, run_suite
from modelwatch.errors import ContractError, UsageError
from tests.modelwatch.alerts.declarations import days, drift, monitor

MONITOR = """\
monitor: loans
owner: team-risk
signals:
  inputs: {type: data_drift}
rules:
  - {id: drift, when: inputs.psi, fire: 0.2, clear: 0.1, for: 2 of 3, keep_firing: 2, runbook: drift.md}
"""
TESTS = """\
monitor: monitor.yaml
tests:
  - name: two of three
    series:
      inputs.psi{feature=age}: 0.05x2 0.3 0.05 0.3 0.15 0.1x2 _
      inputs.psi{feature=income}: 0.3!x8 0.3
    expect:
      - {at: 4, alerts: [{rule: drift, feature: age, state: pending}], notifications: 0}
      - {at: 5, alerts: [{rule: drift, feature: age, severity: warning}], notifications: 1, incidents: 1}
      - {at: 7, alerts: [{rule: drift, feature: age, state: recovering}]}
      - {at: 8, alerts: [], notifications: 2, incidents: 0}
"""


def suite(folder: Path, tests: str = TESTS, rules: str = MONITOR) -> tuple[Suite, Any]:
    (folder / "monitor.yaml").write_text(rules)
    (folder / "drift.md").write_text("# Drift\n")
    (folder / "monitor_test.yaml").write_text(tests)
    return Suite.load(folder / "monitor_test.yaml")


def test_a_series_in_shorthand() -> None:
    parts = expanded("0.1x2 nodata _ -1.5e-3! 0.3@0.04 0.7[0.6,0.8] schema_errorx2")
    assert [part and (part["value"], part["status"]) for part in parts] == [
        (0.1, "ok"), (0.1, "ok"), (None, "no_data"), None, (-0.0015, "ok"), (0.3, "ok"), (0.7, "ok"),
        (None, "schema_error"), (None, "schema_error"),
    ]  # fmt: skip
    assert [part and part.get("q_value") for part in parts[:1] + parts[4:7]] == [0.0, 1.0, 0.04, None]
    assert parts[6] is not None
    assert parts[6]["interval"] == [0.6, 0.8]


@pytest.mark.parametrize("text", ["0.3y", "0.3x0", "nodata!", "0.3[1]", "abc", "0.3x99999"])
def test_a_series_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        expanded(text)


def test_rules_that_do_what_they_should_pass(tmp_path: Path) -> None:
    assert [outcome.problems for outcome in run_suite(*suite(tmp_path))] == [()]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{at: 8, alerts: []", "{at: 5, alerts: []", "unexpected drift on age: firing warning"),
        ("severity: warning", "severity: critical", "expected {rule: drift, feature: age, state: firing"),
        ("notifications: 2", "notifications: 7", "2 notifications, expected 7"),
        ("incidents: 1", "incidents: 0", "1 open incidents, expected 0"),
        ("{at: 8", "{at: 80", "the series has 9"),
        ("rule: drift, feature: age, state: recovering", "rule: gone", "no alert of this rule"),
    ],
)
def test_what_is_otherwise_is_said(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert before in TESTS
    (outcome,) = run_suite(*suite(tmp_path, TESTS.replace(before, after)))
    assert any(problem in each for each in outcome.problems), outcome.problems


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("inputs.psi{feature=age}", "inputz.psi{feature=age}", 5),
        ("inputs.psi{feature=age}", "inputs.psi{colour=age}", 5),
        ("0.05x2", "0.05xx2", 5),
        ("at: 4", "att: 4", 8),
        ("state: pending", "state: panicking", 8),
    ],
)
def test_a_bad_test_is_refused_with_its_line(tmp_path: Path, before: str, after: str, line: int) -> None:
    with pytest.raises(ContractError) as caught:
        suite(tmp_path, TESTS.replace(before, after))
    assert f"monitor_test.yaml:{line}:" in str(caught.value.where)


def test_mutants_are_noticed_or_named(tmp_path: Path) -> None:
    mutants = {mutant.change: mutant.killed_by for mutant in mutate(*suite(tmp_path))}
    assert mutants["direction"] == "two of three"
    assert mutants["evidence: none"] == "two of three"
    assert mutants["for: 2 of 3 -> 1 of 3"] == "two of three"
    assert mutants["keep_firing: 2 -> 3"] == "two of three"
    assert mutants["clear: 0.1 -> 0.0666667"] == "two of three"
    assert mutants["fire: 0.2 -> 0.3"] == "two of three"
    # The tests have no value between 0.133 and 0.2 but one that is not judged, and no four windows in a row.
    assert [change for change, killer in mutants.items() if killer is None] == [
        "fire: 0.2 -> 0.133333",
        "for: 2 of 3 -> 2 of 4",
    ]


def test_mutants_of_a_failing_suite_mean_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fails already"):
        mutate(*suite(tmp_path, TESTS.replace("notifications: 2", "notifications: 3")))


def test_a_change_of_rules_is_compared_on_the_past() -> None:
    history = History.of(days(0.0, 0.3, 0.3, 0.0, 0.0, 0.15, 0.15, 0.0, 0.0))
    stricter = monitor(drift(fire=0.1, clear=0.05))
    found = differences(monitor(drift()), stricter, [("store", history)])
    assert (found.before, found.after) == (1, 2)
    assert [(each.change, each.after and each.after["first"][:10]) for each in found.differences] == [
        ("raised", "2026-01-07")
    ]
    assert differences(stricter, monitor(drift()), [("store", history)]).differences[0].change == "dropped"
    assert differences(stricter, stricter, [("store", history)]).differences == ()
    severe = monitor(drift(severity="critical"))
    assert [each.change for each in differences(monitor(drift()), severe, [("s", history)]).differences] == [
        "changed"
    ]


def test_the_comparison_fits_into_a_comment() -> None:
    history = History.of(days(*[0.3, 0.3, 0.0, 0.0] * 30))
    text = markdown(
        differences(monitor(drift(fire=0.9)), monitor(drift()), [("a|b", history)]), title="loans", limit=5
    )
    assert "0 before this change, 30 after it" in text
    assert text.count("| raised |") == 5
    assert "25 more." in text
    assert "a\\|b" in text

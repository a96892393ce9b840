"""Backtests: a history whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwatch import Monitor
from modelwatch.alerts.backtest import Backtest, backtest
from modelwatch.alerts.history import History
from modelwatch.alerts.labels import Labels
from modelwatch.alerts.testing import Case, results_of
from modelwatch.errors import ContractError

MONITOR = Monitor.parse(
    {
        "monitor": "loans",
        "owner": "team",
        "signals": {"inputs": {"type": "data_drift"}},
        "rules": [
            {
                "id": "drift",
                "when": "inputs.psi",
                "fire": 0.2,
                "for": "2 of 3",
                "keep_firing": 1,
                "runbook": "r.md",
            }
        ],
        "budget": {"false_alarms_per_month": 0.5},
    }
)


def held(series: dict[str, str], *incidents: dict[str, Any], **labels: Any) -> Backtest:
    """Test the rules against series of features, by name."""
    named = {f"inputs.psi{{feature={name}}}": text for name, text in series.items()}
    case = Case.model_validate({"name": "c", "series": named, "expect": [{"at": 1, "alerts": []}]})
    history = History.of(results_of(case, MONITOR), MONITOR.monitor)
    return backtest(MONITOR, history, Labels.model_validate({"incidents": incidents, **labels}))


def day(first: int, last: int, *features: str) -> dict[str, Any]:
    """An incident from one day of January to the end of another."""
    return {
        "start": f"2026-01-{first:02}T00:00Z",
        "end": f"2026-01-{last + 1:02}T00:00Z",
        "features": features,
    }


def test_what_was_found_how_late_and_what_was_not() -> None:
    # Days 5-8: found on day 6. Day 15: on day 16, in the grace. Days 22-23: too mild. Days 27-28: false.
    series = "0.1x4 0.3x4 0.1x6 0.3x2 0.1x5 0.15x2 0.1x3 0.3x2 0.1x2"
    found = held({"age": series}, day(5, 8), day(15, 15), day(22, 23))
    assert [incident.delay for incident in found.incidents] == [1, 1, None]
    assert (found.raised, len(found.false_alarms)) == (3, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.delay == 1
    assert found.alerts_a_week == pytest.approx(3 / 30 * 7)
    assert found.quiet_windows == 30 - 6 - 3 - 4
    assert found.run_length == found.quiet_windows
    assert found.false_alarms[0].features == ("age",)
    assert found.precision_interval[0] < 2 / 3 < found.precision_interval[1]
    assert found.false_alarms_a_month == pytest.approx(1 / (17 / 30))
    assert found.false_alarms_at_most > found.false_alarms_a_month
    assert "budget" in found.problems[0]


def test_an_alert_on_another_feature_told_nobody() -> None:
    series = {"age": "0.1x4 0.3x4 0.1x4", "income": "0.1x12"}
    assert held(series, day(5, 8, "age")).recall == 1
    elsewhere = held(series, day(5, 8, "income"))
    assert (elsewhere.recall, elsewhere.precision) == (0, 0)


def test_an_alert_that_was_already_firing_is_no_discovery() -> None:
    found = held({"age": "0.1x2 0.3x10"}, day(8, 12))
    assert (found.recall, len(found.false_alarms)) == (0, 1)


def test_requirements_are_held_to() -> None:
    series = {"age": "0.1x4 0.3x4 0.1x22"}
    kept = held(series, day(5, 8), require={"precision": 0.9, "recall": 0.9, "delay": 1})
    assert kept.problems == ()
    assert kept.run_length is None
    # No false alarm in under a month of quiet says that there are at most about 3.7 a month.
    assert kept.false_alarms_at_most == pytest.approx(2.9957 / (24 / 30), rel=1e-3)
    missed = held(series, day(20, 22), require={"precision": 0.9, "recall": 0.9, "delay": 1})
    assert [problem.split()[0] for problem in missed.problems[-3:]] == ["precision", "recall", "delay"]


def test_an_incident_outside_the_history_is_refused() -> None:
    with pytest.raises(ContractError, match="2026-01-01 to 2026-01-05"):
        held({"age": "0.1x4"}, day(20, 22))


def test_a_wrong_file_is_explained_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "incidents.yaml"
    file.write_text(
        "incidents:\n  - start: 2026-01-05T00:00Z\n    end: 2026-01-01T00:00Z\n", encoding="utf-8"
    )
    with pytest.raises(ContractError, match=r"incidents\.yaml:2: .*not after"):
        Labels.load(file)
    file.write_text("incidents: []\ngrace: soon\n")
    with pytest.raises(ContractError, match=r"incidents\.yaml:2: grace"):
        Labels.load(file)

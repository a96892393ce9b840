"""Each use case's monitor: its contract is the use case's, its owners exist, its rules are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.settings import ROOT, load
from mlops.usecase import load_usecase
from modelwatch import Contract, Monitor, Role, profile
from modelwatch.alerts.mutation import mutate
from modelwatch.alerts.planning import plan
from modelwatch.alerts.testing import Suite
from usecases.classical import sample

MONITORS = sorted((ROOT / "pipelines").glob("*/monitor.yaml"))
_ROLES = {"id": Role.IDENTIFIER, "feature": Role.FEATURE, "target": Role.TARGET}


@pytest.fixture(params=MONITORS, ids=lambda file: file.parent.name)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_a_monitor() -> None:
    assert "classical" in {file.parent.name for file in MONITORS}


def test_the_contract_is_the_use_cases(file: Path) -> None:
    contract = Contract.load(file.parent / str(Monitor.load(file).contract))
    for column in load_usecase(file.parent.name, ROOT).contract.columns:
        watched = contract[column.name]
        assert (watched.type, watched.role) == (column.type, _ROLES[column.role]), column.name
        if column.role == "feature":
            low, high = column.minimum, column.maximum
            if column.allowed is not None:
                numbers = [float(value) for value in column.allowed]
                low, high = min(numbers), max(numbers)
            assert (watched.minimum, watched.maximum) == (low, high), column.name


def test_owners_routes_and_runbooks_exist(file: Path) -> None:
    owners = sorted(load("prod").platform.owners)
    monitor = Monitor.load(file, owners=owners, routes=[*owners, "log"])
    assert monitor.rules
    for rule in monitor.rules:
        text = (file.parent / str(rule.runbook)).read_text(encoding="utf-8")
        # What it means, what to do, and when it is over: all that one wants to know at night.
        assert text.startswith(f"# {rule.id}: ")
        assert "**What it means.**" in text
        assert "**It is over**" in text


def test_each_change_of_a_rule_is_noticed(file: Path) -> None:
    suite, monitor = Suite.load(file.with_name("monitor_test.yaml"))
    mutants = mutate(suite, monitor)
    assert [mutant.to_dict() for mutant in mutants if mutant.killed_by is None] == []
    assert len(mutants) > 10 * len(monitor.rules) - 10


def test_the_false_alarms_to_be_expected_are_within_the_budget() -> None:
    file = ROOT / "pipelines" / "classical" / "monitor.yaml"
    monitor, contract = Monitor.load(file), Contract.load(file.with_name("contract.yaml"))
    rows = sample.load().head(8_076).tail(2_400)
    answers = rows.assign(probability=rows["disea"].rank(pct=True), label=1)
    planned = plan(monitor, profile(answers, contract=contract), contract=contract, rows=600)
    assert planned.refusals == ()
    assert monitor.budget is not None
    assert 0 < planned.alarms_month <= monitor.budget.false_alarms_per_month

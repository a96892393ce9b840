"""``mlops alerts test``, ``mutate`` and ``diff`` on files, as people and pull requests run them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mlops.cli.application import run

MONITOR = """\
monitor: loans
owner: team-risk
signals:
  inputs: {type: data_drift}
rules:
  - {id: drift, when: inputs.psi, fire: 0.2, clear: 0.1, for: 1 of 1, keep_firing: 1, runbook: drift.md}
"""
TESTS = """\
monitor: monitor.yaml
tests:
  - name: a day of drift
    series: {"inputs.psi{feature=age}": "0.15! 0.15 0.21 0.1 0.25!x2"}
    expect:
      - {at: 2, alerts: []}
      - {at: 3, alerts: [{rule: drift, feature: age, severity: warning}]}
      - {at: 4, alerts: [], notifications: 2}
      - {at: 6, alerts: []}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    (tmp_path / "monitor_test.yaml").write_text(TESTS)
    (tmp_path / "drift.md").write_text("# Drift\n")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    named = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True)


def test_rule_tests_pass_and_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = str(folder / "monitor_test.yaml")
    assert run(["alerts", "test", tests]) == 0
    assert "1 passed, 0 failed" in capsys.readouterr().out
    (folder / "monitor.yaml").write_text(MONITOR.replace("fire: 0.2", "fire: 0.3"))
    assert run(["alerts", "test", tests, "--json"]) == 1
    (outcome,) = json.loads(capsys.readouterr().out)
    assert outcome["name"] == "a day of drift"
    assert "expected {rule: drift, feature: age" in outcome["problems"][0]


def test_a_mistake_in_a_rule_is_explained_without_a_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "monitor.yaml").write_text(MONITOR.replace("fire:", "fyre:"))
    assert run(["alerts", "test", str(folder / "monitor_test.yaml")]) == 2
    assert run(["alerts", "test", str(folder / "missing.yaml")]) == 2
    errors = capsys.readouterr().err
    assert "monitor.yaml:6" in errors
    assert "'fire'" in errors
    assert "missing.yaml" in errors
    assert "Traceback" not in errors


def test_mutants_that_nobody_notices_are_a_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "mutate", str(folder / "monitor_test.yaml"), "--json"]) == 1
    alive = [each["change"] for each in json.loads(capsys.readouterr().out) if each["killed_by"] is None]
    assert alive == ["clear: 0.1 -> 0.15"]


def test_a_change_of_rules_is_told_for_the_pull_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "rules")
    (folder / "monitor.yaml").write_text(MONITOR.replace("fire: 0.2", "fire: 0.3"))
    arguments = ["alerts", "diff", "--base", "HEAD", "--monitor", str(folder / "monitor.yaml")]
    assert run([*arguments, "--format", "markdown"]) == 0
    page = capsys.readouterr().out
    assert "1 before this change, 0 after it" in page
    assert "| dropped | test: a day of drift | drift |" in page
    assert run([*arguments, "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out).values()
    assert document["differences"][0]["change"] == "dropped"


def test_a_new_monitor_has_nothing_to_compare_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(folder, "init", "-q")
    git(folder, "commit", "-qm", "nothing", "--allow-empty")
    assert run(["alerts", "diff", "--base", "HEAD", "--monitor", str(folder / "monitor.yaml")]) == 0
    assert "New" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["nowhere", "--output=x"])
def test_a_revision_that_does_not_exist_is_refused(
    folder: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git(folder, "init", "-q")
    git(folder, "commit", "-qm", "nothing", "--allow-empty")
    arguments = ["alerts", "diff", f"--base={base}", "--monitor", str(folder / "monitor.yaml")]
    assert run(arguments) == 2
    assert "no such revision" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["monitor", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"].startswith("monitor.yaml")

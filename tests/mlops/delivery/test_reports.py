"""What people read: models, stacks, and errors that name the next step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops.cli.application import run
from mlops.delivery import infra_report, model_report
from mlops.delivery.infra_report import CostChange, StackReport
from mlops.delivery.markdown import cell, code

DATA = Path(__file__).resolve().parents[2] / "workflows" / "data"


def trained(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / f"trained_{name}.json").read_text())
    return content


def test_model_stands_beside_the_champion_with_its_bounds() -> None:
    text = model_report.to_markdown(trained("pass"), environment="local")
    comparison = next(c for c in trained("pass")["gate"]["checks"] if c["name"] == "comparison.log_loss")[
        "comparison"
    ]
    row = next(line for line in text.splitlines() if line.startswith("| `log_loss`"))
    assert (
        f"| {comparison['estimate']:+.4f} | {comparison['lower']:+.4f} to {comparison['upper']:+.4f} |" in row
    )
    assert "| `health.fair` | log_loss | 205 |" in text
    assert "- slice.health.poor: 17 rows" in text


def test_what_was_refused_comes_first() -> None:
    lines = model_report.to_markdown(trained("refused"), environment="local").splitlines()
    assert lines[2].startswith("The gate **refuses** it: 15 of 16")
    assert lines[4].startswith("- **slice.health.fair**")


def test_first_model_has_nobody_beside_it() -> None:
    content = trained("pass")
    del content["metrics"]["champion"]
    content["gate"]["checks"] = [c for c in content["gate"]["checks"] if "comparison" not in c]
    text = model_report.to_markdown(content, environment="dev")
    assert "Slices against" not in text
    row = next(line for line in text.splitlines() if line.startswith("| `log_loss`"))
    assert "| - | - | - |" in row


def test_a_verdict_that_is_missing_is_no_pass() -> None:
    assert model_report.verdict_of({"gate": {}}) == "fail"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "no result of training"),
        ("{}", "has no gate"),
        ("", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_result_that_is_none_is_explained(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "t.json").write_text(content)
    assert run(["ci", "model-report", str(tmp_path / "t.json"), "--out", str(tmp_path / "m.md")]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_data_at_risk_is_named_until_somebody_allows_it() -> None:
    report = StackReport("prod", {"delete": 1}, "- lake", ("storage:StorageAccount lake",))
    assert infra_report.data_at_risk([report], []) == ["prod: storage:StorageAccount lake"]
    assert infra_report.data_at_risk([report], [infra_report.OVERRIDE_LABEL]) == []
    text = infra_report.to_markdown([report], base="main", currency="USD")
    assert "[!CAUTION]" in text
    assert "**1**" in text


def test_costs_that_cannot_be_known_are_not_zero() -> None:
    unknown = StackReport("dev", {}, "", costs=None, cost_note="the settings of the base do not load")
    known = StackReport("prod", {}, "", (), (CostChange("a", 1.0, 11.0),), 100.0, 110.0)
    text = infra_report.to_markdown([unknown, known], base="main", currency="USD")
    assert "unknown: the settings of the base do not load" in text
    assert "110 (+10)" in text


def test_stack_that_cannot_be_rendered_says_why_and_fails_no_other() -> None:
    failed = StackReport("dev", {}, "", costs=None, failed="boom\n```\nhere")
    text = infra_report.to_markdown([failed, StackReport("prod", {}, "")], base="main", currency="USD")
    assert "| `dev` | **cannot be rendered** |" in text
    assert text.count("```") == 2


def test_nothing_that_others_wrote_becomes_markup() -> None:
    assert cell("a|b\n<img> @all ![x](y)") == "a\\|b &lt;img> &#64;all !\\[x]\\(y)"
    assert code("a``b") == "```a``b```"
    assert code("`x") == "`` `x ``"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ci", "changes", "--cloud", "dev"], ["no list of stacks", '["dev", "prod"]']),
        (["ci", "changes", "--only", "devv"], ["no stack 'devv'", "write 'dev'"]),
        (["ci", "apply", "dev", "--approved", "x", "--planned-at", "yesterday"], ["no time with a zone"]),
        (["ci", "plan", "dev"], ["Pulumi command line is not installed"]),
        (["ci", "comment", "k", "nowhere"], ["no pull request", "--number"]),
        (["ci", "retraining-request", "{"], ["no JSON"]),
        (["ci", "drift-issues", "x", "--stacks", "[]"], ["GITHUB_TOKEN"]),
    ],
    ids=lambda value: " ".join(value[:3]) if value[0] == "ci" else None,
)
def test_a_mistake_is_explained(
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    for word in words:
        assert word in " ".join(said.err.split())

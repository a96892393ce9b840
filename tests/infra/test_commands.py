"""``mlops infra`` from the command line: what it prints, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import pytest
from typer.testing import CliRunner, Result

from infra.checks import Report
from infra.engine import Violation
from infra.render import render
from mlops.cli.infra import commands
from mlops.errors import UsageError

Run = Callable[..., Result]


@pytest.fixture
def mlops_infra() -> Run:
    runner = CliRunner()
    return lambda *arguments: runner.invoke(commands(), list(arguments))


def test_render_prints_a_tree_json_or_a_template(mlops_infra: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is printed differs, what is rendered does not.
    monkeypatch.setattr("infra.render.render", cache(render))
    tree = mlops_infra("render", "shared")
    assert tree.exit_code == 0
    assert tree.stdout.startswith("shared (mlops-platform, ")
    resources = json.loads(mlops_infra("render", "shared", "--format", "json").stdout)
    wanted = {"urn", "type", "name", "inputs", "parent", "protect", "dependencies"}
    assert all(wanted <= set(one) for one in resources)
    declared = [one for one in resources if one["type"].startswith("azure-native:")]
    template = json.loads(mlops_infra("render", "shared", "--format", "arm").stdout)
    assert len(template["resources"]) == len(declared)


def test_the_working_tree_is_compared_with_a_revision(mlops_infra: Run) -> None:
    shown = mlops_infra("diff", "shared", "--base", "HEAD", "--format", "markdown")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("### Infrastructure: `shared` against `HEAD`\n")


@pytest.mark.parametrize(
    "arguments", [("render", "prd"), ("diff", "prd", "--base", "HEAD"), ("check", "prd")]
)
def test_a_stack_that_does_not_exist_is_a_usage_error(mlops_infra: Run, arguments: tuple[str, ...]) -> None:
    refused = mlops_infra(*arguments)
    assert isinstance(refused.exception, UsageError)


@pytest.mark.parametrize(("level", "code"), [("advisory", 0), ("mandatory", 1)])
def test_check_exits_by_what_it_found(
    mlops_infra: Run, monkeypatch: pytest.MonkeyPatch, level: str, code: int
) -> None:
    violation = Violation("pack", "storage-https", level, "high", "off", "urn::lake", "HTTPS.")
    monkeypatch.setattr("infra.checks.check", lambda stack: Report(stack, 1, (), (violation,)))
    checked = mlops_infra("check", "dev", "--json")
    assert checked.exit_code == code
    assert json.loads(checked.stdout)["passed"] is (code == 0)

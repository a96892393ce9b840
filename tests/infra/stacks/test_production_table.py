"""The table of the seventy production checks is true: of the pack, of the tests, of the graphs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from infra.policy.catalog import ALL_CHECKS
from infra.policy.check import ResourceCheck
from mlops.settings import ROOT

if TYPE_CHECKING:
    from tests.infra.stacks.conftest import Graph

TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (ROOT / "infra" / "policy" / "production.yaml").read_text()
)
ROWS = [(area, row) for area, rows in TABLE.items() for row in rows]
POLICIES = {check.id: check for check in ALL_CHECKS}


def test_there_are_seventy_and_each_is_held_by_something() -> None:
    names = [(area, row["check"]) for area, row in ROWS]
    assert len(names) == len(set(names)) == 70
    for _, row in ROWS:
        assert set(row) <= {"check", "policies", "tests", "exception", "none"}
        assert row.get("policies") or row.get("tests"), row["check"]
        assert len(row.get("exception", "a reason that says something").split()) >= 5


def test_the_tests_that_it_names_are_there() -> None:
    functions = {
        path.name: {
            node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
        }
        for path in Path(__file__).parent.glob("test_*.py")
    }
    for _, row in ROWS:
        for name in row.get("tests", ()):
            file, _, function = name.rpartition("::")
            assert function in functions[file or "test_production_checks.py"], name


@pytest.mark.parametrize(("area", "row"), ROWS, ids=[f"{area}: {row['check']}" for area, row in ROWS])
def test_its_policies_judge_something_and_find_nothing(
    graphs: dict[str, Graph], area: str, row: dict[str, Any]
) -> None:
    assert area
    prod = graphs["prod"]
    for name in row.get("policies", ()):
        policy = POLICIES[name]
        assert not [one for one in prod.result.violations if one.policy == name]
        if isinstance(policy, ResourceCheck):
            # A check that no resource is of a type for would hold by saying nothing.
            judged = [item for graph in graphs.values() for kind in policy.types for item in graph.of(kind)]
            assert bool(judged) != row.get("none", False), name


def test_what_a_scanner_finds_is_excepted_in_both_places() -> None:
    excepted = yaml.safe_load((ROOT / "infra" / "policy" / "checkov.yaml").read_text())
    anywhere = {item["check"] for item in excepted}
    in_prod = {item["check"] for item in excepted if "prod" in item["stacks"]}
    scanned = [row for _, row in ROWS if row["check"].startswith("CKV")]
    named = {row["check"].partition(",")[0] for row in scanned if "exception" in row}
    assert in_prod <= named <= anywhere

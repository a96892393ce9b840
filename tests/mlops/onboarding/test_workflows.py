"""What workflows rely on is what bootstrap makes: variables, environments and rulesets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlops.onboarding.bootstrap import Prerequisites
from mlops.onboarding.delivery import CLOUD_STACKS, VARIABLES, read_rulesets
from mlops.settings import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# The label of a runner inside the private networks: whoever has one sets it.
BY_HAND = {"PRIVATE_RUNNER"}


def test_there_are_workflows() -> None:
    assert {"stack.yml", "infra-pr.yml"} <= {path.name for path in WORKFLOWS}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_variable_is_one_that_bootstrap_sets(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\bvars\.(\w+)", text)) <= {*VARIABLES, CLOUD_STACKS} | BY_HAND
    assert "secrets." not in re.sub(r"secrets\.GITHUB_TOKEN", "", text)


def test_every_variable_that_bootstrap_sets_is_read() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert {*VARIABLES, CLOUD_STACKS} <= set(re.findall(r"\bvars\.(\w+)", text))


def test_a_stacks_environments_are_called_as_bootstrap_calls_them(wanted: Prerequisites) -> None:
    text = (ROOT / ".github/workflows/stack.yml").read_text(encoding="utf-8")
    suffixes = set(re.findall(r"environment: \$\{\{ inputs\.stack \}\}(\S*)", text))
    made = {one.name for one in wanted.delivery}
    assert {f"dev{suffix}" for suffix in suffixes} <= made
    # Previews and the look at alerts would wait for a reviewer.
    assert all(
        not one.reviewers and one.branch is None for one in wanted.delivery if one.name.endswith("-plan")
    )


def test_the_committed_rulesets_are_what_bootstrap_sends(wanted: Prerequisites) -> None:
    assert {one["name"] for one in read_rulesets(ROOT / ".github/rulesets")} >= {"main"}

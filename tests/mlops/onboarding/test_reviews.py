"""Who has to agree to a change of the default branch: another person, wherever there is one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops.onboarding.bootstrap import Prerequisites, create
from mlops.onboarding.delivery import DeliveryEnvironment
from mlops.onboarding.doctor import Findings
from mlops.onboarding.doctor.github import check_reviews
from mlops.onboarding.operation import Operation
from mlops.onboarding.reviews import approvals_asked, fitted, sole_owners, writers
from mlops.rest import RefusedError
from mlops.settings import ROOT
from tests.mlops.onboarding.conftest import Clouds
from tests.mlops.onboarding.github_stand_in import ANN, BEN

COMMITTED: dict[str, Any] = json.loads((ROOT / ".github/rulesets/main.json").read_text(encoding="utf-8"))
APPROVALS = {"required_approving_review_count", "require_code_owner_review", "require_last_push_approval"}
BOT = {**BEN, "login": "helper[bot]", "type": "Bot"}
READER = {**BEN, "login": "cleo", "role_name": "read", "permissions": {"pull": True, "push": False}}
ROLE = {"login": "dora", "type": "User", "role_name": "reviewer", "permissions": {"pull": True, "push": True}}
Examine = Callable[..., list[tuple[str, str, str, str]]]


@pytest.fixture
def only(wanted: Prerequisites) -> Prerequisites:
    """The committed ruleset, and the environment prod with somebody who approves its deployments."""
    prod = DeliveryEnvironment("prod", {}, "main", (("User", 7),))
    return replace(wanted, resources=(), namespaces=(), delivery=(prod,), rulesets=(COMMITTED,))


def apply(clouds: Clouds, wanted: Prerequisites, *, write: bool = True) -> dict[str, Operation]:
    azure, github = clouds.fast_clients()
    found = create(wanted, azure, github, write=write, report=lambda _: None, sleep=lambda _: None)
    return {one.what: one for one in found}


def parameters(ruleset: dict[str, Any]) -> dict[str, Any]:
    [rule] = [one for one in ruleset["rules"] if one["type"] == "pull_request"]
    return dict(rule["parameters"])


def test_what_is_committed_asks_a_second_person_and_lets_nobody_around_it() -> None:
    assert all(parameters(COMMITTED)[key] for key in APPROVALS)
    assert COMMITTED["bypass_actors"] == []
    assert COMMITTED["enforcement"] == "active"


def test_alone_only_the_approvals_go() -> None:
    before = copy.deepcopy(COMMITTED)
    alone = fitted(COMMITTED, alone=True)
    assert before == COMMITTED
    assert {
        key for key, value in parameters(alone).items() if value != parameters(COMMITTED)[key]
    } == APPROVALS
    assert not any(parameters(alone)[key] for key in APPROVALS)
    others = [[rule for rule in one["rules"] if rule["type"] != "pull_request"] for one in (alone, COMMITTED)]
    assert others[0] == others[1]
    assert "required_status_checks" in {rule["type"] for rule in others[0]}
    assert {**alone, "rules": None} == {**COMMITTED, "rules": None}


def test_a_lone_newcomer_can_merge_and_a_team_cannot_without_asking(
    clouds: Clouds, only: Prerequisites
) -> None:
    clouds.github.people = [ANN]
    made = apply(clouds, only)["ruleset main"]
    assert made.action == "create"
    assert "one person alone may write" in made.detail
    [ruleset] = clouds.github.rulesets.values()
    assert approvals_asked(ruleset["rules"]) == 0
    assert apply(clouds, only)["ruleset main"].action == "same"
    clouds.github.people = [ANN, BEN]
    shown = apply(clouds, only, write=False)["ruleset main"]
    assert (shown.action, approvals_asked(ruleset["rules"])) == ("update", 0)
    assert "required_approving_review_count" in shown.detail
    apply(clouds, only)
    assert clouds.github.rulesets == {1: COMMITTED}
    assert apply(clouds, only)["ruleset main"].action == "same"


@pytest.mark.parametrize("people", [[ANN], [ANN, BEN]], ids=["alone", "team"])
def test_who_approves_deployments_to_prod_stays(
    clouds: Clouds, only: Prerequisites, people: list[dict[str, Any]]
) -> None:
    clouds.github.people = people
    apply(clouds, only)
    prod = clouds.github.environments["prod"]
    assert [one["reviewer"]["id"] for one in prod["protection_rules"][0]["reviewers"]] == [7]
    assert prod["deployment_branch_policy"] == {"protected_branches": False, "custom_branch_policies": True}
    assert clouds.github.branches["prod"] == ["main"]


@pytest.mark.parametrize(
    ("people", "logins"),
    [
        ([ANN, BOT, READER], ("ann",)),
        ([READER, ANN, ROLE], ("ann", "dora")),
        ([ANN, {**BEN, "permissions": {}}], ("ann", "ben")),
        ([ANN, BEN, ROLE], ("ann", "ben")),
        ([READER] * 250 + [ANN], ("ann",)),
    ],
    ids=["bot and reader", "own role", "role alone", "two are enough", "third page"],
)
def test_whoever_may_write_could_approve(
    clouds: Clouds, people: list[dict[str, Any]], logins: tuple[str, ...]
) -> None:
    clouds.github.people = people
    assert writers(clouds.fast_clients()[1]) == logins


def test_who_may_not_ask_lowers_nothing(clouds: Clouds, only: Prerequisites) -> None:
    apply(clouds, only)
    clouds.denied = "GET .*/collaborators"
    with pytest.raises(RefusedError):
        apply(clouds, only)
    assert clouds.github.rulesets == {1: COMMITTED}


@pytest.mark.parametrize(
    ("rules", "number"),
    [
        ([], None),
        ([{"type": "deletion"}], None),
        ([{"type": "pull_request"}], 0),
        ([{"type": "pull_request", "parameters": {"require_last_push_approval": True}}], 1),
        ([*COMMITTED["rules"], *fitted(COMMITTED, alone=True)["rules"]], 1),
        ([{"type": "pull_request", "parameters": {"required_approving_review_count": 2}}], 2),
    ],
    ids=["none", "no pull request", "no approval", "last push", "strictest", "two"],
)
def test_the_strictest_rule_counts(rules: list[dict[str, Any]], number: int | None) -> None:
    assert approvals_asked(rules) == number


@pytest.mark.parametrize(
    ("text", "sole"),
    [
        ("* team@contoso.com\n/infra/ ann@contoso.com  # for now\n", ("ann@contoso.com", "team@contoso.com")),
        ("# * nobody\n* @org/team\n/infra/ @ann @ben\n/docs/\n", ()),
        ("* @org/team\n/infra/ @ann\n", ("@ann",)),
        (None, ()),
    ],
    ids=["mails", "others", "one line", "no file"],
)
def test_an_owner_needs_another_one(tmp_path: Path, text: str | None, sole: tuple[str, ...]) -> None:
    path = tmp_path / "CODEOWNERS"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert sole_owners(path) == sole


@pytest.fixture
def examine(clouds: Clouds, tmp_path: Path) -> Examine:
    """Return what the doctor says of pull requests: title, status, finding, remedy."""

    def run(*, production: bool = False, owners: str = "* @org/team\n") -> list[tuple[str, str, str, str]]:
        path = tmp_path / "CODEOWNERS"
        path.write_text(owners, encoding="utf-8")
        findings = Findings()
        github = clouds.fast_clients()[1]
        check_reviews(findings, github, "main", "dev", production=production, owners=path)
        return [(one.title, one.status.value, one.found, one.fix) for one in findings.checks]

    return run


@pytest.mark.parametrize(
    ("people", "ruleset", "production", "status", "found", "fix"),
    [
        ([ANN, BEN], COMMITTED, True, "PASS", "waits for 1 approval", ""),
        ([ANN], fitted(COMMITTED, alone=True), False, "PASS", "no approval: ann alone may write", ""),
        ([ANN], fitted(COMMITTED, alone=True), True, "WARN", "ann alone", "invite a second person"),
        ([ANN, BEN], fitted(COMMITTED, alone=True), False, "FAIL", "no approval", "bootstrap dev --apply"),
        ([ANN], COMMITTED, False, "FAIL", "none can be merged", "bootstrap dev --apply"),
        ([ANN, BEN], {**COMMITTED, "enforcement": "disabled"}, False, "FAIL", "without a pull", "bootstrap"),
        ([ANN], {**COMMITTED, "rules": []}, False, "FAIL", "without a pull request", "bootstrap dev"),
    ],
    ids=["team", "alone", "alone in prod", "not any more alone", "nobody to ask", "switched off", "nothing"],
)
def test_the_doctor_tells_what_a_pull_request_waits_for(  # noqa: PLR0917 - a row
    examine: Examine, clouds: Clouds, people: list[dict[str, Any]], ruleset: dict[str, Any],
    production: bool, status: str, found: str, fix: str,
) -> None:  # fmt: skip
    clouds.github.people, clouds.github.rulesets = people, {1: ruleset}
    [first, *_] = examine(production=production)
    assert first[:2] == ("reviews", status)
    assert found in first[2]
    assert fix in first[3]


def test_the_doctor_finds_an_owner_whom_nobody_can_approve(examine: Examine, clouds: Clouds) -> None:
    clouds.github.rulesets = {1: COMMITTED}
    assert examine()[1][:2] == ("code owners", "PASS")
    title, status, found, fix = examine(owners="* ann@contoso.com\n")[1]
    assert (title, status) == ("code owners", "WARN")
    assert "ann@contoso.com" in found
    assert "CODEOWNERS" in fix


def test_where_the_plan_has_no_rulesets_the_doctor_says_so(examine: Examine, clouds: Clouds) -> None:
    clouds.github.plan = "free"
    [(title, status, found, _)] = examine()
    assert (title, status) == ("reviews", "WARN")
    assert "Upgrade to GitHub Pro" in found


def test_who_may_not_look_at_rules_or_people_knows_nothing(examine: Examine, clouds: Clouds) -> None:
    clouds.github.rulesets = {1: COMMITTED}
    for call in ("rules/branches", "collaborators"):
        clouds.denied = f"GET .*/{call}"
        [(title, status, *_)] = examine()
        assert (title, status) == ("reviews", "UNKNOWN")

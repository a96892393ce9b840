"""``mlops bootstrap`` against Azure and GitHub on the loopback interface: nothing, half, all there."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.cli.application import run
from mlops.cli.declared import Declaration
from mlops.errors import DeploymentError, UsageError
from mlops.onboarding.bootstrap import Prerequisites, create, destroy
from mlops.onboarding.delivery import VARIABLES, read_rulesets
from mlops.onboarding.operation import LATER, Operation
from mlops.onboarding.stack_files import initialised
from mlops.rest import RefusedError, UnreachableError
from mlops.settings import ROOT
from tests.mlops.onboarding.azure_stand_in import LOCKS, ROLES
from tests.mlops.onboarding.conftest import PREFIX, Clouds

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def apply(
    clouds: Clouds, wanted: Prerequisites, *, write: bool = True, fast: bool = False, **options: Any
) -> list[Operation]:
    azure, github = (clouds.fast_clients if fast else clouds.clients)(**options)
    return create(wanted, azure, github, write=write, report=lambda _: None, sleep=lambda _: None)


def remove(
    clouds: Clouds, wanted: Prerequisites, *, write: bool = True, fast: bool = False, **options: Any
) -> list[Operation]:
    azure, github = (clouds.fast_clients if fast else clouds.clients)(**options)
    return destroy(wanted, azure, github, write=write, report=lambda _: None)


def actions(operations: list[Operation]) -> Counter[str]:
    return Counter(one.action for one in operations)


def state(clouds: Clouds) -> tuple[Any, ...]:
    """Return everything that both services keep, without the ids that Azure makes up."""
    azure = json.loads(GUID.sub("id", json.dumps(sorted(clouds.azure.resources.items()))))
    variables = {name: sorted(kept) for name, kept in clouds.github.variables.items()}
    github = clouds.github
    kept = (github.environments, variables, github.rulesets, github.repository_variables)
    return azure, clouds.azure.providers, *kept


@pytest.fixture(scope="module")
def small(wanted: Prerequisites) -> Prerequisites:
    """One of each kind of thing, so that every point of interruption can be tried."""
    names = {
        "group-bootstrap", "state", "state-lock", "state-state", "deploy-dev", "deploy-dev-github",
        "group-dev",
        "grant-deploy-dev-state-storage-blob-data-contributor", "grant-deploy-dev-target-contributor",
    }  # fmt: skip
    resources = tuple(one for one in wanted.resources if one.name in names)
    assert {one.name for one in resources} == names
    dev = next(one for one in wanted.delivery if one.name == "dev")
    delivery = replace(dev, variables={"AZURE_CLIENT_ID": dev.variables["AZURE_CLIENT_ID"]})
    used = {one.type.partition("/")[0] for one in resources}
    return replace(
        wanted,
        resources=resources,
        delivery=(delivery,),
        namespaces=tuple(pair for pair in wanted.namespaces if pair[1] in used),
    )


def test_a_dry_run_prints_every_call_and_sends_none(clouds: Clouds, wanted: Prerequisites) -> None:
    operations = apply(clouds, wanted, write=False)
    assert clouds.writes == []
    assert actions(operations) == {"create": len(operations)}
    assert all(re.match(r"(PUT|POST) /", one.call) for one in operations)
    assert {one.detail for one in operations if "AZURE_CLIENT_ID" in one.what} == {LATER}
    planned = [one.call.partition("?")[0] for one in operations]
    assert apply(clouds, wanted) != []
    assert clouds.writes == planned


def test_apply_creates_everything_and_the_second_changes_nothing(
    clouds: Clouds, wanted: Prerequisites
) -> None:
    apply(clouds, wanted)
    assert {one.id.casefold() for one in wanted.resources} == set(clouds.azure.resources)
    assert set(clouds.github.environments) == {"shared", "shared-plan", "dev", "dev-plan"}
    before, sent = state(clouds), len(clouds.writes)
    assert set(actions(apply(clouds, wanted))) == {"same"}
    assert len(clouds.writes) == sent
    assert state(clouds) == before


def test_who_may_sign_in_is_what_github_says(clouds: Clouds, wanted: Prerequisites) -> None:
    apply(clouds, wanted)
    credentials = {
        at.split("/")[8]: one["properties"]
        for at, one in clouds.azure.resources.items()
        if "federatedidentitycredentials" in at
    }
    assert {one["subject"].removeprefix(f"{PREFIX}:environment:") for one in credentials.values()} == set(
        clouds.github.environments
    )
    for environment, variables in clouds.github.variables.items():
        assert sorted(variables) == sorted(VARIABLES)
        who = "plan" if environment.endswith("-plan") else "deploy"
        name = next(at for at in credentials if at.endswith(f"{who}-{environment.removesuffix('-plan')}"))
        identity = next(
            one for at, one in clouds.azure.resources.items() if at.endswith(f"identities/{name}")
        )
        assert variables["AZURE_CLIENT_ID"] == identity["properties"]["clientId"]


def test_only_the_branch_deploys_and_a_pull_request_only_looks(clouds: Clouds, wanted: Prerequisites) -> None:
    apply(clouds, wanted)
    assert clouds.github.branches == {"shared": ["main"], "dev": ["main"]}
    policies = {name: one["deployment_branch_policy"] for name, one in clouds.github.environments.items()}
    assert policies["dev-plan"] is None
    assert policies["dev"] == {"protected_branches": False, "custom_branch_policies": True}
    plan = next(at for at in clouds.azure.resources if at.endswith("-plan-dev"))
    principal = clouds.azure.resources[plan]["properties"]["principalId"]
    roles = {
        one["properties"]["roleDefinitionId"].rpartition("/")[2]
        for at, one in clouds.azure.resources.items()
        if ROLES in at and one["properties"]["principalId"] == principal
    }
    reader, blob_reader, crypto_user = (
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "12338af0-0e69-4776-bea7-57ae8d297424",
    )
    assert roles == {reader, blob_reader, crypto_user}


@pytest.mark.parametrize("step", [2, 3, 5])
def test_half_there_is_completed(clouds: Clouds, wanted: Prerequisites, step: int) -> None:
    apply(clouds, wanted)
    whole = state(clouds)
    gone = [at for at in list(clouds.azure.resources)[::step] if "/providers/" in at and LOCKS not in at]
    for at in gone:
        for below in [one for one in clouds.azure.resources if one == at or one.startswith(f"{at}/")]:
            del clouds.azure.resources[below]
    clouds.github.variables["dev"].pop("AZURE_TENANT_ID")
    clouds.github.environments.pop("shared-plan")
    clouds.github.variables.pop("shared-plan")
    apply(clouds, wanted)
    assert state(clouds)[0] == whole[0]
    assert state(clouds) == whole
    assert set(actions(apply(clouds, wanted))) == {"same"}


def test_what_differs_is_changed_and_nothing_else(clouds: Clouds, wanted: Prerequisites) -> None:
    apply(clouds, wanted)
    whole, sent = state(clouds), len(clouds.writes)
    for at, one in clouds.azure.resources.items():
        if at.endswith("deploy-dev/federatedidentitycredentials/github"):
            one["properties"]["subject"] = f"{PREFIX}:environment:DEV"
        if at.endswith("/storageaccounts/" + at.rpartition("/")[2]) and "storage" in at:
            one["properties"]["allowSharedKeyAccess"] = True
    clouds.github.variables["dev"]["PULUMI_BACKEND_URL"] = "file://~"
    clouds.github.rulesets[1] = {**clouds.github.rulesets[1], "enforcement": "disabled"}
    changed = [one for one in apply(clouds, wanted) if one.action != "same"]
    assert [(one.action, one.detail) for one in changed] == [
        ("update", "properties.allowSharedKeyAccess"),
        ("update", "properties.subject"),
        ("update", f"file://~ → {clouds.github.variables['dev']['PULUMI_BACKEND_URL']}"),
        ("update", "enforcement"),
    ]
    assert len(clouds.writes) == sent + 4
    assert state(clouds)[0] == whole[0]


def test_workflows_are_told_which_stacks_are_in_the_state_store(
    clouds: Clouds, small: Prerequisites, tmp_path: Path
) -> None:
    apply(clouds, small)
    assert clouds.github.repository_variables == {}
    shutil.copytree(ROOT / "environments/pulumi", tmp_path / "environments/pulumi")
    assert initialised(tmp_path) == ()
    for stack in ("dev", "shared"):
        path = tmp_path / f"environments/pulumi/Pulumi.{stack}.yaml"
        path.write_text(f"secretsprovider: azurekeyvault://v\nencryptedkey: a2V5\n{path.read_text()}")
    known = replace(small, stacks=initialised(tmp_path))
    assert actions(apply(clouds, known))["create"] == 1
    assert clouds.github.repository_variables == {"CLOUD_STACKS": '["shared", "dev"]'}
    assert set(actions(apply(clouds, known))) == {"same"}
    remove(clouds, known)
    assert clouds.github.repository_variables == {"CLOUD_STACKS": '["shared"]'}
    remove(clouds, replace(known, stacks=("dev",)))
    assert clouds.github.repository_variables == {}


def test_azures_own_spelling_is_no_difference(clouds: Clouds, small: Prerequisites) -> None:
    apply(clouds, small)
    for at, one in clouds.azure.resources.items():
        if "location" in one:
            one["location"] = "West Europe" if one["location"] == "westeurope" else one["location"].upper()
        one["tags"] = {**one.get("tags", {}), "added-by": "a policy"}
        if ROLES in at:
            role = one["properties"]["roleDefinitionId"]
            one["properties"]["roleDefinitionId"] = role[role.index("/providers") :].upper()
    assert set(actions(apply(clouds, small))) == {"same"}


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_an_interruption_anywhere_is_finished_by_the_next_run(
    clouds: Clouds, small: Prerequisites, done: bool
) -> None:
    apply(clouds, small)
    whole, number = state(clouds), len(clouds.writes)
    assert number == len(small.namespaces) + len(small.resources) + 4
    for point in range(1, number + 1):
        fresh = clouds.another(fail_at=point, done=done)
        with pytest.raises(UnreachableError):
            apply(fresh, small, fast=True, retry_total=0)
        assert len(fresh.writes) == point
        fresh.fail_at = 0
        apply(fresh, small, fast=True)
        assert state(fresh) == whole, f"stopped at write {point}"
        assert set(actions(apply(fresh, small, fast=True))) == {"same"}


def test_who_is_denied_is_told_what_to_ask_for_and_continues_later(
    clouds: Clouds, wanted: Prerequisites
) -> None:
    clouds.denied = "PUT .*roleAssignments"
    with pytest.raises(RefusedError, match="AuthorizationFailed") as refused:
        apply(clouds, wanted)
    assert "a role that allows Microsoft.X/PUT" in str(refused.value.next_step)
    assert not [at for at in clouds.azure.resources if ROLES in at]
    clouds.denied = ""
    apply(clouds, wanted)
    assert {one.id.casefold() for one in wanted.resources} == set(clouds.azure.resources)


def test_throttling_is_waited_for_and_said_when_it_lasts(clouds: Clouds, small: Prerequisites) -> None:
    clouds.throttled = {"userAssignedIdentities": 2, "/environments/dev$": 2}
    apply(clouds, small)
    assert set(clouds.throttled.values()) == {0}
    clouds.throttled = {"GET .*storageAccounts": 1000}
    with pytest.raises(RefusedError, match="TooManyRequests") as refused:
        apply(clouds, small, retry_total=2)
    assert refused.value.status == 429


def test_a_new_identity_that_is_not_spread_yet_is_waited_for(clouds: Clouds, small: Prerequisites) -> None:
    clouds.azure.unspread = 3
    apply(clouds, small)
    assert len([at for at in clouds.azure.resources if ROLES in at]) == 2


def test_a_role_that_somebody_granted_is_not_granted_twice(clouds: Clouds, small: Prerequisites) -> None:
    apply(clouds, small)
    at = next(one for one in clouds.azure.resources if ROLES in one)
    by_hand = clouds.azure.resources.pop(at)
    clouds.azure.resources[f"{at.partition(ROLES)[0]}{ROLES}/by-hand"] = by_hand
    again = apply(clouds, small)
    assert set(actions(again)) == {"same"}
    assert [one.detail for one in again if one.detail] == ["granted under another name"]


def test_a_role_of_an_identity_that_was_made_anew_is_replaced(clouds: Clouds, small: Prerequisites) -> None:
    apply(clouds, small)
    identity = next(one for one in clouds.azure.resources if one.endswith("-deploy-dev"))
    for at in [one for one in clouds.azure.resources if one.startswith(identity)]:
        del clouds.azure.resources[at]
    assert actions(apply(clouds, small))["replace"] == 2
    assert set(actions(apply(clouds, small))) == {"same"}


@pytest.mark.parametrize(
    ("plan", "unavailable"),
    [
        ("enterprise", set()),
        ("team", {"environment dev: reviewers"}),
        ("free", {"environment dev: reviewers", "environment dev", "rulesets"}),
    ],
)
def test_what_the_plan_does_not_offer_is_said_and_the_rest_is_done(
    clouds: Clouds, small: Prerequisites, plan: str, unavailable: set[str]
) -> None:
    clouds.github.plan = plan
    reviewed = replace(small, delivery=(replace(small.delivery[0], reviewers=(("Team", 42),)),))
    found: list[Operation] = []
    azure, github = clouds.clients()
    create(reviewed, azure, github, write=True, report=found.append, sleep=lambda _: None)
    assert {one.what for one in found if one.action == "unavailable"} == unavailable
    assert ("dev" in clouds.github.environments) == (plan != "free")


def test_reviewers_that_people_added_stay(clouds: Clouds, small: Prerequisites) -> None:
    apply(clouds, small)
    added = {"type": "required_reviewers", "reviewers": [{"type": "User", "reviewer": {"id": 7}}]}
    clouds.github.environments["dev"]["protection_rules"] = [added]
    apply(clouds, replace(small, delivery=(replace(small.delivery[0], reviewers=(("Team", 42),)),)))
    rules = clouds.github.environments["dev"]["protection_rules"][0]
    assert {one["reviewer"]["id"] for one in rules["reviewers"]} == {7, 42}


def test_destroy_removes_one_environment_and_leaves_what_is_shared(
    clouds: Clouds, wanted: Prerequisites
) -> None:
    apply(clouds, wanted)
    whole = state(clouds)
    planned, sent = remove(clouds, wanted, write=False), len(clouds.writes)
    assert len(clouds.writes) == sent
    assert actions(remove(clouds, wanted)) == actions(planned)
    kept = {one.id.casefold() for one in wanted.resources if one.target != "dev"}
    assert set(clouds.azure.resources) == kept
    assert set(clouds.github.environments) == {"shared", "shared-plan"}
    assert set(actions(remove(clouds, wanted))) == {"same"}
    apply(clouds, wanted)
    assert sorted(map(str, state(clouds))) == sorted(map(str, whole))


def test_destroy_refuses_while_the_environment_is_still_there(clouds: Clouds, wanted: Prerequisites) -> None:
    apply(clouds, wanted)
    group = next(one.id for one in wanted.resources if one.name == "group-dev")
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw".casefold()
    clouds.azure.resources[workspace] = {
        "type": "Microsoft.MachineLearningServices/workspaces",
        "properties": {},
    }
    before = state(clouds)
    with pytest.raises(DeploymentError, match="pulumi destroy --stack dev") as refused:
        remove(clouds, wanted)
    assert "1 Microsoft.MachineLearningServices/workspaces" in str(refused.value.got)
    assert state(clouds) == before


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_destruction_that_was_stopped_is_finished_and_the_lock_is_back(
    clouds: Clouds, small: Prerequisites, done: bool
) -> None:
    apply(clouds, small)
    created = len(clouds.writes)
    remove(clouds, small)
    whole, number = state(clouds), len(clouds.writes) - created
    for point in range(1, number + 1):
        fresh = clouds.another()
        apply(fresh, small, fast=True)
        fresh.fail_at, fresh.done = len(fresh.writes) + point, done
        with pytest.raises(UnreachableError):
            remove(fresh, small, fast=True, retry_total=0)
        fresh.fail_at = 0
        remove(fresh, small, fast=True)
        left = [one for one in small.resources if one.type.endswith("/locks")]
        if not all(one.id.casefold() in fresh.azure.resources for one in left):
            # Stopped between lifting a lock and setting it again: creating is what puts it back.
            apply(fresh, small, fast=True)
            remove(fresh, small, fast=True)
        assert state(fresh) == whole, f"stopped at write {point}"


def test_no_secret_is_sent_anywhere(declaration: Declaration) -> None:
    sent = json.dumps([one.body for one in declaration.prerequisites.resources])
    sent += json.dumps([dict(one.variables) for one in declaration.prerequisites.delivery])
    assert not re.search(
        r"password|connectionstring|accountkey|sharedaccess(signature|key=)|secret\"", sent, re.IGNORECASE
    )


def test_rulesets_are_read_from_the_repository(tmp_path: Path) -> None:
    (tmp_path / "main.json").write_text('{"name": "main", "target": "branch", "rules": []}')
    assert [one["name"] for one in read_rulesets(tmp_path)] == ["main"]
    (tmp_path / "other.json").write_text('{"rules": []}')
    with pytest.raises(Exception, match=r"other\.json"):
        read_rulesets(tmp_path)


@pytest.fixture
def command(
    clouds: Clouds, declaration: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    shutil.copytree(ROOT / "environments", tmp_path / "environments", ignore=shutil.ignore_patterns("locks"))
    azure, github = clouds.clients()
    monkeypatch.setattr("mlops.cli.clouds.open_azure", lambda settings: azure)
    monkeypatch.setattr("mlops.cli.clouds.open_github", lambda repository: github)
    monkeypatch.setattr("mlops.cli.declared.declare", lambda *_, **__: declaration)
    monkeypatch.setattr("mlops.cli.bootstrap.ROOT", tmp_path)
    return lambda *options: run(["bootstrap", *options, "--repository", "Octo-Org/churn"])


def pulumi_file(root: Path, stack: str) -> dict[str, Any]:
    text = (root / f"environments/pulumi/Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["config"])


def test_the_command_shows_then_does_then_finds_nothing_to_do(
    command: Callable[..., int], clouds: Clouds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("dev", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["written"] is False
    assert clouds.writes == []
    assert "mlops-workload:subjectPrefix" not in pulumi_file(tmp_path, "dev")
    assert command("dev", "--apply") == 0
    said = capsys.readouterr()
    assert "next: git switch" in said.out
    assert "+ storageAccounts" in said.err
    assert pulumi_file(tmp_path, "dev") == {
        "mlops-workload:createResourceGroup": False,
        "mlops-workload:subjectPrefix": PREFIX,
    }
    assert command("dev", "--apply", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert set(again["counts"]) == {"same"}
    assert again["files"] == []


def test_destroy_needs_the_name_typed(
    command: Callable[..., int], clouds: Clouds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("dev", "--apply") == 0
    sent = len(clouds.writes)
    assert command("dev", "--destroy") == 0
    assert "--confirm dev" in capsys.readouterr().err
    assert command("dev", "--destroy", "--confirm", "yes") == 2
    assert "nothing was deleted" in capsys.readouterr().err
    assert len(clouds.writes) == sent
    assert command("dev", "--destroy", "--confirm", "dev") == 0
    assert "dev" not in clouds.github.environments
    assert pulumi_file(tmp_path, "dev") == {"mlops-workload:createResourceGroup": True}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("local",), "not in Azure"),
        (("dve",), "write 'dev'"),
        (("dev", "--apply", "--destroy"), "exclude each other"),
        (("dev", "--reviewer", "nobody"), "no reviewer 'nobody'"),
    ],
)
def test_a_mistake_sends_nothing(  # noqa: PLR0917 - fixtures
    command: Callable[..., int], clouds: Clouds, options: tuple[str, ...], words: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if options == ("local",):
        monkeypatch.undo()
        monkeypatch.setattr("mlops.cli.clouds.open_github", lambda repository: clouds.clients()[1])
    assert command(*options) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert clouds.writes == []


def test_nothing_is_guessed_where_github_has_its_own_template(
    command: Callable[..., int], clouds: Clouds, capsys: pytest.CaptureFixture[str]
) -> None:
    clouds.github.customization = {"use_default": False, "include_claim_keys": ["repo"]}
    assert command("dev", "--apply") == 2
    assert "template of its own" in capsys.readouterr().err
    assert clouds.writes == []


def test_an_environment_without_ids_is_told_to_run_init() -> None:
    from mlops.cli.declared import declare

    with pytest.MonkeyPatch.context() as patch:
        from mlops.settings import load

        patch.setattr("mlops.cli.declared.UNSET_ID", load("dev").azure.subscription_id)
        with pytest.raises(UsageError, match="mlops init"):
            declare(ROOT, "dev", subject_prefix=PREFIX)

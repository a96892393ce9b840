"""``mlops doctor`` against Azure and GitHub on the loopback interface: every finding, and never a write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from mlops.cli.application import run
from mlops.cli.declared import Declaration
from mlops.github import github_token, repository_of
from mlops.onboarding.bootstrap import create
from mlops.onboarding.doctor import Check, Findings, Report, Status
from mlops.onboarding.doctor.machine import check_reach
from mlops.settings import load
from tests.mlops.onboarding.conftest import Clouds, Credential

DSV2 = "Standard DSv2 Family Cluster Dedicated vCPUs"
Doctor = Callable[..., dict[str, Any]]


@pytest.fixture
def doctor(
    clouds: Clouds,
    declaration: Declaration,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Doctor]:
    """Examine `dev` (or another environment) and return the report; whatever happens, nothing is written."""
    clouds.azure.quota = {DSV2: (8, 100), "Standard DSv2 Family Cluster Low Priority vCPUs": (0, 1)}
    options: dict[str, Any] = {}
    monkeypatch.setattr("mlops.client.UNSET_ID", "none")
    clients = [clouds.fast_clients]
    monkeypatch.setattr("mlops.cli.clouds.open_azure", lambda _: clients[0](**options)[0])
    monkeypatch.setattr("mlops.cli.clouds.open_github", lambda _: clients[0](**options)[1])
    monkeypatch.setattr("mlops.cli.declared.declare", lambda *_, **__: declaration)
    monkeypatch.setattr("mlops.onboarding.doctor.machine.reach", lambda host: None)
    for name in ("ARM_CLIENT_ID", "ARM_SUBSCRIPTION_ID"):
        monkeypatch.delenv(name, raising=False)
    allowed: list[int] = []

    def examine(environment: str = "dev", *, sockets: bool = False, **pipeline: Any) -> dict[str, Any]:
        options.update(pipeline)
        clients[0] = clouds.clients if sockets else clouds.fast_clients
        before = len(clouds.writes)
        code = run(["doctor", environment, "--repository", "Octo-Org/churn", "--json"])
        allowed.append(len(clouds.writes) - before)
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == (0 if report["healthy"] else 1)
        assert all(one["fix"] for one in report["checks"] if one["status"] != "PASS")
        return report

    yield examine
    assert set(allowed) == {0}


def bootstrapped(clouds: Clouds, declaration: Declaration) -> None:
    azure, github = clouds.fast_clients()
    create(declaration.prerequisites, azure, github, write=True, report=lambda _: None, sleep=lambda _: None)


def finding(report: dict[str, Any], title: str) -> dict[str, Any]:
    found = [one for one in report["checks"] if re.fullmatch(title, one["title"])]
    assert len(found) == 1, (title, [one["title"] for one in report["checks"]])
    return dict(found[0])


def by_status(report: dict[str, Any], status: str) -> set[str]:
    return {one["title"] for one in report["checks"] if one["status"] == status and one["group"] != "tools"}


def test_where_nothing_is_the_remedy_is_bootstrap(doctor: Doctor) -> None:
    report = doctor(sockets=True)
    failed = [one for one in report["checks"] if one["status"] == "FAIL"]
    assert {one["group"] for one in failed} == {"bootstrap", "github"}
    assert {one["fix"] for one in failed} == {"mlops bootstrap dev --apply"}
    assert by_status(report, "UNKNOWN") == set()
    account = load("dev").names.storage_account
    assert finding(report, account) == {
        "group": "names", "title": account, "status": "PASS", "found": "free", "fix": "",
        "runbook": "",
    }  # fmt: skip


def test_where_all_is_there_it_is_healthy(doctor: Doctor, clouds: Clouds, declaration: Declaration) -> None:
    bootstrapped(clouds, declaration)
    report = doctor(sockets=True)
    assert report["healthy"]
    assert by_status(report, "FAIL") | by_status(report, "UNKNOWN") == set()
    assert finding(report, "Azure")["found"] == "ann@contoso.com"
    assert finding(report, "reviews")["found"] == "a pull request waits for 1 approval"
    assert finding(report, "subject of tokens")["found"] == "repo:Octo-Org@1234/churn@5678:environment:…"
    assert finding(report, declaration.prerequisites.resources[1].id.rpartition("/")[2])["found"] == "ours"


def test_a_stack_that_is_not_in_the_store_is_initialised_with_its_key(
    doctor: Doctor, declaration: Declaration
) -> None:
    contract = declaration.contract
    for stack, folder in (("shared", "infra/platform"), ("dev", "infra/workload")):
        check = finding(doctor(), f"stack {stack}")
        assert check["status"] == "WARN"
        assert check["fix"] == (
            f"pulumi login '{contract['backendUrl']}' && pulumi stack init {stack} --cwd {folder} "
            f"--secrets-provider '{contract['secretsProvider']}'"
        )
    assert re.fullmatch(r"azurekeyvault://[\w-]+\.vault\.azure\.net/keys/pulumi", contract["secretsProvider"])


def test_where_half_is_there_it_names_what_is_missing_and_what_differs(
    doctor: Doctor, clouds: Clouds, declaration: Declaration
) -> None:
    bootstrapped(clouds, declaration)
    gone = next(
        at for at in clouds.azure.resources if at.endswith("plan-dev/federatedidentitycredentials/github")
    )
    del clouds.azure.resources[gone]
    kept = gone.replace("plan-dev", "deploy-dev")
    clouds.azure.resources[kept]["properties"]["subject"] = "repo:Octo-Org/churn:environment:dev"
    clouds.github.variables["dev"]["AZURE_CLIENT_ID"] = "another"
    report = doctor(sockets=True)
    assert by_status(report, "FAIL") == {"federated credentials", "GitHub's environments and variables"}
    credentials = finding(report, "federated credentials")["found"]
    assert "1 of 4 missing (plan-dev-github)" in credentials
    assert "differs: deploy-dev-github (properties.subject)" in credentials


def test_who_may_not_look_gets_unknown_and_no_pass(doctor: Doctor, clouds: Clouds) -> None:
    clouds.denied = "^(GET|POST) /"
    report = doctor(sockets=True)
    assert not report["healthy"]
    cloud = [one for one in report["checks"] if one["group"] not in {"tools", "settings", "network", "login"}]
    assert {one["status"] for one in cloud} == {"UNKNOWN"}
    assert all("may not look" in one["found"] or "could not be asked" in one["found"] for one in cloud)


def test_throttling_is_waited_for_and_unknown_when_it_lasts(
    doctor: Doctor, clouds: Clouds, declaration: Declaration
) -> None:
    bootstrapped(clouds, declaration)
    clouds.throttled = {"permissions": 2, "checkPolicyRestrictions": 2, "variables": 2}
    assert doctor()["healthy"]
    clouds.throttled = {"/usages": 1000}
    report = doctor(sockets=True, retry_total=1)
    assert by_status(report, "UNKNOWN") == {f"quota in {load('dev').project.location}"}
    assert "429" in finding(report, "quota in .*")["found"]


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        ([{"actions": ["*/read"], "notActions": []}], "Microsoft.KeyVault/vaults/keys/write"),
        ([{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}], "roleAssignments/write"),
        ([], "Microsoft.Resources/subscriptions/resourceGroups/write"),
    ],
    ids=["reader", "contributor", "eligible, not active"],
)
def test_rights_are_what_the_login_may_do_and_not_what_its_roles_are_called(
    doctor: Doctor, clouds: Clouds, permissions: list[dict[str, Any]], missing: str
) -> None:
    clouds.azure.permissions = permissions
    found = finding(doctor(), f"rights on {load('prod').azure.subscription_id}")
    assert found["status"] == "FAIL"
    assert missing in found["found"]
    assert "Privileged Identity Management" in found["fix"]


def test_two_roles_may_give_together_what_neither_gives_alone(doctor: Doctor, clouds: Clouds) -> None:
    clouds.azure.permissions = [
        {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]},
        {"actions": ["Microsoft.Authorization/*"], "condition": "@Request[...]"},
    ]
    report = doctor()
    where = load("prod").azure.subscription_id
    assert finding(report, f"rights on {where}")["status"] == "PASS"
    assert finding(report, f"grants on {where}")["status"] == "WARN"


def taken_name(clouds: Clouds) -> None:
    clouds.azure.taken = {load("dev").names.container_registry}


def deleted_vault(clouds: Clouds) -> None:
    clouds.azure.deleted_vaults = {load("dev").names.key_vault}


def policy(clouds: Clouds) -> None:
    clouds.azure.forbidden_by_policy = {"Microsoft.Storage/storageAccounts": "no-public-storage"}


def no_quota(clouds: Clouds) -> None:
    clouds.azure.quota = {DSV2: (0, 4)}


def another_family(clouds: Clouds) -> None:
    clouds.azure.quota = {"Standard EDSv2 Family Cluster Dedicated vCPUs": (0, 100)}


def actions_off(clouds: Clouds) -> None:
    clouds.github.actions_enabled = False


def own_template(clouds: Clouds) -> None:
    clouds.github.customization = {"use_default": False, "include_claim_keys": ["repo"]}


def preview_that_waits(clouds: Clouds) -> None:
    rule = {"type": "required_reviewers", "reviewers": [{"type": "User", "reviewer": {"id": 7}}]}
    clouds.github.environments["dev-plan"]["protection_rules"] = [rule]


def other_directory(clouds: Clouds) -> None:
    clouds.azure.tenant = "22222222-2222-3333-4444-555555555555"


def other_region(clouds: Clouds) -> None:
    group = next(
        one for at, one in clouds.azure.resources.items() if at.endswith("-dev") and "/providers/" not in at
    )
    group["location"] = "eastus"


@pytest.mark.parametrize(
    ("spoil", "title", "found", "fix"),
    [
        (taken_name, "crmlops.*|cr.*", "taken", "mlops init --name"),
        (deleted_vault, "kv.*dev.*", "deleted vault keeps it until 2027", "az keyvault recover"),
        (policy, "Storage/storageAccounts", "refused by /assignments/no-public-storage", "exemption"),
        (no_quota, "DSv2 in .*", "cores needed, 4 of 4 left", "ml.azure.com/quota"),
        (another_family, "DSv2 in .*", "no quota", "ml.azure.com/quota"),
        (other_region, "resource groups", "differs: rg-", "mlops init --location THERE"),
        (actions_off, "workflows", "switched off", "settings/actions"),
        (preview_that_waits, "previews", "wait for required_reviewers", "dev-plan, no reviewers"),
        (own_template, "subject of tokens", "template of its own", "use_default=true"),
        (other_directory, "directory", "the subscription trusts 22222222", "mlops init --tenant 22222222"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_stands_in_the_way_fails_with_its_remedy(  # noqa: PLR0917 - fixtures
    doctor: Doctor, clouds: Clouds, declaration: Declaration, spoil: Any, title: str, found: str, fix: str
) -> None:  # fmt: skip
    bootstrapped(clouds, declaration)
    spoil(clouds)
    check = finding(doctor(), title)
    assert check["status"] == "FAIL"
    assert found in check["found"]
    assert fix in check["fix"]


def test_workflows_that_may_open_no_pull_request_are_a_warning(doctor: Doctor, clouds: Clouds) -> None:
    clouds.github.may_request = False
    check = finding(doctor(), "promotions")
    assert check["status"] == "WARN"
    assert "settings/actions" in check["fix"]


def test_a_subscription_that_the_login_does_not_see(doctor: Doctor, clouds: Clouds) -> None:
    clouds.azure.subscriptions = {"another"}
    check = finding(doctor(), "subscription")
    assert check["status"] == "FAIL"
    assert "az login --tenant" in check["fix"]


def test_whoever_is_not_signed_in_is_told_so_once(
    doctor: Doctor, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Credential, *_: str, **__: Any) -> Any:
        raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token.\nAttempted: …")

    monkeypatch.setattr(Credential, "get_token", refuse)
    report = doctor()
    login = finding(report, "Azure")
    assert (login["status"], login["group"]) == ("FAIL", "login")
    assert login["fix"].startswith("az login --tenant ")
    assert "Attempted" not in login["found"]
    assert not [one for one in report["checks"] if one["group"] in {"rights", "names", "quota", "bootstrap"}]


def test_the_wrong_directory_and_variables_that_outrank_the_login(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Credential, "tenant", "33333333-2222-3333-4444-555555555555")
    monkeypatch.setenv("ARM_CLIENT_ID", "somebody")
    report = doctor()
    assert "in the directory 33333333" in finding(report, "Azure")["found"]
    assert finding(report, "variables of the provider")["fix"] == "unset ARM_CLIENT_ID"


def test_production_asks_for_an_approval_that_is_real(
    doctor: Doctor, clouds: Clouds, declaration: Declaration
) -> None:
    clouds.github.environments["prod"] = {"protection_rules": [], "deployment_branch_policy": None}
    report = doctor("prod")
    assert finding(report, "approval")["status"] == "WARN"
    assert "code owners" in finding(report, "approval")["fix"]
    assert finding(report, "branches")["status"] == "FAIL"
    rule = {"type": "required_reviewers", "reviewers": [{"type": "User", "reviewer": {"id": 7}}]}
    clouds.github.environments["prod"]["protection_rules"] = [rule]
    assert finding(doctor("prod"), "approval")["status"] == "PASS"


def test_production_asks_for_a_base_that_does_not_move(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = finding(doctor("prod"), "base of images")
    assert (found["status"], found["found"]) == ("WARN", "a tag, which moves")
    assert "base of images" not in {one["title"] for one in doctor("dev")["checks"]}
    base = f"python@sha256:{'0a' * 32}"
    monkeypatch.setattr("mlops.cli.doctor.load", lambda name: with_base(name, base))
    assert finding(doctor("prod"), "base of images")["status"] == "PASS"


def with_base(name: str, base: str) -> Any:
    settings = load(name)
    return settings.model_copy(update={"images": settings.images.model_copy(update={"base": base})})


def test_without_ids_only_that_is_said(
    doctor: Doctor, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops.client.UNSET_ID", load("dev").azure.subscription_id)
    report = doctor()
    assert finding(report, "ids")["fix"] == "mlops init --subscription ID"
    assert clouds.log == []


def test_identical_findings_share_a_line() -> None:
    same = [Check("names", name, Status.failed, "taken", "mlops init") for name in ("a", "b")]
    other = Check("names", "c", Status.failed, "deleted", "mlops init")
    text = Report("dev", (*same, other, Check("names", "d", Status.passed, "free"))).to_text()
    assert "  FAIL    a, b: taken\n  FAIL    c: deleted\n          → mlops init\n  PASS    d: free" in text
    assert "  more: src/mlops/onboarding/runbooks/names.md" in text
    assert text.endswith("dev: 3 FAIL, 1 PASS")


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {"good.example": "good", "bad.example": "bad"}
    problem = {"bad.example": "timed out"}
    monkeypatch.setattr("mlops.onboarding.doctor.machine.getproxies", dict)
    findings = Findings()
    check_reach(findings, hosts, problem.get)
    assert [(one.title, one.status) for one in findings.checks] == [
        ("good", Status.passed), ("bad", Status.failed),
    ]  # fmt: skip
    monkeypatch.setattr("mlops.onboarding.doctor.machine.getproxies", lambda: {"https": "proxy"})
    check_reach(findings, hosts, problem.get)
    assert findings.checks[-1].status is Status.unknown


def test_the_machine_itself_is_examined_without_a_cloud(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    assert run(["doctor", "local"]) == 0
    text = capsys.readouterr().out
    assert "embedded control plane: down" in text
    assert "Python: 3" in text
    monkeypatch.setattr("mlops.cli.doctor._FREE_GIB", 10**9)
    assert run(["doctor", "local", "--json"]) == 1


@pytest.mark.parametrize(
    ("address", "repository"),
    [
        ("git@github.com:Octo-Org/churn.git", "Octo-Org/churn"),
        ("https://github.com/Octo-Org/churn", "Octo-Org/churn"),
        ("https://x:y@github.com/Octo-Org/churn.git", "Octo-Org/churn"),
        ("ssh://git@github.example.com/Octo-Org/churn.js.git", "Octo-Org/churn.js"),
        ("/srv/git/churn.git", None),
        ("https://x:y@gitlab.com/a/b.git", None),
    ],
)
def test_the_repository_is_read_from_the_remote(
    address: str, repository: str | None, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import subprocess

    from mlops.errors import UsageError

    for arguments in (["init", "--quiet"], ["remote", "add", "origin", address]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    if repository:
        assert repository_of(tmp_path) == repository
    else:
        with pytest.raises(UsageError, match="no remote at GitHub") as refused:
            repository_of(tmp_path)
        assert "secret" not in str(refused.value)


def test_the_token_of_the_environment_comes_first() -> None:
    assert github_token({"GH_TOKEN": "a", "GITHUB_TOKEN": "b"}) == "a"
    assert github_token({"GITHUB_TOKEN": "b", "PATH": ""}) == "b"
    assert github_token({"PATH": "/nowhere"}) is None


def test_the_directory_of_a_subscription_is_asked_without_a_login(clouds: Clouds) -> None:
    from mlops.onboarding.azure import tenant_of
    from tests.mlops.onboarding.azure_stand_in import TENANT

    subscription = load("prod").azure.subscription_id
    options = {"connection_verify": clouds.bundle}
    assert tenant_of(subscription, endpoint=clouds.base, **options) == TENANT
    assert tenant_of(subscription, endpoint="https://127.0.0.1:9") is None

"""Whole stacks: order, contract, tags, monitors of the article, and controls that only rise."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from infra.engine import run
from infra.mlops_infra.billed import alert_counts, private_endpoint_count
from infra.mlops_infra.components.governance import BASELINE
from infra.mlops_infra.monitors import MONITORS, monitors_of
from infra.mlops_infra.tags import TAGGED
from infra.sdk_types import properties_of
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from tests.infra.stacks.conftest import Graph

ENVIRONMENTS = ("dev", "staging", "prod")


def before(graph: Graph, later: dict[str, Any]) -> set[str]:
    """Return the names of everything that must exist before `later`."""
    by_urn = {item["urn"]: item for item in graph.documents}
    found: set[str] = set()
    waiting = list(later["dependencies"])
    while waiting:
        item = by_urn[waiting.pop()]
        if item["name"] not in found:
            found.add(item["name"])
            waiting += item["dependencies"]
    return found


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_identity_then_roles_then_workspace_then_computes_and_endpoints(
    graphs: dict[str, Graph], stack: str
) -> None:
    graph = graphs[stack]
    [workspace] = graph.of("machinelearningservices:Workspace")
    needed = before(graph, workspace)
    roles = {name for name in needed if name.startswith("grant-aml-workspace-")}
    assert len(roles) == 14
    assert {"workspace-identity", "storage", "vault", "images", "insights"} <= needed
    for kind in ("Compute", "OnlineEndpoint", "BatchEndpoint"):
        for item in graph.of(f"machinelearningservices:{kind}"):
            assert roles | {"workspace"} <= before(graph, item)
    for item in graph.of("machinelearningservices:OnlineEndpoint"):
        assert {"grant-serving-pulls", "grant-serving-stores"} <= before(graph, item)


def test_outbound_rules_come_one_by_one_and_before_computes(prod: Graph) -> None:
    rules = prod.of("machinelearningservices:ManagedNetworkSettingsRule")
    counts = sorted(
        len({name for name in before(prod, rule) if name.startswith("outbound-")}) for rule in rules
    )
    assert counts == list(range(len(rules)))
    for cluster in prod.of("machinelearningservices:Compute"):
        assert {rule["name"] for rule in rules} <= before(prod, cluster)


def test_endpoints_into_the_shared_group_are_approved_by_who_may(prod: Graph) -> None:
    [rule] = [
        item
        for item in prod.of("machinelearningservices:ManagedNetworkSettingsRule")
        if item["name"] == "outbound-registry"
    ]
    assert "grant-workspace-approves-registry" in before(prod, rule)
    approval = prod.one("authorization:RoleAssignment", "grant-workspace-approves-registry")
    assert approval["scope"] == rule["inputs"]["properties"]["destination"]["serviceResourceId"]
    for item in prod.of("machinelearningservices:OnlineEndpoint"):
        assert "grant-serving-uses-registry" in before(prod, item)


@pytest.mark.parametrize("stack", ["shared", *ENVIRONMENTS, "bootstrap"])
def test_the_contract_has_ids_and_names_and_no_secret(graphs: dict[str, Graph], stack: str) -> None:
    outputs = graphs[stack].outputs
    assert set(outputs) == {"contract"}
    contract = outputs["contract"]
    assert contract["version"] == 1
    assert contract["environment"] == stack
    text = str(contract)
    for secret in (
        "AccountKey",
        "SharedAccessSignature",
        "InstrumentationKey",
        "password",
        "[secret]",
        "sig=",
    ):
        assert secret not in text
    assert not re.search(r"[A-Za-z0-9+/]{60,}={0,2}'", text), "looks like a key"


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_the_contract_says_what_delivery_deploys_into(graphs: dict[str, Graph], stack: str) -> None:
    contract = graphs[stack].outputs["contract"]
    names = load(stack).names
    assert contract["workspaceName"] == names.workspace
    assert contract["onlineEndpoints"] == {"classical": names.endpoint("classical")}
    assert contract["computes"] == {"cpu": names.compute("cpu"), "monitor": names.compute("monitor")}
    assert contract["logsIngestion"]["endpoint"].endswith(".ingest.monitor.azure.com")
    assert contract["logsIngestion"]["ruleId"].startswith("dcr-")


@pytest.mark.parametrize("stack", ["shared", *ENVIRONMENTS, "bootstrap"])
def test_whatever_takes_tags_has_them(graphs: dict[str, Graph], stack: str) -> None:
    wanted = {"project", "environment", "owner", "managed-by", "criticality"}
    for item in graphs[stack].azure:
        takes = "tags" in properties_of(item["type"])
        assert takes == (item["type"] in TAGGED), item["type"]
        if takes:
            assert wanted <= set(item["inputs"]["tags"]), item["name"]
            assert item["inputs"]["tags"]["environment"] == stack


def test_the_article_has_thirteen_monitors() -> None:
    assert len(MONITORS) == len({item.key for item in MONITORS}) == 13


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_every_monitor_of_the_article_is_in_the_stacks_that_it_names(
    graphs: dict[str, Graph], stack: str
) -> None:
    graph = graphs[stack]
    for monitor in monitors_of(load(stack).profile):
        for kind, start in monitor.resources:
            assert [item for item in graph.of(kind) if item["name"].startswith(start)], (monitor.key, kind)


def test_development_monitors_stay_in_development(graphs: dict[str, Graph]) -> None:
    for name in ("stale", "service-classical"):
        present = [
            stack for stack in ENVIRONMENTS for item in graphs[stack].documents if item["name"] == name
        ]
        assert present == ["dev"]


def controls(graph: Graph) -> set[str]:
    """Return what protects an environment, as facts that can be compared between environments."""
    facts: set[str] = set()
    for item in graph.azure:
        inputs, name = item["inputs"], f"{item['type'].rpartition(':')[2]} {item['name']}"
        properties = inputs.get("properties") or {}
        if (
            inputs.get("publicNetworkAccess") == "Disabled"
            or properties.get("publicNetworkAccess") == "Disabled"
        ):
            facts.add(f"{name} private")
        for flag in ("protect", "retainOnDelete"):
            if item[flag]:
                facts.add(f"{name} {flag}")
        for key in (
            "allowSharedKeyAccess",
            "allowBlobPublicAccess",
            "adminUserEnabled",
            "isLocalUserEnabled",
        ):
            if inputs.get(key) is False:
                facts.add(f"{name} {key} off")
        for key in ("enableRbacAuthorization", "enablePurgeProtection", "disableLocalAuth"):
            if properties.get(key) is True or inputs.get(key) is True:
                facts.add(f"{name} {key}")
        kind = item["type"].rpartition(":")[2]
        if kind in {
            "ManagementLockByScope",
            "DiagnosticSetting",
            "PolicyAssignment",
            "PrivateEndpoint",
            "Budget",
        }:
            facts.add(name)
        if "ZRS" in str((inputs.get("sku") or {}).get("name")):
            facts.add(f"{name} zones")
    return facts


def test_controls_only_rise_on_the_way_to_prod(graphs: dict[str, Graph]) -> None:
    dev, staging, prod = (controls(graphs[name]) for name in ENVIRONMENTS)
    assert dev <= staging, dev - staging
    assert staging <= prod, staging - prod
    assert len(prod) > len(staging) > len(dev)


def test_soft_deletes_and_retentions_only_rise(graphs: dict[str, Graph]) -> None:
    def days(stack: str) -> tuple[int, int]:
        blobs = graphs[stack].one("storage:BlobServiceProperties", "lake-blob-service")
        vault = graphs[stack].one("keyvault:Vault", "vault")["properties"]
        return blobs["deleteRetentionPolicy"]["days"], vault["softDeleteRetentionInDays"]

    dev, staging, prod = map(days, ENVIRONMENTS)
    assert dev <= staging <= prod


def test_private_policies_are_assigned_in_private_environments(graphs: dict[str, Graph]) -> None:
    private = {item.key for item in BASELINE if item.private}
    for stack in ENVIRONMENTS:
        assigned = {item["name"] for item in graphs[stack].of("authorization:PolicyAssignment")}
        assert (private <= assigned) == load(stack).private


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_firing_states_have_a_rule_per_severity_and_owner(graphs: dict[str, Graph], stack: str) -> None:
    rules = {item["name"] for item in graphs[stack].of("monitor:ScheduledQueryRule")}
    owners, project = load(stack).platform.owners, load(stack).project.name
    assert {
        f"firing-{level}-{owner}" for level in ("critical", "warning", "info") for owner in owners
    } <= rules
    for owner in owners:
        inputs = graphs[stack].one("monitor:ScheduledQueryRule", f"firing-critical-{owner}")
        assert inputs["actions"]["actionGroups"][0].endswith(f"ag-{project}-shared-{owner}")
        assert f"Environment == '{stack}'" in inputs["criteria"]["allOf"][0]["query"]


def test_a_stack_of_another_name_is_refused() -> None:
    result = run(ROOT / "infra/workload", "test", operation="preview", python_path=(ROOT, ROOT / "src"))
    assert result.failed
    assert "There is no environment 'test'" in str(result.diagnostics)


@pytest.mark.parametrize("stack", ["shared", *ENVIRONMENTS, "bootstrap"])
def test_no_key_reaches_azure_in_pythons_spelling(graphs: dict[str, Graph], stack: str) -> None:
    """The SDK leaves the keys of a dict as they are when it cannot tell which type of a union it is."""

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*(keys(item) for item in value.values()))
        return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()

    for item in graphs[stack].azure:
        snake = {key for key in keys(item["inputs"]) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", key)}
        assert not snake, (item["name"], snake)


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_what_is_billed_by_the_piece_is_what_is_declared(graphs: dict[str, Graph], stack: str) -> None:
    graph, environment = graphs[stack], load(stack)
    metrics, logs = alert_counts(environment)
    assert len(graph.of("monitor:MetricAlert")) == metrics
    frequencies = Counter(
        item["inputs"]["evaluationFrequency"] for item in graph.of("monitor:ScheduledQueryRule")
    )
    assert frequencies == logs
    rules = graph.of("machinelearningservices:ManagedNetworkSettingsRule")
    inside = [item for item in rules if item["inputs"]["properties"]["type"] == "PrivateEndpoint"]
    # Azure adds four rules for the workspace's own stores.
    own = len(graph.of("network:PrivateEndpoint")) + len(inside)
    assert private_endpoint_count(environment) == (own + 4 if environment.private else 0)

"""The production checks: what prod's whole graph must hold, service by service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.mlops_infra.metrics import LOGS, METRICS
from infra.mlops_infra.roles import ROLES
from mlops.settings import load

if TYPE_CHECKING:
    from tests.infra.stacks.conftest import Graph

STORES = ("storage", "lake")


def test_the_workspace_is_private_and_uses_its_identity(prod: Graph) -> None:
    workspace = prod.one("machinelearningservices:Workspace", "workspace")
    assert workspace["publicNetworkAccess"] == "Disabled"
    assert workspace["allowPublicAccessWhenBehindVnet"] is False
    assert workspace["identity"]["type"] == "UserAssigned"
    assert workspace["primaryUserAssignedIdentity"] in workspace["identity"]["userAssignedIdentities"]
    assert workspace["systemDatastoresAuthMode"] == "Identity"
    assert workspace["v1LegacyMode"] is False
    assert workspace["imageBuildCompute"] == "cpu-cluster"


def test_the_managed_network_lets_out_what_is_approved(prod: Graph) -> None:
    workspace = prod.one("machinelearningservices:Workspace", "workspace")
    assert workspace["managedNetwork"]["isolationMode"] == "AllowOnlyApprovedOutbound"
    assert "outboundRules" not in workspace["managedNetwork"], "rules are resources: never both"
    assert workspace["provisionNetworkNow"] is True
    found = prod.of("machinelearningservices:ManagedNetworkSettingsRule")
    rules = [item["inputs"]["properties"] for item in found]
    assert {rule["type"] for rule in rules} == {"PrivateEndpoint"}, "no host on the internet"
    targets = [rule["destination"]["subresourceTarget"] for rule in rules]
    assert sorted(targets) == ["amlregistry", "blob", "dfs"]


def test_datastores_hold_no_credentials(prod: Graph) -> None:
    stores = [item["inputs"]["properties"] for item in prod.of("machinelearningservices:Datastore")]
    assert len(stores) == 6
    assert all(store["credentials"] == {"credentialsType": "None"} for store in stores)
    assert {store["serviceDataAccessAuthIdentity"] for store in stores} == {"WorkspaceUserAssignedIdentity"}


def test_clusters_scale_to_zero_without_ssh_or_public_addresses(prod: Graph) -> None:
    clusters = [item["inputs"] for item in prod.of("machinelearningservices:Compute")]
    assert {cluster["computeName"] for cluster in clusters} == {"cpu-cluster", "monitor-cluster"}
    for cluster in clusters:
        assert cluster["properties"]["disableLocalAuth"] is True
        nodes = cluster["properties"]["properties"]
        assert nodes["scaleSettings"]["minNodeCount"] == 0
        assert nodes["remoteLoginPortPublicAccess"] == "Disabled"
        assert nodes["enableNodePublicIp"] is False
        assert nodes["vmPriority"] == "Dedicated"
        assert cluster["identity"]["type"] == "UserAssigned"


def test_endpoints_are_private_and_take_tokens_alone(prod: Graph) -> None:
    online = prod.one("machinelearningservices:OnlineEndpoint", "classical-online")["properties"]
    assert (online["authMode"], online["publicNetworkAccess"]) == ("AADToken", "Disabled")
    assert "traffic" not in online
    batch = prod.one("machinelearningservices:BatchEndpoint", "classical-batch")["properties"]
    assert batch["authMode"] == "AADToken"
    assert not prod.of("machinelearningservices:OnlineDeployment"), "deployments are continuous delivery's"
    [shell] = prod.of("machinelearningservices:OnlineEndpoint")
    assert shell["ignoreChanges"] == ["properties.traffic", "properties.mirrorTraffic"]


@pytest.mark.parametrize("name", STORES)
def test_storage_has_no_keys_and_no_public_way_in(prod: Graph, name: str) -> None:
    account = prod.one("storage:StorageAccount", name)
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["enableHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert account["publicNetworkAccess"] == "Disabled"
    assert account["networkRuleSet"] == {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": []}
    assert account["allowCrossTenantReplication"] is False
    assert account["isLocalUserEnabled"] is False
    assert account["isSftpEnabled"] is False
    assert account["encryption"]["requireInfrastructureEncryption"] is True
    assert account["sku"]["name"] in {"Standard_ZRS", "Standard_GZRS"}


@pytest.mark.parametrize("name", STORES)
def test_what_is_deleted_can_be_brought_back_for_a_month(prod: Graph, name: str) -> None:
    service = prod.one("storage:BlobServiceProperties", f"{name}-blob-service")
    for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        assert service[policy]["enabled"] is True
        assert service[policy]["days"] >= 30
    rules = prod.one("storage:ManagementPolicy", f"{name}-lifecycle")["policy"]["rules"]
    assert all(rule["enabled"] for rule in rules)


def test_collected_data_is_deleted_and_only_that(prod: Graph) -> None:
    rules = prod.one("storage:ManagementPolicy", "lake-lifecycle")["policy"]["rules"]
    deleting = [rule for rule in rules if "delete" in rule["definition"]["actions"]["baseBlob"]]
    assert [rule["definition"]["filters"]["prefixMatch"] for rule in deleting] == [["inference/"]]


def test_the_default_store_is_flat_and_the_lake_is_not(prod: Graph) -> None:
    assert prod.one("storage:StorageAccount", "storage")["isHnsEnabled"] is False
    assert prod.one("storage:StorageAccount", "lake")["isHnsEnabled"] is True
    assert all(item["inputs"]["publicAccess"] == "None" for item in prod.of("storage:BlobContainer"))


def test_the_vault_uses_roles_and_cannot_be_purged(prod: Graph) -> None:
    vault = prod.one("keyvault:Vault", "vault")["properties"]
    assert vault["enableRbacAuthorization"] is True
    assert vault["enableSoftDelete"] is True
    assert vault["enablePurgeProtection"] is True
    assert vault["softDeleteRetentionInDays"] == 90
    assert vault["publicNetworkAccess"] == "Disabled"
    assert vault["networkAcls"]["defaultAction"] == "Deny"
    assert not any(
        vault[f"enabledFor{what}"] for what in ("Deployment", "DiskEncryption", "TemplateDeployment")
    )


def test_the_registry_has_no_admin_and_is_private(prod: Graph) -> None:
    registry = prod.one("containerregistry:Registry", "images")
    assert registry["sku"] == {"name": "Premium"}
    assert registry["adminUserEnabled"] is False
    assert registry["anonymousPullEnabled"] is False
    assert registry["publicNetworkAccess"] == "Disabled"
    assert registry["zoneRedundancy"] == "Enabled"
    assert registry["dataEndpointEnabled"] is True
    assert registry["policies"]["retentionPolicy"]["status"] == "enabled"
    assert registry["policies"]["exportPolicy"]["status"] == "disabled"


def test_application_insights_lies_in_the_log_workspace(prod: Graph) -> None:
    insights = prod.one("applicationinsights:Component", "insights")
    assert insights["workspaceResourceId"].endswith(f"/workspaces/log-{load('prod').project.name}-shared")
    assert insights["ingestionMode"] == "LogAnalytics"
    assert insights["disableLocalAuth"] is True
    assert insights["retentionInDays"] >= 90


def test_logs_are_kept_and_read_with_tokens(graphs: dict[str, Graph]) -> None:
    logs = graphs["shared"].one("operationalinsights:Workspace", "logs")
    assert logs["retentionInDays"] >= 90
    assert logs["features"]["disableLocalAuth"] is True
    tables = graphs["shared"].of("operationalinsights:Table")
    assert len(tables) == 3
    for table in tables:
        schema = table["inputs"]["schema"]
        assert schema["name"].endswith("_CL")
        assert {"name": "TimeGenerated", "type": "dateTime"} in schema["columns"]


def test_every_service_sends_its_logs_by_their_official_names(prod: Graph) -> None:
    settings = {item["name"]: item["inputs"] for item in prod.of("monitor:DiagnosticSetting")}
    assert set(settings) == {
        "classical-online",
        "images",
        "lake-blobs",
        "storage-blobs",
        "vault",
        "workspace",
    }
    known = {category for categories in LOGS.values() for category in categories}
    for inputs in settings.values():
        assert {log["category"] for log in inputs["logs"]} <= known
        assert all(log["enabled"] for log in inputs["logs"])
        assert inputs["metrics"] == [{"category": "AllMetrics", "enabled": True}]


def test_metric_alerts_use_official_metrics_and_call_somebody(prod: Graph) -> None:
    alerts = prod.of("monitor:MetricAlert")
    assert len(alerts) >= 6
    for alert in alerts:
        inputs = alert["inputs"]
        assert inputs["actions"], alert["name"]
        assert inputs["location"] == "Global"
        [criterion] = inputs["criteria"]["allOf"]
        dimensions = METRICS[criterion["metricNamespace"]][criterion["metricName"]]
        assert {item["name"] for item in criterion["dimensions"]} <= set(dimensions)


def test_log_alerts_look_back_two_days_at_most_and_call_somebody(prod: Graph) -> None:
    hours = {"PT5M": 0, "PT1H": 1, "PT6H": 6, "P2D": 48}
    for rule in prod.of("monitor:ScheduledQueryRule"):
        inputs = rule["inputs"]
        assert inputs["actions"]["actionGroups"], rule["name"]
        assert hours[inputs["windowSize"]] <= 48
        assert hours[inputs["evaluationFrequency"]] <= 12, "Azure resolves nothing by itself above it"
        assert inputs["autoMitigate"] is True
        assert len(inputs["criteria"]["allOf"][0]["dimensions"]) <= 6


def test_autoscale_is_on_and_goes_both_ways_on_the_deployment(prod: Graph) -> None:
    settings = [item["inputs"] for item in prod.of("monitor:AutoscaleSetting")]
    assert {inputs["targetResourceUri"].rpartition("/")[2] for inputs in settings} == {"blue", "green"}
    for inputs in settings:
        assert inputs["enabled"] is True
        [profile] = inputs["profiles"]
        assert {rule["scaleAction"]["direction"] for rule in profile["rules"]} == {"Increase", "Decrease"}
        assert profile["capacity"]["minimum"] == "3"
        for rule in profile["rules"]:
            trigger = rule["metricTrigger"]
            assert "/deployments/" in trigger["metricResourceUri"]
            assert trigger["metricNamespace"].endswith("/deployments")


def test_private_endpoints_cover_every_service_with_dns(prod: Graph) -> None:
    endpoints = prod.of("network:PrivateEndpoint")
    groups = {item["inputs"]["privateLinkServiceConnections"][0]["groupIds"][0] for item in endpoints}
    assert groups == {"amlworkspace", "blob", "file", "queue", "table", "dfs", "vault", "registry"}
    assert len(prod.of("network:PrivateDnsZoneGroup")) == len(endpoints)
    assert len(prod.of("privatedns:VirtualNetworkLink")) == 9
    assert all(
        item["inputs"]["registrationEnabled"] is False for item in prod.of("privatedns:VirtualNetworkLink")
    )


def test_subnets_have_rules_and_no_way_out_by_default(prod: Graph) -> None:
    network = prod.one("network:VirtualNetwork", "network")
    for subnet in network["subnets"]:
        assert subnet["networkSecurityGroup"]["id"]
        assert subnet["defaultOutboundAccess"] is False
        assert subnet["privateEndpointNetworkPolicies"] == "Enabled"
    assert not prod.of("network:Subnet"), "inline subnets and subnet resources fight"
    for group in prod.of("network:NetworkSecurityGroup"):
        inbound = [rule for rule in group["inputs"]["securityRules"] if rule["direction"] == "Inbound"]
        assert all(rule["access"] == "Deny" for rule in inbound if rule.get("sourceAddressPrefix") == "*")
        assert any(rule["access"] == "Deny" and rule["priority"] == 4096 for rule in inbound)


def test_roles_are_built_in_and_none_is_owner(graphs: dict[str, Graph]) -> None:
    for graph in graphs.values():
        for item in graph.of("authorization:RoleAssignment"):
            inputs = item["inputs"]
            role = inputs["roleDefinitionId"].rpartition("/")[2]
            assert role in set(ROLES.values())
            assert inputs["principalType"] in {"Group", "ServicePrincipal"}
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", inputs["roleAssignmentName"])
            if role == ROLES["Role Based Access Control Administrator"]:
                assert inputs["conditionVersion"] == "2.0"
                assert "roleAssignments/write" in inputs["condition"]


def test_locks_hold_what_holds_data_and_let_rollouts_delete(prod: Graph) -> None:
    locked = {
        item["inputs"]["scope"].rpartition("/")[2] for item in prod.of("authorization:ManagementLockByScope")
    }
    names = {prod.one(kind, name)[key] for kind, name, key in (
        ("storage:StorageAccount", "storage", "accountName"),
        ("storage:StorageAccount", "lake", "accountName"),
        ("keyvault:Vault", "vault", "vaultName"),
        ("containerregistry:Registry", "images", "registryName"),
    )}  # fmt: skip
    assert locked == names


def test_the_budget_warns_of_what_is_forecast(prod: Graph) -> None:
    budget = prod.one("consumption:Budget", "budget")
    kinds = {item["thresholdType"] for item in budget["notifications"].values()}
    assert kinds == {"Actual", "Forecasted"}
    assert len(budget["notifications"]) <= 5
    assert budget["timePeriod"]["startDate"].endswith("-01T00:00:00Z")


def test_policies_refuse_in_prod(prod: Graph) -> None:
    effects = {
        item["inputs"]["parameters"]["effect"]["value"]
        for item in prod.of("authorization:PolicyAssignment")
        if "effect" in item["inputs"]["parameters"]
    }
    assert effects == {"Deny"}
    assert all(
        item["inputs"]["enforcementMode"] == "Default" for item in prod.of("authorization:PolicyAssignment")
    )


def test_what_holds_data_is_protected_and_kept(prod: Graph) -> None:
    for kind in (
        "storage:StorageAccount", "storage:BlobContainer", "keyvault:Vault", "containerregistry:Registry",
        "machinelearningservices:Workspace",
    ):  # fmt: skip
        for item in prod.of(kind):
            assert item["protect"] is True, item["name"]
            assert item["retainOnDelete"] is True, item["name"]


def test_subjects_are_githubs_own_and_name_an_environment(graphs: dict[str, Graph]) -> None:
    credentials = [
        item["inputs"] for item in graphs["bootstrap"].of("managedidentity:FederatedIdentityCredential")
    ]
    subjects = {inputs["subject"] for inputs in credentials}
    environments = {
        f"{name}{suffix}" for name in ("shared", "dev", "staging", "prod") for suffix in ("", "-plan")
    }
    assert subjects == {f"repo:octo-org@123456/octo-repo@456789:environment:{name}" for name in environments}
    for inputs in credentials:
        assert inputs["issuer"] == "https://token.actions.githubusercontent.com"
        assert inputs["audiences"] == ["api://AzureADTokenExchange"]


def test_environments_hand_out_two_roles_in_the_shared_group(graphs: dict[str, Graph]) -> None:
    bootstrap = graphs["bootstrap"]
    for name in ("dev", "staging", "prod"):
        key = f"grant-deploy-{name}-shared-role-based-access-control-administrator"
        condition = bootstrap.one("authorization:RoleAssignment", key)["condition"]
        allowed = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", condition))
        wanted = {"AzureML Registry User", "Azure AI Enterprise Network Connection Approver"}
        assert allowed == {ROLES[role] for role in wanted}
        assert "'ServicePrincipal', 'Group'" in condition


def test_who_only_plans_can_change_nothing(graphs: dict[str, Graph]) -> None:
    allowed = {ROLES[name] for name in ("Reader", "Storage Blob Data Reader", "Key Vault Crypto User")}
    plans: list[dict[str, Any]] = [
        item["inputs"]
        for item in graphs["bootstrap"].of("authorization:RoleAssignment")
        if item["name"].startswith("grant-plan-")
    ]
    assert len(plans) >= 12
    assert {inputs["roleDefinitionId"].rpartition("/")[2] for inputs in plans} == allowed

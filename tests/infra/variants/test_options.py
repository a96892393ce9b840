"""What the settings can ask for beyond what the three environments do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.mlops_infra.tags import TAGGED
from infra.sdk_types import check_resources, properties_of
from tests.infra.variants.conftest import PLATFORM

if TYPE_CHECKING:
    from infra.engine import ResourceState
    from tests.infra.variants.conftest import Declare

HUB = "/subscriptions/s/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
BYO: dict[str, Any] = {
    "network": {
        "profile": "byo",
        "address_space": "10.80.0.0/22",
        "subnets": {
            "private_endpoints": "10.80.0.0/24",
            "runners": "10.80.1.0/24",
            "training": "10.80.2.0/24",
        },
        "hub": {"virtual_network_id": HUB, "address_spaces": ["10.0.0.0/16"]},
    },
    "images": {"sku": "Premium"},
}


def of(graph: dict[str, ResourceState], kind: str) -> dict[str, Any]:
    return {item.name: item.inputs for key, item in graph.items() if key.startswith(f"{kind}::")}


def test_byo_puts_computes_into_the_training_subnet(declare: Declare) -> None:
    graph = declare("dev", replace=BYO)
    for inputs in of(graph, "machinelearningservices:Compute").values():
        nodes = inputs["properties"]["properties"]
        assert nodes["subnet"]["id"].endswith("/subnets/training")
        assert nodes["enableNodePublicIp"] is False
    workspace = of(graph, "machinelearningservices:Workspace")["workspace"]
    assert workspace["managedNetwork"] == {"isolationMode": "Disabled"}
    assert workspace["serverlessComputeSettings"]["serverlessComputeNoPublicIP"] is True
    assert not of(graph, "machinelearningservices:ManagedNetworkSettingsRule")


def test_byo_is_peered_with_the_hub_and_lets_it_in(declare: Declare) -> None:
    graph = declare("dev", replace=BYO)
    [peering] = of(graph, "network:VirtualNetworkPeering").values()
    assert peering["remoteVirtualNetwork"] == {"id": HUB}
    rules = of(graph, "network:NetworkSecurityGroup")
    [allow] = [
        rule for rule in rules["rules-private-endpoints"]["securityRules"] if rule["access"] == "Allow"
    ]
    assert allow["sourceAddressPrefixes"] == ["10.80.0.0/22", "10.0.0.0/16"]
    assert [rule["access"] for rule in rules["rules-training"]["securityRules"]] == ["Deny"]


def test_public_has_no_network_and_closes_to_a_list_of_addresses(declare: Declare) -> None:
    graph = declare("dev", {"network": {"allowed_ip_ranges": ["203.0.113.7/32"]}})
    assert not of(graph, "network:VirtualNetwork")
    rules = of(graph, "storage:StorageAccount")["lake"]["networkRuleSet"]
    assert rules["defaultAction"] == "Deny"
    assert rules["ipRules"] == [{"iPAddressOrRange": "203.0.113.7", "action": "Allow"}]
    assert of(graph, "keyvault:Vault")["vault"]["properties"]["networkAcls"]["defaultAction"] == "Deny"


def in_subnets(graph: dict[str, ResourceState], key: str) -> set[str]:
    [network] = of(graph, "network:VirtualNetwork").values()
    return {subnet["name"] for subnet in network["subnets"] if key in subnet}


def test_nothing_reaches_the_internet_unless_the_settings_say_how(declare: Declare) -> None:
    graph = declare("prod")
    assert in_subnets(graph, "natGateway") == in_subnets(graph, "routeTable") == set()
    assert not of(graph, "network:PublicIPAddress")


def test_runners_call_from_an_address_of_their_own(declare: Declare) -> None:
    graph = declare("prod", {"network": {"egress": "nat_gateway"}})
    assert in_subnets(graph, "natGateway") == {"runners"}
    [address] = of(graph, "network:PublicIPAddress").values()
    assert address["publicIPAllocationMethod"] == "Static"
    assert of(graph, "network:NatGateway")["egress"]["sku"] == {"name": "Standard"}


def test_computes_and_runners_call_through_the_hubs_firewall(declare: Declare) -> None:
    hub = {**BYO["network"]["hub"], "firewall_address": "10.0.0.4"}
    network = {**BYO["network"], "egress": "hub", "hub": hub}
    graph = declare("dev", replace={**BYO, "network": network})
    assert in_subnets(graph, "routeTable") == {"runners", "training"}
    [route] = of(graph, "network:RouteTable")["egress"]["routes"]
    assert (route["addressPrefix"], route["nextHopType"]) == ("0.0.0.0/0", "VirtualAppliance")
    assert route["nextHopIpAddress"] == "10.0.0.4"


CUSTOMER_KEY = {"encryption": {"keys": "customer"}}


def test_a_key_of_ones_own_encrypts_storage_and_workspace(declare: Declare) -> None:
    graph = declare("prod", CUSTOMER_KEY)
    assert graph["keyvault:Key::data-key"].protect
    [key] = of(graph, "keyvault:Key").values()
    assert key["properties"]["rotationPolicy"]["lifetimeActions"]
    assert "expires" not in str(key), "an expired key is lost data"
    for account in of(graph, "storage:StorageAccount").values():
        encryption = account["encryption"]
        assert encryption["keySource"] == "Microsoft.Keyvault"
        assert encryption["requireInfrastructureEncryption"] is True
        assert set(encryption["keyVaultProperties"]) == {"keyName", "keyVaultUri"}, "follows rotations"
        [used] = account["identity"]["userAssignedIdentities"]
        assert encryption["encryptionIdentity"] == {"encryptionUserAssignedIdentity": used}
    workspace = of(graph, "machinelearningservices:Workspace")["workspace"]
    assert workspace["encryption"]["status"] == "Enabled"
    assert workspace["enableServiceSideCMKEncryption"] is True
    assigned = workspace["identity"]["userAssignedIdentities"]
    used = workspace["encryption"]["identity"]["userAssignedIdentity"]
    assert set(assigned) == {used, workspace["primaryUserAssignedIdentity"]}
    assert len(assigned) == 2
    assert "grant-encryption-uses-key" in of(graph, "authorization:RoleAssignment")


def test_by_default_azure_keeps_the_keys(declare: Declare) -> None:
    graph = declare("prod")
    assert not of(graph, "keyvault:Key")
    for account in of(graph, "storage:StorageAccount").values():
        assert account["encryption"]["keySource"] == "Microsoft.Storage"
    assert "encryption" not in of(graph, "machinelearningservices:Workspace")["workspace"]


SCOPED = {"platform": {"private_link_scope": True}}
AZURE_MONITOR = {
    "privatelink.monitor.azure.com",
    "privatelink.oms.opinsights.azure.com",
    "privatelink.ods.opinsights.azure.com",
    "privatelink.agentsvc.azure-automation.net",
}


def test_one_scope_takes_logs_from_inside_alone(declare: Declare) -> None:
    graph = declare("shared", SCOPED)
    [scope] = of(graph, "monitor:PrivateLinkScope").values()
    assert scope["accessModeSettings"] == {"ingestionAccessMode": "PrivateOnly", "queryAccessMode": "Open"}
    [logs] = of(graph, "operationalinsights:Workspace").values()
    assert logs["publicNetworkAccessForIngestion"] == "Disabled"
    zones = {zone["privateZoneName"] for zone in of(graph, "privatedns:PrivateZone").values()}
    assert zones >= AZURE_MONITOR
    assert len(zones) == 13


def test_a_private_environment_joins_the_scope(declare: Declare) -> None:
    graph = declare("staging", base=SCOPED)
    joined = of(graph, "monitor:PrivateLinkScopedResource").values()
    assert {item["name"] for item in joined} == {"staging-insights", "staging-ingestion"}
    assert {item["scopeName"] for item in joined} == {"pls-mlops-shared"}
    assert {item["resourceGroupName"] for item in joined} == {"rg-mlops-shared"}
    [insights] = of(graph, "applicationinsights:Component").values()
    assert insights["publicNetworkAccessForIngestion"] == "Disabled"
    [ingestion] = of(graph, "monitor:DataCollectionEndpoint").values()
    assert ingestion["networkAcls"] == {"publicNetworkAccess": "Disabled"}
    endpoint = of(graph, "network:PrivateEndpoint")["monitor-azuremonitor"]
    assert endpoint["privateLinkServiceConnections"][0]["groupIds"] == ["azuremonitor"]
    dns = of(graph, "network:PrivateDnsZoneGroup")["monitor-azuremonitor"]
    assert len(dns["privateDnsZoneConfigs"]) == 5
    assert set(of(graph, "privatedns:VirtualNetworkLink")) >= AZURE_MONITOR
    # Computes and deployments are in Azure's network, which needs an endpoint of its own.
    assert "outbound-monitor" in of(graph, "machinelearningservices:ManagedNetworkSettingsRule")


def test_a_closed_registry_has_an_endpoint_in_each_private_network(declare: Declare) -> None:
    closed = {"platform": {"registry_public_network_access": "disabled"}}
    [registry] = of(declare("shared", closed), "machinelearningservices:Registry").values()
    assert registry["publicNetworkAccess"] == "Disabled"
    endpoint = of(declare("staging", base=closed), "network:PrivateEndpoint")["registry-amlregistry"]
    [connection] = endpoint["privateLinkServiceConnections"]
    assert connection["privateLinkServiceId"] == PLATFORM["registryId"]


def test_a_public_environment_stays_outside_the_scope(declare: Declare) -> None:
    graph = declare("dev", base=SCOPED)
    assert not of(graph, "monitor:PrivateLinkScopedResource")
    [ingestion] = of(graph, "monitor:DataCollectionEndpoint").values()
    assert ingestion["networkAcls"] == {"publicNetworkAccess": "Enabled"}


@pytest.mark.parametrize(
    "question",
    [
        ("prod", CUSTOMER_KEY),
        ("prod", {"network": {"egress": "nat_gateway"}}),
        ("shared", SCOPED),
        ("shared", {"platform": {"grafana": True}}),
        ("dev", {"retraining": {"trigger": "event_grid"}}),
        ("dev", {"workspace": {"kind": "feature_store", "spark_version": "3.4"}}),
    ],
    ids=str,
)
def test_options_fit_the_sdk_and_their_resources_are_tagged(
    declare: Declare, question: tuple[str, dict[str, Any]]
) -> None:
    graph = declare(*question)
    assert check_resources(graph.values()) == []
    for item in graph.values():
        assert ("tags" in properties_of(item.type)) == (item.type in TAGGED), item.type


def test_a_feature_store_says_its_spark(declare: Declare) -> None:
    graph = declare("dev", {"workspace": {"kind": "feature_store", "spark_version": "3.4"}})
    workspace = of(graph, "machinelearningservices:Workspace")["workspace"]
    assert workspace["kind"] == "FeatureStore"
    assert workspace["featureStoreSettings"] == {"computeRuntime": {"sparkRuntimeVersion": "3.4"}}


def test_a_hub_has_no_computes_or_endpoints_of_its_own(declare: Declare) -> None:
    graph = declare("dev", {"workspace": {"kind": "hub"}})
    assert of(graph, "machinelearningservices:Workspace")["workspace"]["kind"] == "Hub"
    assert not of(graph, "machinelearningservices:Compute")
    assert not of(graph, "machinelearningservices:OnlineEndpoint")


def test_a_project_takes_its_stores_from_its_hub(declare: Declare) -> None:
    hub = "/subscriptions/s/resourceGroups/hub/providers/Microsoft.MachineLearningServices/workspaces/hub"
    graph = declare("dev", {"workspace": {"kind": "project", "hub_id": hub}})
    workspace = of(graph, "machinelearningservices:Workspace")["workspace"]
    assert workspace["hubResourceId"] == hub
    assert not {"storageAccount", "keyVault", "managedNetwork"} & set(workspace)


def test_a_gpu_pool_is_one_more_key(declare: Declare) -> None:
    gpu = {"size": "Standard_NC4as_T4_v3", "max_instances": 1, "priority": "low_priority"}
    nodes = of(declare("dev", {"compute": {"gpu": gpu}}), "machinelearningservices:Compute")["gpu"]
    assert nodes["computeName"] == "gpu-cluster"
    assert nodes["properties"]["properties"]["vmPriority"] == "LowPriority"


def test_events_reach_a_queue_with_an_identity(declare: Declare) -> None:
    graph = declare("dev", {"retraining": {"trigger": "event_grid"}})
    [topic] = of(graph, "eventgrid:SystemTopic").values()
    assert topic["topicType"] == "Microsoft.MachineLearningServices.Workspaces"
    [subscription] = of(graph, "eventgrid:SystemTopicEventSubscription").values()
    assert subscription["deliveryWithResourceIdentity"]["identity"] == {"type": "SystemAssigned"}
    assert "grant-events-send" in of(graph, "authorization:RoleAssignment")


def test_by_default_nothing_in_azure_calls_github(declare: Declare) -> None:
    graph = declare("dev")
    assert not of(graph, "eventgrid:SystemTopic")
    assert "grant-retraining-reads-alerts" in of(graph, "authorization:RoleAssignment")


def test_grafana_reads_and_has_no_keys(declare: Declare) -> None:
    graph = declare("shared", {"platform": {"grafana": True}})
    [grafana] = of(graph, "dashboard:Grafana").values()
    assert grafana["properties"]["apiKey"] == "Disabled"
    assert len(grafana["workspaceName"]) <= 23


def test_a_landing_zones_own_zones_are_left_alone(declare: Declare) -> None:
    edit = {"platform": {"private_dns_zones": False}}
    assert not of(declare("shared", edit), "privatedns:PrivateZone")


# What is set once bootstrap has run.
BOOTSTRAPPED = {
    "mlops-workload:createResourceGroup": "false",
    "mlops-workload:subjectPrefix": "repo:octo-org@1/octo-repo@2",
}


def test_the_group_is_made_here_or_by_bootstrap(declare: Declare) -> None:
    assert of(declare("dev"), "resources:ResourceGroup")
    assert not of(declare("dev", config=BOOTSTRAPPED), "resources:ResourceGroup")


def test_the_monitors_workflow_can_sign_in_once_github_has_been_read(declare: Declare) -> None:
    assert not of(declare("dev"), "managedidentity:FederatedIdentityCredential")
    graph = declare("dev", config=BOOTSTRAPPED)
    [credential] = of(graph, "managedidentity:FederatedIdentityCredential").values()
    assert credential["subject"] == "repo:octo-org@1/octo-repo@2:environment:dev"


def test_a_group_of_people_gets_its_row_with_the_condition(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.mlops_infra import access

    group = "11111111-2222-3333-4444-555555555555"
    original = access.load_access

    def with_group(root: Any) -> access.AccessMatrix:
        matrix = original(root)
        analyst = matrix.personas["data_analyst"]
        principal = access.Principal(group=group)
        row = analyst.model_copy(update={"principal": principal})
        return matrix.model_copy(update={"personas": {**matrix.personas, "data_analyst": row}})

    monkeypatch.setattr("infra.workload.program.load_access", with_group)
    # A question of its own: the answer to `declare("dev")` knows no group.
    graph = declare("dev", config={"mlops-workload:platformStack": "organization/mlops-platform/shared"})
    grants = {
        name: inputs
        for name, inputs in of(graph, "authorization:RoleAssignment").items()
        if name.startswith("grant-data-analyst-")
    }
    assert len(grants) == 7
    assert all(inputs["principalId"] == group for inputs in grants.values())
    assert all(inputs["principalType"] == "Group" for inputs in grants.values())
    assert "curated" in grants["grant-data-analyst-lake-storage-blob-data-contributor"]["condition"]

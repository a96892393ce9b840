"""Options that close an environment further: ways out, keys, private links to what is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.infra.variants.conftest import BYO, CUSTOMER_KEY, PLATFORM, SCOPED, of

if TYPE_CHECKING:
    from infra.engine import ResourceState
    from tests.infra.variants.conftest import Declare


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

"""What the settings can ask for beyond what the three environments do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.mlops_infra.tags import TAGGED
from infra.sdk_types import check_resources, properties_of
from tests.infra.variants.conftest import BYO, CUSTOMER_KEY, HUB, SCOPED, of

if TYPE_CHECKING:
    from tests.infra.variants.conftest import Declare

HOSTS = {"network": {"approved_fqdns": ["data.example.com", "*.data.example.com"]}}


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


def test_a_managed_network_lets_out_to_the_hosts_that_are_named(declare: Declare) -> None:
    kind = "machinelearningservices:ManagedNetworkSettingsRule"
    plain, graph = of(declare("prod"), kind), of(declare("prod", HOSTS), kind)
    added = [graph[name] for name in graph if name not in plain]
    assert [rule["properties"] for rule in added] == [
        {"type": "FQDN", "category": "UserDefined", "destination": host}
        for host in HOSTS["network"]["approved_fqdns"]
    ]
    names = {rule["ruleName"] for rule in added}
    assert len(names) == 2, "a host and all below it are two rules"
    assert all(name.startswith("fqdn-data-example-com-") for name in names)


@pytest.mark.parametrize(
    "question",
    [
        ("prod", CUSTOMER_KEY),
        ("prod", {"network": {"egress": "nat_gateway"}}),
        ("prod", HOSTS),
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

"""Inputs against the SDK's types, and resources as templates have them."""

from __future__ import annotations

from typing import Any

import pytest

from infra.arm import to_body, to_template
from infra.engine import UNKNOWN, ResourceState, Secret
from infra.sdk_types import check_inputs, check_resources

ACCOUNT: dict[str, Any] = {
    "resourceGroupName": "rg",
    "accountName": "st",
    "kind": "StorageV2",
    "sku": {"name": "Standard_ZRS"},
    "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "10.0.0.1"}]},
    "tags": {"anything": "goes"},
}
COMPUTE: dict[str, Any] = {
    "resourceGroupName": "rg",
    "workspaceName": "ml",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 4}},
    },
}


def state(type_token: str, inputs: dict[str, Any]) -> ResourceState:
    name = "one"
    return ResourceState(
        f"urn:pulumi:d::p::{type_token}::{name}", type_token, name, custom=True, inputs=inputs
    )


def problems(module: str, inputs: dict[str, Any]) -> list[str]:
    return [str(one) for one in check_inputs(f"azure-native:{module}", inputs)]


def with_changes(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    inner = base.get(head, {})
    return {**base, head: with_changes(inner, rest, value) if rest else value}


def test_what_fits_has_no_problem() -> None:
    assert problems("storage:StorageAccount", ACCOUNT) == []
    assert problems("machinelearningservices:Compute", COMPUTE) == []
    assert problems("storage:StorageAccount", {**ACCOUNT, "sku": UNKNOWN}) == []
    assert problems("storage:StorageAccount", {**ACCOUNT, "sku": Secret({"name": "Standard_ZRS"})}) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sku.nam", "x", "sku.nam: there is no such property; did you mean 'name'?"),
        ("networkRuleSet.defaultActoin", "Deny", "did you mean 'defaultAction'?"),
        ("sku.name", "Standard_ZSR", "'Standard_ZSR' is not a value of SkuName; did you mean"),
        ("kind", "Tape", "allowed: Storage, StorageV2"),
        ("sku", {}, "sku.name: is required and missing"),
        ("enableNfsV3", "yes", "enableNfsV3: expected true or false, got 'yes'"),
        ("sku", "Standard_ZRS", "sku: expected an object, got 'Standard_ZRS'"),
        ("networkRuleSet.ipRules", {"a": 1}, "ipRules: expected a list, got an object"),
        ("networkRuleSet.ipRules", [{"address": "x"}], "networkRuleSet.ipRules[0].address: there is no such"),
        ("tags", {"a": 1}, "tags.a: expected text, got 1"),
    ],
)
def test_what_does_not_fit_is_found_with_its_place(path: str, value: Any, message: str) -> None:
    found = problems("storage:StorageAccount", with_changes(ACCOUNT, path, value))
    assert any(message in one for one in found), found


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("properties.computeType", "AmlComputer", "'computeType' must be one of AKS, AmlCompute"),
        ("properties.properties.vmsize", "x", "properties.properties.vmsize: there is no such property"),
        ("properties.properties.scaleSettings.minNodes", 0, "did you mean"),
    ],
)
def test_unions_are_told_apart_by_what_names_them(path: str, value: Any, message: str) -> None:
    found = problems("machinelearningservices:Compute", with_changes(COMPUTE, path, value))
    assert any(message in one for one in found), found


def test_pythons_spelling_in_a_union_is_found_as_such() -> None:
    inputs = {
        "resourceGroupName": "rg",
        "enabled": True,
        "evaluationFrequency": "PT1M",
        "windowSize": "PT5M",
        "scopes": ["/id"],
        "severity": 2,
        "criteria": {
            "odata_type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "all_of": [],
        },
    }
    (found,) = problems("monitor:MetricAlert", inputs)
    assert "write 'odataType'" in found


def test_values_that_azure_takes_beside_the_listed_ones_pass() -> None:
    flow = {"dataFlows": [{"streams": ["Custom-Measurements_CL"], "destinations": ["logs"]}]}
    rule = {"resourceGroupName": "rg", **flow}
    assert problems("monitor:DataCollectionRule", rule) == []
    rule["dataFlows"] = [{"streams": ["Measurements"]}]
    assert "KnownDataFlowStreams" in problems("monitor:DataCollectionRule", rule)[0]


def test_resources_whose_type_shares_its_name_with_an_input_are_checked() -> None:
    assert (
        problems("monitor:ActionGroup", {"resourceGroupName": "rg", "groupShortName": "a", "enabled": True})
        == []
    )


def test_only_declared_resources_of_azure_are_checked() -> None:
    wrong = state("azure-native:storage:StorageAccount", {"acountName": "st"})
    (first, *_) = check_resources([state("test:index:Thing", {"x": 1}), wrong])
    assert str(first).startswith("one: acountName: there is no such property; did you mean 'accountName'?")


def test_flat_inputs_go_below_properties_and_names_into_the_name() -> None:
    inputs = {
        **ACCOUNT,
        "location": "westeurope",
        "enableHttpsTrafficOnly": True,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/id"]},
    }
    assert to_body(state("azure-native:storage:StorageAccount", inputs)) == {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2024-01-01",
        "name": "st",
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS"},
        "tags": {"anything": "goes"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/id": {}}},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.1"}]},
        },
    }


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        (
            "storage:BlobContainer",
            {"resourceGroupName": "rg", "accountName": "st", "containerName": "raw", "publicAccess": "None"},
            {
                "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
                "name": "st/default/raw",
                "properties": {"publicAccess": "None"},
            },
        ),
        (
            "network:VirtualNetwork",
            {
                "resourceGroupName": "rg",
                "virtualNetworkName": "net",
                "subnets": [
                    {"name": "a", "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": "/nsg"}}
                ],
            },
            {
                "name": "net",
                "properties": {
                    "subnets": [
                        {
                            "name": "a",
                            "properties": {
                                "addressPrefix": "10.0.0.0/24",
                                "networkSecurityGroup": {"id": "/nsg"},
                            },
                        }
                    ]
                },
            },
        ),
        (
            "authorization:ManagementLockByScope",
            {"scope": "/rg", "lockName": "data", "level": "CanNotDelete"},
            {"scope": "/rg", "name": "data", "properties": {"level": "CanNotDelete"}},
        ),
        (
            "monitor:MetricAlert",
            {"resourceGroupName": "rg", "ruleName": "r", "criteria": {"odataType": "x", "allOf": []}},
            {"name": "r", "properties": {"criteria": {"odata.type": "x", "allOf": []}}},
        ),
        (
            "resources:ResourceGroup",
            {"resourceGroupName": "rg", "location": "westeurope"},
            {"name": "rg", "type": "Microsoft.Resources/resourceGroups", "location": "westeurope"},
        ),
    ],
)
def test_azures_form_follows_from_the_table(
    token: str, inputs: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = to_body(state(f"azure-native:{token}", inputs))
    assert {key: body[key] for key in expected} == expected


def test_a_template_has_azures_resources_alone_and_no_secret() -> None:
    secret = state(
        "azure-native:keyvault:Secret",
        {
            "resourceGroupName": "rg",
            "vaultName": "kv",
            "secretName": "s",
            "properties": Secret({"value": "hunter2"}),
        },
    )
    template = to_template([secret, state("test:index:Thing", {})])
    assert [one["name"] for one in template["resources"]] == ["kv/s"]
    assert "hunter2" not in str(template)

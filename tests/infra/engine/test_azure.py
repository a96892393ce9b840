"""The stand-in for Azure's provider: names, IDs, outputs and what forces a replacement."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.engine import UNKNOWN, EngineError
from infra.engine.azure_native import AzureNativeProvider
from infra.engine.azure_types import azure_type, azure_types
from infra.engine.property_path import parse_path
from infra.engine.state import ResourceState

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
STORAGE = "azure-native:storage:StorageAccount"
GROUP = "azure-native:resources:ResourceGroup"


@pytest.fixture
def azure() -> AzureNativeProvider:
    return AzureNativeProvider(SUBSCRIPTION, "22222222-2222-2222-2222-222222222222", None)


def urn(type_token: str, name: str = "one") -> str:
    return f"urn:pulumi:dev::small::{type_token}::{name}"


def deployed(type_token: str, inputs: dict[str, Any], name: str = "one") -> ResourceState:
    return ResourceState(urn(type_token, name), type_token, name, custom=True, id="/one", inputs=inputs)


def test_assigned_identities_are_a_list_on_the_way_in_and_a_map_on_the_way_out(
    azure: AzureNativeProvider,
) -> None:
    def assigned(*ids: Any) -> dict[str, Any]:
        return {"identity": {"type": "UserAssigned", "userAssignedIdentities": list(ids)}}

    inputs = {"resourceGroupName": "rg", "accountName": "st", **assigned("/one", "/two")}
    _, outputs = azure.create(STORAGE, "one", inputs)
    assert set(outputs["identity"]["userAssignedIdentities"]) == {"/one", "/two"}
    planned = azure.planned_outputs(inputs)
    assert planned["identity"]["userAssignedIdentities"] == {"/one": UNKNOWN, "/two": UNKNOWN}
    assert planned["accountName"] == "st"
    planned = azure.planned_outputs(assigned("/one", UNKNOWN))
    assert planned["identity"] == {"type": "UserAssigned", "userAssignedIdentities": UNKNOWN}
    assert azure.planned_outputs({"identity": UNKNOWN}) == {"identity": UNKNOWN}


def test_every_type_says_where_it_is_kept() -> None:
    for kind in azure_types().values():
        assert kind.path.startswith(("/subscriptions/{subscriptionId}", "{"))
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", kind.api_version)
        assert re.fullmatch(r"[Mm]icrosoft\.\w+(/(\w+|{recordType}))+", kind.arm_type)


@pytest.mark.parametrize(
    ("token", "arm_type", "parameters"),
    [
        (STORAGE, "Microsoft.Storage/storageAccounts", ("resourceGroupName", "accountName")),
        (GROUP, "Microsoft.Resources/resourceGroups", ("resourceGroupName",)),
        (
            "azure-native:storage:BlobContainer",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            ("resourceGroupName", "accountName", "containerName"),
        ),
        (
            "azure-native:authorization:RoleAssignment",
            "Microsoft.Authorization/roleAssignments",
            ("scope", "roleAssignmentName"),
        ),
    ],
)
def test_types_and_parameters_follow_from_the_path(
    token: str, arm_type: str, parameters: tuple[str, ...]
) -> None:
    assert (azure_type(token).arm_type, azure_type(token).parameters) == (arm_type, parameters)


def test_an_unknown_type_is_refused_with_the_nearest() -> None:
    with pytest.raises(EngineError, match="storage:StorageAccount") as refused:
        azure_type("azure-native:storage:StorageAcount")
    assert refused.value.next_step
    assert azure_type("azure-native:storage/v20240101:StorageAccount").token == STORAGE


@pytest.mark.parametrize(
    ("token", "parameter", "pattern"),
    [
        (STORAGE, "accountName", r"one[0-9a-f]{8}"),
        (GROUP, "resourceGroupName", r"one[0-9a-f]{8}"),
        ("azure-native:storage:BlobContainer", "containerName", "one"),
        ("azure-native:machinelearningservices:OnlineEndpoint", "endpointName", r"one[0-9a-f]{8}"),
        (
            "azure-native:authorization:RoleAssignment",
            "roleAssignmentName",
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.{12}",
        ),
    ],
)
def test_a_name_that_is_left_out_is_made_as_the_provider_makes_it(
    azure: AzureNativeProvider, token: str, parameter: str, pattern: str
) -> None:
    given = dict.fromkeys(azure_type(token).parameters, "given")
    del given[parameter]
    first = azure.check(urn(token), token, dict(given), None).inputs
    assert re.fullmatch(pattern, first[parameter])
    kept = azure.check(urn(token), token, dict(given), deployed(token, first)).inputs
    assert kept[parameter] == first[parameter]
    if first[parameter] != "one":
        anew = azure.check(urn(token), token, dict(given), deployed(token, first), replacing=True).inputs
        assert anew[parameter] != first[parameter]


def test_a_location_that_is_left_out_is_that_of_the_group(azure: AzureNativeProvider) -> None:
    azure.check(urn(GROUP), GROUP, {"resourceGroupName": "rg", "location": "northeurope"}, None)
    inputs = {"resourceGroupName": "rg", "accountName": "st"}
    assert azure.check(urn(STORAGE), STORAGE, inputs, None).inputs["location"] == "northeurope"
    elsewhere = {"resourceGroupName": "other", "accountName": "st"}
    assert "location" not in azure.check(urn(STORAGE), STORAGE, elsewhere, None).inputs


def test_what_the_id_is_made_of_is_required(azure: AzureNativeProvider) -> None:
    checked = azure.check(urn(STORAGE), STORAGE, {"accountName": "st"}, None)
    assert checked.failures == ("the required property 'resourceGroupName' is missing",)


def test_ids_are_those_of_azure(azure: AzureNativeProvider) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st"
    assert azure.create(GROUP, "one", {"resourceGroupName": "rg"})[0] == group
    assert azure.create(STORAGE, "one", {"resourceGroupName": "rg", "accountName": "st"})[0] == account
    role = {"scope": account, "roleAssignmentName": "guid"}
    assert azure.create("azure-native:authorization:RoleAssignment", "one", role)[0] == (
        f"{account}/providers/Microsoft.Authorization/roleAssignments/guid"
    )


def test_outputs_echo_inputs_and_add_what_azure_computes(azure: AzureNativeProvider) -> None:
    _, outputs = azure.create(
        STORAGE, "one", {"resourceGroupName": "rg", "accountName": "st", "kind": "StorageV2"}
    )
    assert outputs["name"] == "st"
    assert outputs["kind"] == "StorageV2"
    assert outputs["primaryEndpoints"]["dfs"] == "https://st.dfs.core.windows.net/"
    assert "accountName" not in outputs
    _, identity = azure.create(
        STORAGE,
        "one",
        {
            "resourceGroupName": "rg",
            "accountName": "st",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/id"]},
        },
    )
    assert set(identity["identity"]["userAssignedIdentities"]["/id"]) == {"principalId", "clientId"}


@pytest.mark.parametrize(
    ("token", "path", "reason"),
    [
        (STORAGE, "accountName", "part of the resource's ID"),
        (STORAGE, "isHnsEnabled", "the provider cannot"),
        (STORAGE, "encryption.requireInfrastructureEncryption", "Azure refuses"),
        (STORAGE, "encryption", "Azure refuses"),
        (STORAGE, "tags.owner", None),
        (STORAGE, "encryption.keySource", None),
        ("azure-native:authorization:RoleAssignment", "scope", "part of the resource's ID"),
        ("azure-native:authorization:RoleAssignment", "principalId", "the provider cannot"),
        ("azure-native:network:PrivateEndpoint", "subnet.id", "the provider cannot"),
        ("azure-native:machinelearningservices:Workspace", "keyVault", "Azure refuses"),
        ("azure-native:machinelearningservices:Compute", "properties.properties.vmSize", "Azure refuses"),
    ],
)
def test_what_forces_a_replacement(token: str, path: str, reason: str | None) -> None:
    found = azure_type(token).replacement_reason(parse_path(path))
    assert (found is None) if reason is None else (found is not None and reason in found)


def test_a_named_resource_goes_before_its_replacement_comes(azure: AzureNativeProvider) -> None:
    named = {"resourceGroupName": "rg", "accountName": "st", "isHnsEnabled": False}
    assert azure.diff(deployed(STORAGE, named), {**named, "isHnsEnabled": True}).delete_before_replace
    random = azure.check(
        urn(STORAGE), STORAGE, {"resourceGroupName": "rg", "isHnsEnabled": False}, None
    ).inputs
    diff = azure.diff(deployed(STORAGE, random), {**random, "isHnsEnabled": True})
    assert diff.replace_reasons
    assert not diff.delete_before_replace


def test_functions_answer_who_and_where_and_nothing_else(azure: AzureNativeProvider) -> None:
    assert azure.invoke("azure-native:authorization:getClientConfig", {})["subscriptionId"] == SUBSCRIPTION
    found = azure.invoke("azure-native:resources:getResourceGroup", {"resourceGroupName": "rg"})
    assert found["id"] == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
    with pytest.raises(EngineError, match="no stand-in for the function"):
        azure.invoke("azure-native:storage:listStorageAccountKeys", {"accountName": "st"})

"""Checks of whole stacks: each on a stack that it passes, and on that stack with something taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.policy.catalog import STACK_CHECKS
from infra.policy.check import Subject

CHECKS = {check.id: check for check in STACK_CHECKS}


def one(
    type_token: str,
    name: str,
    props: Mapping[str, Any] | None = None,
    *,
    after: tuple[str, ...] = (),
    **by_property: str,
) -> Subject:
    return Subject(
        f"azure-native:{type_token}",
        name,
        name,
        props or {},
        dependencies=after,
        by_property={key: (value,) for key, value in by_property.items()},
    )


WORKSPACE = "machinelearningservices:Workspace"
STACK = (
    one("resources:ResourceGroup", "group"),
    one("authorization:RoleAssignment", "role"),
    one("storage:StorageAccount", "lake", {"isHnsEnabled": True, "publicNetworkAccess": "Disabled"}),
    one("storage:ManagementPolicy", "lifecycle", accountName="lake"),
    one("storage:BlobServiceProperties", "blobs", accountName="lake"),
    one("keyvault:Vault", "vault", {"properties": {"publicNetworkAccess": "Disabled"}}),
    one(
        WORKSPACE,
        "workspace",
        {"managedNetwork": {"isolationMode": "AllowInternetOutbound"}},
        after=("role",),
    ),
    one("machinelearningservices:Compute", "cpu", {"properties": {"properties": {}}}),
    one("monitor:DiagnosticSetting", "blob-logs", resourceUri="blobs"),
    one("monitor:DiagnosticSetting", "vault-logs", resourceUri="vault"),
    one("monitor:DiagnosticSetting", "workspace-logs", resourceUri="workspace"),
    one("network:VirtualNetwork", "network"),
    *(
        one(
            "network:PrivateEndpoint",
            f"to-{target}-{group}",
            {"privateLinkServiceConnections": [{"groupIds": [group]}]},
            privateLinkServiceConnections=target,
        )
        for target, group in (("lake", "blob"), ("lake", "dfs"), ("vault", "vault"))
    ),
    *(
        one("network:PrivateDnsZoneGroup", f"dns-{name}", privateEndpointName=f"to-{name}")
        for name in ("lake-blob", "lake-dfs", "vault-vault")
    ),
    one("privatedns:PrivateZone", "zone"),
    one("privatedns:VirtualNetworkLink", "link", privateZoneName="zone"),
    one("authorization:ManagementLockByScope", "lake-lock", scope="lake"),
    one("authorization:ManagementLockByScope", "vault-lock", scope="vault"),
    one("consumption:Budget", "budget"),
)

# What to take away, and which resource then lacks it.
MISSING = [
    ("storage-lifecycle", "lifecycle", "lake"),
    ("diagnostics-everywhere", "blob-logs", "lake"),
    ("diagnostics-everywhere", "vault-logs", "vault"),
    ("network-private-endpoints", "to-lake-dfs", "lake"),
    ("network-private-endpoints", "to-vault-vault", "vault"),
    ("network-endpoint-dns", "dns-lake-blob", "to-lake-blob"),
    ("network-zone-links", "link", "zone"),
    ("governance-lock", "vault-lock", "vault"),
    ("cost-budget", "budget", ""),
    ("ml-roles-before-workspace", "role", "workspace"),
    ("ml-compute-in-network", "workspace", "cpu"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_a_complete_stack_passes(name: str) -> None:
    assert CHECKS[name].findings(STACK) == []


@pytest.mark.parametrize(("name", "missing", "lacking"), MISSING)
def test_what_is_missing_is_found_where_it_is_missed(name: str, missing: str, lacking: str) -> None:
    left = [subject for subject in STACK if subject.name != missing]
    assert [urn for _, urn in CHECKS[name].findings(left)] == [lacking]


def test_every_check_of_a_stack_is_tried() -> None:
    assert {name for name, *_ in MISSING} == set(CHECKS)


def test_a_projects_computes_run_in_the_network_of_its_hub() -> None:
    stack = (
        one(WORKSPACE, "workspace", {"kind": "Project"}),
        one("machinelearningservices:Compute", "cpu", {"properties": {"properties": {}}}),
    )
    assert CHECKS["ml-compute-in-network"].findings(stack) == []


def test_a_lock_on_the_group_guards_what_is_in_it() -> None:
    stack = (
        one(WORKSPACE, "workspace"),
        one("keyvault:Vault", "vault", resourceGroupName="group"),
        one("authorization:ManagementLockByScope", "lock", scope="group"),
    )
    assert CHECKS["governance-lock"].findings(stack) == []


def test_a_stack_without_a_workspace_needs_no_budget_and_no_lock() -> None:
    stack = [subject for subject in STACK if subject.name in ("lake", "vault")]
    assert CHECKS["cost-budget"].findings(stack) == []
    assert CHECKS["governance-lock"].findings(stack) == []

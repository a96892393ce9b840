"""Checks of workspaces, computes, endpoints and datastores of Azure Machine Learning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from infra.policy.check import ResourceCheck, StackCheck, Subject, at, requires, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CHECKS", "STACK_CHECKS"]

_WORKSPACE: Final = ("machinelearningservices:Workspace",)
_COMPUTE: Final = ("machinelearningservices:Compute",)
_ONLINE: Final = ("machinelearningservices:OnlineEndpoint",)
_ENDPOINTS: Final = (*_ONLINE, "machinelearningservices:BatchEndpoint")
_LONGEST_IDLE_SECONDS: Final = 3600


def _is_cluster(subject: Subject) -> bool:
    return bool(at(subject.props, "properties.computeType") == "AmlCompute")


def _in_own_network(subject: Subject) -> bool:
    """Return whether jobs run in a subnet that the workspace names: its routes say what they reach."""
    serverless = at(subject.props, "serverlessComputeSettings.serverlessComputeCustomSubnet")
    return bool(serverless) and at(subject.props, "managedNetwork.isolationMode") in (None, "Disabled")


def _is_hub_or_default(subject: Subject) -> bool:
    # A project takes its network, identity and stores from its hub.
    return bool(at(subject.props, "kind") != "Project")


def _workspace_identity(subject: Subject) -> Iterator[str]:
    if "UserAssigned" not in str(at(subject.props, "identity.type")):
        yield "identity.type is not UserAssigned"
    if not at(subject.props, "primaryUserAssignedIdentity"):
        yield "primaryUserAssignedIdentity is not set"


def _endpoint_identity(subject: Subject) -> Iterator[str]:
    if "UserAssigned" not in str(at(subject.props, "identity.type")):
        yield "identity.type is not UserAssigned"


def _traffic(subject: Subject) -> Iterator[str]:
    shares = at(subject.props, "properties.traffic") or {}
    total = sum(shares[name] for name in shares)
    if total not in (0, 100):
        yield f"traffic adds up to {total}; Azure takes 0 or 100"


def _idle(subject: Subject) -> Iterator[str]:
    text = at(subject.props, "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown")
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", str(text or ""))
    if not found or not any(found.groups()):
        yield "scaleSettings.nodeIdleTimeBeforeScaleDown is not set"
        return
    hours, minutes, seconds = (int(group or 0) for group in found.groups())
    if hours * 3600 + minutes * 60 + seconds > _LONGEST_IDLE_SECONDS:
        yield f"idle nodes stay for {text}; at most an hour"


def _compute_name(subject: Subject) -> Iterator[str]:
    name = str(at(subject.props, "computeName") or "")
    if re.search(r"-\d+$", name):
        yield f"{name} ends in a hyphen and digits, which Azure refuses"


def _datastore(subject: Subject) -> Iterator[str]:
    if at(subject.props, "properties.credentials.credentialsType") != "None":
        yield "properties.credentials is not of the type None"
    if at(subject.props, "properties.serviceDataAccessAuthIdentity") in (None, "None"):
        yield "properties.serviceDataAccessAuthIdentity names no identity"


CHECKS: Final = (
    ResourceCheck(
        "ml-workspace-private",
        "Workspaces answer inside a network alone.",
        "high",
        "Set public_network_access to Disabled and add a private endpoint.",
        "CKV_AZURE_144; PSRule Azure.ML.PublicAccess",
        _WORKSPACE,
        requires("publicNetworkAccess", "Disabled"),
        "private-network",
    ),
    ResourceCheck(
        "ml-workspace-user-identity",
        "Workspaces act as a user-assigned identity that can be granted roles before they exist.",
        "medium",
        "Set identity to UserAssigned and primary_user_assigned_identity.",
        "PSRule Azure.ML.UserManagedIdentity; AVM workspace",
        _WORKSPACE,
        when(_is_hub_or_default, _workspace_identity),
    ),
    ResourceCheck(
        "ml-workspace-approved-outbound",
        "Training code reaches what is on a list and nothing else.",
        "high",
        "Set managed_network.isolation_mode to AllowOnlyApprovedOutbound, or bring a network.",
        "Azure security baseline for Machine Learning NS-2; AVM waf-aligned",
        _WORKSPACE,
        when(
            lambda subject: _is_hub_or_default(subject) and not _in_own_network(subject),
            requires("managedNetwork.isolationMode", "AllowOnlyApprovedOutbound"),
        ),
        "approved-outbound",
    ),
    ResourceCheck(
        "ml-workspace-identity-stores",
        "The workspace's own datastores are read with identities, not with account keys.",
        "high",
        "Set system_datastores_auth_mode to identity.",
        "Azure Machine Learning: identity-based data access",
        _WORKSPACE,
        when(_is_hub_or_default, requires("systemDatastoresAuthMode", "identity")),
    ),
    ResourceCheck(
        "ml-workspace-current-api",
        "Workspaces do not fall back to the first version of the API.",
        "low",
        "Set v1_legacy_mode to false.",
        "Azure Machine Learning: v1LegacyMode; checkov CKV2_AZURE_49 assumes it",
        _WORKSPACE,
        requires("v1LegacyMode", False, None),
    ),
    ResourceCheck(
        "ml-compute-no-local-auth",
        "Nobody signs in to a compute with a key.",
        "high",
        "Set properties.disable_local_auth to true.",
        "PSRule Azure.ML.DisableLocalAuth",
        _COMPUTE,
        requires("properties.disableLocalAuth", True),
    ),
    ResourceCheck(
        "ml-compute-idle-shutdown",
        "Idle nodes are given back within an hour.",
        "medium",
        "Set scale_settings.node_idle_time_before_scale_down, for example PT10M.",
        "PSRule Azure.ML.ComputeIdleShutdown",
        _COMPUTE,
        when(_is_cluster, _idle),
    ),
    ResourceCheck(
        "ml-compute-scale-to-zero",
        "A cluster without work costs nothing.",
        "low",
        "Set scale_settings.min_node_count to 0.",
        "CKV_AZURE_150",
        _COMPUTE,
        when(_is_cluster, requires("properties.properties.scaleSettings.minNodeCount", 0)),
    ),
    ResourceCheck(
        "ml-compute-no-public-ip",
        "Nodes of a private network have no public address.",
        "high",
        "Set enable_node_public_ip to false.",
        "Azure security baseline for Machine Learning NS-2",
        _COMPUTE,
        when(_is_cluster, requires("properties.properties.enableNodePublicIp", False)),
        "private-network",
    ),
    ResourceCheck(
        "ml-compute-no-ssh",
        "Nobody reaches nodes by SSH from outside.",
        "high",
        "Set remote_login_port_public_access to Disabled.",
        "Azure security baseline for Machine Learning PA-2",
        _COMPUTE,
        when(_is_cluster, requires("properties.properties.remoteLoginPortPublicAccess", "Disabled")),
    ),
    ResourceCheck(
        "ml-compute-name",
        "Computes have names that Azure takes.",
        "medium",
        "End the name in a letter, or leave the hyphen before the digits out.",
        "Azure Machine Learning: naming rules of computes",
        _COMPUTE,
        _compute_name,
    ),
    ResourceCheck(
        "ml-endpoint-entra",
        "Callers of an endpoint are people and workloads that Entra knows.",
        "high",
        "Set properties.auth_mode to AADToken.",
        "Azure security baseline for Machine Learning IM-1",
        _ENDPOINTS,
        requires("properties.authMode", "AADToken"),
        "entra-authentication",
    ),
    ResourceCheck(
        "ml-endpoint-private",
        "Online endpoints answer inside a network alone.",
        "high",
        "Set properties.public_network_access to Disabled.",
        "Azure security baseline for Machine Learning NS-2",
        _ONLINE,
        requires("properties.publicNetworkAccess", "Disabled"),
        "private-endpoint",
    ),
    ResourceCheck(
        "ml-endpoint-traffic",
        "An endpoint's traffic adds up.",
        "medium",
        "Leave traffic to continuous delivery, or make its shares add up to 100.",
        "Azure Machine Learning: traffic of online endpoints",
        _ONLINE,
        _traffic,
    ),
    ResourceCheck(
        "ml-endpoint-user-identity",
        "Endpoints act as a user-assigned identity, so that roles are in place before they serve.",
        "medium",
        "Set identity to UserAssigned.",
        "AVM workspace; Azure Machine Learning: identities of endpoints",
        _ENDPOINTS,
        _endpoint_identity,
    ),
    ResourceCheck(
        "ml-datastore-credential-less",
        "Datastores keep no key: whoever reads is known by name.",
        "high",
        "Set credentials to the type None and service_data_access_auth_identity.",
        "Azure Machine Learning: identity-based data access",
        ("machinelearningservices:Datastore",),
        _datastore,
    ),
)


def _compute_network(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    managed = any(
        # A project's computes run in the network of its hub, which is another stack's.
        at(one.props, "managedNetwork.isolationMode") not in (None, "Disabled") or not _is_hub_or_default(one)
        for one in subjects
        if one.short_type in _WORKSPACE
    )
    for one in subjects:
        if one.short_type in _COMPUTE and not managed and not at(one.props, "properties.properties.subnet"):
            yield "it has no subnet, and the workspace no managed network", one.urn


def _roles_before_workspace(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    roles = {one.urn for one in subjects if one.short_type == "authorization:RoleAssignment"}
    for one in subjects:
        if (
            one.short_type in _WORKSPACE
            and _is_hub_or_default(one)
            and not roles.intersection(one.dependencies)
        ):
            yield "no role assignment is made before it; the identity cannot reach storage and vault", one.urn


STACK_CHECKS: Final = (
    StackCheck(
        "ml-compute-in-network",
        "Computes run in the workspace's managed network or in a subnet.",
        "high",
        "Give the workspace a managed network, or the compute a subnet.",
        "PSRule Azure.ML.ComputeVnet, satisfied by a managed network as well",
        _compute_network,
        "private-network",
    ),
    StackCheck(
        "ml-roles-before-workspace",
        "A workspace's identity has its roles before the workspace is created.",
        "medium",
        "Let the workspace depend on the role assignments of its identity.",
        "Azure Machine Learning: user-assigned identity of a workspace",
        _roles_before_workspace,
    ),
)

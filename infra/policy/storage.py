"""Checks of storage accounts and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.policy.check import ResourceCheck, StackCheck, Subject, at, requires

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CHECKS", "STACK_CHECKS"]

_ACCOUNT: Final = ("storage:StorageAccount",)
_SHORTEST_SOFT_DELETE: Final = 30


def _bypass(subject: Subject) -> Iterator[str]:
    bypass = str(at(subject.props, "networkRuleSet.bypass") or "")
    if "AzureServices" not in bypass:
        yield f"networkRuleSet.bypass is {bypass or 'not set'}; it needs AzureServices"


def _redundancy(subject: Subject) -> Iterator[str]:
    sku = str(at(subject.props, "sku.name") or "")
    if "ZRS" not in sku:
        yield f"sku.name is {sku or 'not set'}; it must survive the loss of a zone (ZRS, GZRS or RAGZRS)"


def _soft_delete(subject: Subject) -> Iterator[str]:
    for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        days = at(subject.props, f"{policy}.days") or 0
        if at(subject.props, f"{policy}.enabled") is not True or days < _SHORTEST_SOFT_DELETE:
            yield f"{policy} keeps what was deleted for {days:g} days; {_SHORTEST_SOFT_DELETE} or more"


def _without_lifecycle(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    covered = {
        urn
        for one in subjects
        if one.short_type == "storage:ManagementPolicy"
        for urn in one.by_property.get("accountName", ())
    }
    for one in subjects:
        if one.short_type in _ACCOUNT and at(one.props, "isHnsEnabled") and one.urn not in covered:
            yield "the lake has no lifecycle: collected data piles up for ever", one.urn


CHECKS: Final = (
    ResourceCheck(
        "storage-https",
        "Storage is reached by HTTPS alone.",
        "high",
        "Set enable_https_traffic_only to true.",
        "CKV_AZURE_3",
        _ACCOUNT,
        requires("enableHttpsTrafficOnly", True),
    ),
    ResourceCheck(
        "storage-tls",
        "Storage speaks TLS 1.2 or newer.",
        "high",
        "Set minimum_tls_version to TLS1_2.",
        "CKV_AZURE_44",
        _ACCOUNT,
        requires("minimumTlsVersion", "TLS1_2", "TLS1_3"),
    ),
    ResourceCheck(
        "storage-no-public-blobs",
        "No blob can be made readable for everybody.",
        "critical",
        "Set allow_blob_public_access to false.",
        "CKV_AZURE_59, CKV_AZURE_190",
        _ACCOUNT,
        requires("allowBlobPublicAccess", False),
    ),
    ResourceCheck(
        "storage-container-private",
        "Containers are private.",
        "critical",
        "Set public_access to None.",
        "CKV_AZURE_34",
        ("storage:BlobContainer",),
        requires("publicAccess", "None"),
    ),
    ResourceCheck(
        "storage-default-deny",
        "The firewall of storage lets nobody in by default.",
        "high",
        "Set network_rule_set.default_action to Deny.",
        "CKV_AZURE_35",
        _ACCOUNT,
        requires("networkRuleSet.defaultAction", "Deny"),
        "private-network",
    ),
    ResourceCheck(
        "storage-trusted-services",
        "Azure's own services pass the firewall of storage.",
        "low",
        "Add AzureServices to network_rule_set.bypass.",
        "CKV_AZURE_36",
        _ACCOUNT,
        _bypass,
    ),
    ResourceCheck(
        "storage-private",
        "Storage answers inside a network alone.",
        "high",
        "Set public_network_access to Disabled and add private endpoints.",
        "CKV_AZURE_59",
        _ACCOUNT,
        requires("publicNetworkAccess", "Disabled"),
        "private-network",
    ),
    ResourceCheck(
        "storage-no-shared-key",
        "Nobody opens storage with an account key.",
        "high",
        "Set allow_shared_key_access to false.",
        "CKV2_AZURE_40; PSRule Azure.Storage.DisableLocalAuth",
        _ACCOUNT,
        requires("allowSharedKeyAccess", False),
    ),
    ResourceCheck(
        "storage-entra-by-default",
        "The portal signs in to storage with Entra.",
        "low",
        "Set default_to_o_auth_authentication to true.",
        "Azure security baseline for Storage IM-1",
        _ACCOUNT,
        requires("defaultToOAuthAuthentication", True),
    ),
    ResourceCheck(
        "storage-no-local-users",
        "There are no users and passwords beside Entra.",
        "medium",
        "Set is_local_user_enabled and is_sftp_enabled to false.",
        "CKV_AZURE_244",
        _ACCOUNT,
        lambda subject: [
            *requires("isLocalUserEnabled", False)(subject),
            *requires("isSftpEnabled", False, None)(subject),
        ],
    ),
    ResourceCheck(
        "storage-no-cross-tenant-copies",
        "Data is not replicated into another tenant.",
        "medium",
        "Set allow_cross_tenant_replication to false.",
        "PSRule Azure.Storage.CrossTenantReplication",
        _ACCOUNT,
        requires("allowCrossTenantReplication", False),
    ),
    ResourceCheck(
        "storage-zone-redundant",
        "Data survives the loss of a zone.",
        "medium",
        "Choose a zone-redundant sku.",
        "CKV_AZURE_206, met by zones instead of a second region: see README.md",
        _ACCOUNT,
        _redundancy,
        "zone-redundant-storage",
    ),
    ResourceCheck(
        "storage-double-encryption",
        "Data is encrypted twice at rest.",
        "low",
        "Set encryption.require_infrastructure_encryption to true; it cannot be added later.",
        "Azure security baseline for Storage DP-4",
        _ACCOUNT,
        requires("encryption.requireInfrastructureEncryption", True),
    ),
    ResourceCheck(
        "storage-soft-delete",
        "What was deleted can be brought back for a month.",
        "medium",
        "Enable both retention policies with 30 days or more.",
        "PSRule Azure.Storage.SoftDelete, Azure.Storage.ContainerSoftDelete",
        ("storage:BlobServiceProperties",),
        _soft_delete,
        "recoverable-data",
    ),
)

STACK_CHECKS: Final = (
    StackCheck(
        "storage-lifecycle",
        "Old data in a lake gets cheaper and then goes.",
        "low",
        "Add a ManagementPolicy for the account.",
        "Azure Well-Architected Framework: cost optimization CO:10",
        _without_lifecycle,
    ),
)

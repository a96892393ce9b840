"""Checks of container registries."""

from __future__ import annotations

from typing import Final

from infra.policy.check import ResourceCheck, requires

__all__ = ["CHECKS"]

_IMAGES: Final = ("containerregistry:Registry",)

CHECKS: Final = (
    ResourceCheck(
        "images-no-admin",
        "A registry has no user with a password.",
        "high",
        "Set admin_user_enabled to false.",
        "CKV_AZURE_137",
        _IMAGES,
        requires("adminUserEnabled", False),
    ),
    ResourceCheck(
        "images-no-anonymous-pull",
        "Images are pulled by whom Entra knows.",
        "high",
        "Set anonymous_pull_enabled to false.",
        "CKV_AZURE_138",
        _IMAGES,
        requires("anonymousPullEnabled", False),
    ),
    ResourceCheck(
        "images-private",
        "Registries answer inside a network alone.",
        "high",
        "Set public_network_access to Disabled and add a private endpoint.",
        "CKV_AZURE_139",
        _IMAGES,
        requires("publicNetworkAccess", "Disabled"),
        "private-network",
    ),
    ResourceCheck(
        "images-premium",
        "Registries have what private endpoints, retention and scans need.",
        "medium",
        "Set sku.name to Premium.",
        "CKV_AZURE_163",
        _IMAGES,
        requires("sku.name", "Premium"),
        "private-network",
    ),
    ResourceCheck(
        "images-retention",
        "Untagged manifests are removed.",
        "low",
        "Set policies.retention_policy.status to enabled.",
        "CKV_AZURE_167",
        _IMAGES,
        requires("policies.retentionPolicy.status", "enabled"),
    ),
    ResourceCheck(
        "images-no-export",
        "Images cannot be carried out of the network.",
        "medium",
        "Set policies.export_policy.status to disabled.",
        "PSRule Azure.ACR.ExportPolicy",
        _IMAGES,
        requires("policies.exportPolicy.status", "disabled"),
        "private-network",
    ),
    ResourceCheck(
        "images-zone-redundant",
        "Images can be pulled when a zone is lost.",
        "medium",
        "Set zone_redundancy to Enabled; it cannot be added later.",
        "CKV_AZURE_233",
        _IMAGES,
        requires("zoneRedundancy", "Enabled"),
        "zone-redundant-storage",
    ),
)

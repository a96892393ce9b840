"""Checks of key vaults, their keys and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.policy.check import ResourceCheck, Subject, at, requires

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHECKS"]

_VAULT: Final = ("keyvault:Vault",)
_KEY: Final = ("keyvault:Key",)
_SECRET: Final = ("keyvault:Secret",)
_SHORTEST_RETENTION: Final = 90


def _soft_delete(subject: Subject) -> Iterator[str]:
    days = at(subject.props, "properties.softDeleteRetentionInDays") or 0
    if at(subject.props, "properties.enableSoftDelete") is not True or days < _SHORTEST_RETENTION:
        yield f"a deleted secret is kept for {days:g} days; {_SHORTEST_RETENTION} are possible"


def _key_renewal(subject: Subject) -> Iterator[str]:
    expires = at(subject.props, "properties.attributes.exp")
    actions = at(subject.props, "properties.rotationPolicy.lifetimeActions")
    if not expires and not actions:
        yield "the key has neither a date of expiry nor a rotation policy"


def _expiry(subject: Subject) -> Iterator[str]:
    if not at(subject.props, "properties.attributes.exp"):
        yield "the secret has no date of expiry"


def _content_type(subject: Subject) -> Iterator[str]:
    if not at(subject.props, "properties.contentType"):
        yield "the secret does not say what it is (contentType)"


CHECKS: Final = (
    ResourceCheck(
        "vault-purge-protection",
        "Nobody can make a deleted key or secret unrecoverable.",
        "high",
        "Set properties.enable_purge_protection to true; it cannot be undone.",
        "CKV_AZURE_42, CKV_AZURE_110",
        _VAULT,
        requires("properties.enablePurgeProtection", True),
        "purge-protection",
    ),
    ResourceCheck(
        "vault-soft-delete",
        "Deleted secrets can be brought back for 90 days.",
        "medium",
        "Set enable_soft_delete, and soft_delete_retention_in_days to 90.",
        "CKV_AZURE_111",
        _VAULT,
        _soft_delete,
        "recoverable-data",
    ),
    ResourceCheck(
        "vault-roles",
        "Access to a vault is granted by roles, which are reviewed, not by access policies.",
        "high",
        "Set properties.enable_rbac_authorization to true.",
        "PSRule Azure.KeyVault.RBAC",
        _VAULT,
        requires("properties.enableRbacAuthorization", True),
    ),
    ResourceCheck(
        "vault-private",
        "Vaults answer inside a network alone.",
        "high",
        "Set properties.public_network_access to Disabled and add a private endpoint.",
        "CKV_AZURE_189",
        _VAULT,
        requires("properties.publicNetworkAccess", "Disabled"),
        "private-network",
    ),
    ResourceCheck(
        "vault-default-deny",
        "The firewall of a vault lets nobody in by default.",
        "high",
        "Set properties.network_acls.default_action to Deny.",
        "CKV_AZURE_109",
        _VAULT,
        requires("properties.networkAcls.defaultAction", "Deny"),
        "private-network",
    ),
    ResourceCheck(
        "vault-key-renewal",
        "Keys expire or rotate.",
        "medium",
        "Set a rotation policy, or attributes.exp.",
        "CKV_AZURE_40, CKV_AZURE_112",
        _KEY,
        _key_renewal,
    ),
    ResourceCheck(
        "vault-secret-expiry",
        "Secrets expire.",
        "medium",
        "Set properties.attributes.exp.",
        "CKV_AZURE_41",
        _SECRET,
        _expiry,
    ),
    ResourceCheck(
        "vault-secret-content-type",
        "Secrets say what they are.",
        "low",
        "Set properties.content_type.",
        "CKV_AZURE_114",
        _SECRET,
        _content_type,
    ),
)

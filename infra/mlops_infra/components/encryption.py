"""A key of one's own for data at rest, and the identity that services fetch it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import keyvault

from infra.mlops_infra.components.grants import Grant, grant
from infra.mlops_infra.components.identity import Identity, IdentityArgs

if TYPE_CHECKING:
    from infra.mlops_infra.components.secrets import SecretStore
    from infra.mlops_infra.placement import Placement

__all__ = ["CustomerKey", "CustomerKeyArgs"]

_KEY: Final = "data"


@dataclass(frozen=True, slots=True)
class CustomerKeyArgs:
    """The vault that holds the key; it cannot be purged (a rule of the settings)."""

    place: Placement
    vault: SecretStore


class CustomerKey(ComponentResource):
    """A key that is rotated each year; services follow its newest version by themselves.

    Whoever deletes it deletes the data: it is protected in every environment.
    """

    def __init__(self, name: str, args: CustomerKeyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:CustomerKey", name, None, opts)
        place = args.place
        self.key = keyvault.Key(
            name,
            key_name=_KEY,
            vault_name=args.vault.name,
            resource_group_name=place.resource_group,
            properties={
                "kty": "RSA",
                "key_size": 3072,
                "key_ops": ["wrapKey", "unwrapKey"],
                "attributes": {"enabled": True, "exportable": False},
                # No expiry: an expired key is lost data.
                "rotation_policy": {
                    "lifetime_actions": [
                        {"action": {"type": "rotate"}, "trigger": {"time_after_create": "P365D"}}
                    ]
                },
            },
            opts=ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        self.vault_id = args.vault.id
        self.vault_uri = pulumi.Output.concat("https://", args.vault.name, ".vault.azure.net")
        self.identity = Identity(
            "encryption-identity", IdentityArgs(place, "encryption"), ResourceOptions(parent=self)
        )
        self.may_use = grant(
            Grant(
                key="encryption-uses-key",
                role="Key Vault Crypto Service Encryption User",
                scope=args.vault.id,
                principal_id=self.identity.principal_id,
                principal_type="ServicePrincipal",
                description="Storage and workspace wrap their own keys with the environment's key.",
            ),
            place,
            parent=self,
        )
        self.register_outputs({"keyId": self.key.id})

    def of_storage(self) -> dict[str, Any]:
        """Return what an account's `encryption` says; without a version it follows the newest."""
        return {
            "key_source": "Microsoft.Keyvault",
            "key_vault_properties": {"key_name": self.key.name, "key_vault_uri": self.vault_uri},
            "encryption_identity": {"encryption_user_assigned_identity": self.identity.id},
        }

    def of_workspace(self) -> dict[str, Any]:
        """Return a workspace's `encryption`."""
        return {
            "status": "Enabled",
            "key_vault_properties": {
                "key_vault_arm_id": self.vault_id,
                "key_identifier": self.key.key_uri_with_version,
            },
            "identity": {"user_assigned_identity": self.identity.id},
        }

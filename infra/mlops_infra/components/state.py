"""Where Pulumi keeps state, and the key that its secrets are encrypted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import keyvault

from infra.mlops_infra.components.secrets import SecretStore, SecretStoreArgs
from infra.mlops_infra.components.storage import StorageArea, StorageAreaArgs
from mlops.settings.infrastructure import Lifecycle, Protection, Storage

if TYPE_CHECKING:
    from infra.mlops_infra.placement import Placement

__all__ = ["CONTAINER", "KEY", "StateStore", "StateStoreArgs"]

CONTAINER: Final = "state"
KEY: Final = "pulumi"
# The state says how every resource can be reached and changed: kept as strictly as settings allow.
_PROTECTION: Final = {"lock": True, "protect": True, "purge_protection": True, "vault_soft_delete_days": 90}


@dataclass(frozen=True, slots=True)
class StateStoreArgs:
    """Where state goes."""

    place: Placement
    zone_redundant: bool


class StateStore(ComponentResource):
    """A storage account with versions of every state, and a vault with one key."""

    def __init__(self, name: str, args: StateStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:bootstrap:StateStore", name, None, opts)
        place = args.place
        protection = Protection.model_validate(_PROTECTION)
        child = ResourceOptions(parent=self)
        self.area = StorageArea(
            "state",
            StorageAreaArgs(
                place=place,
                account_name=place.names.state_account,
                hierarchical=False,
                # Runners of GitHub reach it from anywhere: Entra tokens of the identities decide.
                private=False,
                allowed_ip_ranges=(),
                storage=Storage(
                    redundancy="ZRS" if args.zone_redundant else "LRS",
                    soft_delete_days=30,
                    lifecycle=Lifecycle.model_validate(
                        {"cool_after_days": 90, "delete_collected_after_days": 365}
                    ),
                ),
                protection=protection,
                log_analytics_id=None,
                containers=(CONTAINER,),
            ),
            child,
        )
        self.secrets = SecretStore("vault", SecretStoreArgs(place, False, (), protection, None), child)
        keyvault.Key(
            KEY,
            key_name=KEY,
            vault_name=self.secrets.name,
            resource_group_name=place.resource_group,
            properties={
                "kty": "RSA",
                "key_size": 3072,
                "key_ops": ["encrypt", "decrypt", "wrapKey", "unwrapKey"],
                "attributes": {"enabled": True, "exportable": False},
                # No expiry: an expired key would lock every stack, while old versions go on decrypting.
                "rotation_policy": {
                    "lifetime_actions": [
                        {"action": {"type": "rotate"}, "trigger": {"time_after_create": "P365D"}}
                    ]
                },
            },
            opts=ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        self.backend_url = pulumi.Output.concat(f"azblob://{CONTAINER}?storage_account=", self.area.name)
        self.secrets_provider = pulumi.Output.concat(
            "azurekeyvault://", self.secrets.name, f".vault.azure.net/keys/{KEY}"
        )
        self.register_outputs({"backendUrl": self.backend_url, "secretsProvider": self.secrets_provider})

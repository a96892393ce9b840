"""The key vault of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import authorization, keyvault

from infra.mlops_infra.components.diagnostics import send_diagnostics

if TYPE_CHECKING:
    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Protection

__all__ = ["SecretStore", "SecretStoreArgs"]


@dataclass(frozen=True, slots=True)
class SecretStoreArgs:
    """One vault."""

    place: Placement
    private: bool
    allowed_ip_ranges: tuple[str, ...]
    protection: Protection
    log_analytics_id: pulumi.Input[str] | None


class SecretStore(ComponentResource):
    """A vault with roles instead of access policies, soft delete, and a firewall in a private network."""

    def __init__(self, name: str, args: SecretStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:SecretStore", name, None, opts)
        protection = args.protection
        self.vault = keyvault.Vault(
            name,
            vault_name=args.place.names.key_vault,
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            properties={
                "tenant_id": args.place.tenant_id,
                "sku": {"family": "A", "name": "standard"},
                "enable_rbac_authorization": True,
                "enable_soft_delete": True,
                "soft_delete_retention_in_days": protection.vault_soft_delete_days,
                # Azure refuses an explicit false, and never lets a true go.
                **({"enable_purge_protection": True} if protection.purge_protection else {}),
                "enabled_for_deployment": False,
                "enabled_for_disk_encryption": False,
                "enabled_for_template_deployment": False,
                "public_network_access": "Disabled" if args.private else "Enabled",
                "network_acls": {
                    "bypass": "AzureServices",
                    "default_action": "Deny" if args.private or args.allowed_ip_ranges else "Allow",
                    "ip_rules": [{"value": prefix} for prefix in args.allowed_ip_ranges],
                },
            },
            opts=ResourceOptions(
                parent=self, protect=protection.protect, retain_on_delete=protection.protect
            ),
        )
        self.id, self.name = self.vault.id, self.vault.name
        if args.log_analytics_id is not None:
            send_diagnostics(
                name,
                kind="Microsoft.KeyVault/vaults",
                resource_id=self.id,
                log_analytics_id=args.log_analytics_id,
                parent=self,
            )
        if protection.lock:
            authorization.ManagementLockByScope(
                f"{name}-lock",
                lock_name="secrets",
                scope=self.id,
                level="CanNotDelete",
                notes="Holds secrets that nothing else can rebuild.",
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({"id": self.id, "name": self.name})

"""The container registry of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import authorization, containerregistry

from infra.mlops_infra.components.diagnostics import send_diagnostics

if TYPE_CHECKING:
    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Images, Protection

__all__ = ["ImageRegistry", "ImageRegistryArgs"]


@dataclass(frozen=True, slots=True)
class ImageRegistryArgs:
    """One container registry."""

    place: Placement
    images: Images
    private: bool
    zone_redundant: bool
    protection: Protection
    log_analytics_id: pulumi.Input[str]


class ImageRegistry(ComponentResource):
    """A registry without an admin user or anonymous pulls; Premium adds its network and retention rules."""

    def __init__(self, name: str, args: ImageRegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:images:ImageRegistry", name, None, opts)
        keep = args.protection.protect
        self.registry = containerregistry.Registry(
            name,
            registry_name=args.place.names.container_registry,
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            sku={"name": args.images.sku},
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access="Disabled" if args.private else "Enabled",
            # Image builds of the workspace come from Azure's own network.
            network_rule_bypass_options="AzureServices",
            **(_premium(args) if args.images.sku == "Premium" else _BASIC),
            opts=ResourceOptions(parent=self, protect=keep, retain_on_delete=keep),
        )
        self.id, self.name = self.registry.id, self.registry.name
        self.login_server = self.registry.login_server
        send_diagnostics(
            name,
            kind="Microsoft.ContainerRegistry/registries",
            resource_id=self.id,
            log_analytics_id=args.log_analytics_id,
            parent=self,
        )
        if args.protection.lock:
            authorization.ManagementLockByScope(
                f"{name}-lock",
                lock_name="images",
                scope=self.id,
                level="CanNotDelete",
                notes="A release names its image by digest; without it nothing can be rolled back.",
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({"id": self.id, "name": self.name, "loginServer": self.login_server})


_BASIC: dict[str, Any] = {
    "zone_redundancy": "Disabled",
    "policies": {"azure_ad_authentication_as_arm_policy": {"status": "enabled"}},
}


def _premium(args: ImageRegistryArgs) -> dict[str, Any]:
    """Return what exists in Premium alone; sent with another sku, Azure refuses the registry."""
    return {
        "zone_redundancy": "Enabled" if args.zone_redundant else "Disabled",
        "data_endpoint_enabled": True,
        "network_rule_set": {"default_action": "Deny" if args.private else "Allow", "ip_rules": []},
        "policies": {
            "azure_ad_authentication_as_arm_policy": {"status": "enabled"},
            # Off means images leave by a pull alone, never by an import into another registry.
            "export_policy": {"status": "disabled" if args.private else "enabled"},
            # Would keep every build invisible until a scanner, which this project does not bring, frees it.
            "quarantine_policy": {"status": "disabled"},
            "retention_policy": {"status": "enabled", "days": args.images.untagged_days},
            # Content trust is deprecated by Azure; digests in environments/releases/ take its place.
            "trust_policy": {"status": "disabled", "type": "Notary"},
        },
    }

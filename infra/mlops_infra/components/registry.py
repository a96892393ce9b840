"""The Azure Machine Learning registry that models are promoted through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices

from infra.mlops_infra.components.diagnostics import send_diagnostics

if TYPE_CHECKING:
    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Platform

__all__ = ["MlRegistry", "MlRegistryArgs"]


@dataclass(frozen=True, slots=True)
class MlRegistryArgs:
    """The registry that all environments share."""

    place: Placement
    platform: Platform
    zone_redundant: bool
    protect: bool
    log_analytics_id: pulumi.Input[str]


class MlRegistry(ComponentResource):
    """A registry whose storage and images Azure creates and nobody else can reach."""

    def __init__(self, name: str, args: MlRegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:ml:MlRegistry", name, None, opts)
        place = args.place
        account = {
            "storage_account_type": "Standard_ZRS" if args.zone_redundant else "Standard_LRS",
            "storage_account_hns_enabled": False,
            "allow_blob_public_access": False,
        }
        self.registry = machinelearningservices.Registry(
            name,
            registry_name=place.names.registry,
            resource_group_name=place.resource_group,
            location=place.location,
            identity={"type": "SystemAssigned"},
            public_network_access=args.platform.registry_public_network_access.title(),
            region_details=[
                {
                    "location": place.location,
                    "acr_details": [{"system_created_acr_account": {"acr_account_sku": "Premium"}}],
                    "storage_account_details": [{"system_created_storage_account": account}],
                }
            ],
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                retain_on_delete=args.protect,
                # Azure fills in the names of what it created.
                ignore_changes=["regionDetails"],
            ),
        )
        self.id, self.name = self.registry.id, self.registry.name
        send_diagnostics(
            name,
            kind="Microsoft.MachineLearningServices/registries",
            resource_id=self.id,
            log_analytics_id=args.log_analytics_id,
            parent=self,
        )
        self.register_outputs({"id": self.id, "name": self.name})

"""Azure Managed Grafana, for teams that want one picture over all environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import dashboard

from infra.mlops_infra.components.grants import Grant, grant
from infra.mlops_infra.components.identity import principal_of

if TYPE_CHECKING:
    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["Dashboards", "DashboardsArgs"]


@dataclass(frozen=True, slots=True)
class DashboardsArgs:
    """One Grafana workspace over one log workspace."""

    place: Placement
    zone_redundant: bool
    log_analytics_id: pulumi.Input[str]


class Dashboards(ComponentResource):
    """Grafana without API keys, reading logs with its own identity."""

    def __init__(self, name: str, args: DashboardsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:Dashboards", name, None, opts)
        self.grafana = dashboard.Grafana(
            name,
            workspace_name=args.place.names.of("grafana"),
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            sku={"name": "Standard"},
            identity={"type": "SystemAssigned"},
            properties={
                "api_key": "Disabled",
                "deterministic_outbound_ip": "Disabled",
                "public_network_access": "Enabled",
                "zone_redundancy": "Enabled" if args.zone_redundant else "Disabled",
                "grafana_major_version": "11",
            },
            opts=ResourceOptions(parent=self),
        )
        grant(
            Grant(
                key="grafana-reads-logs",
                role="Monitoring Reader",
                scope=args.log_analytics_id,
                principal_id=principal_of(self.grafana.identity),
                principal_type="ServicePrincipal",
                description="Grafana reads logs and metrics.",
            ),
            args.place,
            parent=self,
        )
        self.id = self.grafana.id
        self.register_outputs({"id": self.id})

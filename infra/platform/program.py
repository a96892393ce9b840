"""The stack `shared`: ML registry, logs, action groups, private DNS zones, and Grafana on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.mlops_infra.components.dashboards import Dashboards, DashboardsArgs
from infra.mlops_infra.components.monitor_link import MonitorScope, MonitorScopeArgs
from infra.mlops_infra.components.notifications import Notifications, NotificationsArgs
from infra.mlops_infra.components.observability import LogStore, LogStoreArgs
from infra.mlops_infra.components.private_link import PrivateZones, PrivateZonesArgs
from infra.mlops_infra.components.registry import MlRegistry, MlRegistryArgs
from infra.mlops_infra.components.resource_group import place_in_group
from infra.mlops_infra.contract import export_contract
from infra.mlops_infra.program import ProgramConfig, provider_for
from infra.mlops_infra.tags import register_tags, tags_of
from infra.mlops_infra.zones import zones_for
from mlops.naming import Names
from mlops.settings.together import load_together

if TYPE_CHECKING:
    from pulumi import ResourceOptions

    from infra.mlops_infra.placement import Placement
    from mlops.settings import Environment

__all__ = ["build"]

STACK = "shared"


def build() -> None:
    """Declare what all environments share; it is kept as strictly as the strictest of them."""
    config = ProgramConfig.read()
    environments = [settings.environment for settings in load_together(config.root).values()]
    prod = environments[-1]
    subscription_id = prod.platform.subscription_id or prod.azure.subscription_id
    names = Names(prod.project.name, STACK, subscription_id)
    protect = any(environment.protection.protect for environment in environments)
    register_tags(tags_of(prod, STACK))
    opts = provider_for(names, subscription_id=subscription_id, tenant_id=prod.azure.tenant_id)
    place = place_in_group(
        names,
        location=prod.project.location,
        subscription_id=subscription_id,
        tenant_id=prod.azure.tenant_id,
        create=config.create_resource_group,
        protect=protect,
        opts=opts,
    )
    _declare(prod, place, protect=protect, opts=opts)


def _declare(prod: Environment, place: Placement, *, protect: bool, opts: ResourceOptions) -> None:
    platform = prod.platform
    zone_redundant = "Z" in prod.storage.redundancy
    logs = LogStore("logs", LogStoreArgs(place, platform, protect), opts)
    owners = Notifications("owners", NotificationsArgs(place, platform.owners), opts)
    registry = MlRegistry("registry", MlRegistryArgs(place, platform, zone_redundant, protect, logs.id), opts)
    zones: dict[str, Any] = {}
    if platform.private_dns_zones:
        names = zones_for(monitor=platform.private_link_scope)
        zones = PrivateZones("zones", PrivateZonesArgs(place, protect, names), opts).ids
    monitored = None
    if platform.private_link_scope:
        monitored = MonitorScope("monitor-scope", MonitorScopeArgs(place, logs.id), opts)
    grafana = None
    if platform.grafana:
        grafana = Dashboards("grafana", DashboardsArgs(place, zone_redundant, logs.id), opts)
    export_contract(
        "platform",
        STACK,
        {
            "resourceGroup": place.resource_group,
            "location": place.location,
            "logAnalyticsId": logs.id,
            "registryId": registry.id,
            "registryName": registry.name,
            "actionGroupIds": owners.ids,
            "privateZoneIds": zones,
            "privateLinkScopeId": monitored.id if monitored else None,
            "grafanaId": grafana.id if grafana else None,
        },
    )

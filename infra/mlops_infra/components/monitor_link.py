"""Azure Monitor inside private networks: one scope for all, which each environment joins.

A scope takes over the names of Azure Monitor for every network that its DNS zones are linked to, so
there is one per DNS, and what a linked network may send to is what the scope lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import monitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["MonitorScope", "MonitorScopeArgs", "ScopedMonitoring", "ScopedMonitoringArgs"]


@dataclass(frozen=True, slots=True)
class MonitorScopeArgs:
    """Where the scope is, and the log workspace that it begins with."""

    place: Placement
    log_analytics_id: pulumi.Input[str]


class MonitorScope(ComponentResource):
    """A private link scope: networks that are linked to it send to its own resources and to no other."""

    def __init__(self, name: str, args: MonitorScopeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:MonitorScope", name, None, opts)
        self.scope = monitor.PrivateLinkScope(
            name,
            scope_name=args.place.names.of("private_link_scope"),
            resource_group_name=args.place.resource_group,
            location="Global",
            # Nobody carries data out through another team's logs; people read from anywhere, with tokens.
            access_mode_settings={"ingestion_access_mode": "PrivateOnly", "query_access_mode": "Open"},
            opts=ResourceOptions(parent=self),
        )
        self.id, self.name = self.scope.id, self.scope.name
        monitor.PrivateLinkScopedResource(
            f"{name}-logs",
            name="logs",
            scope_name=self.name,
            resource_group_name=args.place.resource_group,
            kind="Resource",
            linked_resource_id=args.log_analytics_id,
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"id": self.id})


@dataclass(frozen=True, slots=True)
class ScopedMonitoringArgs:
    """What one environment adds to the shared scope.

    Parameters
    ----------
    resources
        Application Insights and the data collection endpoint, by a word that names them.
    """

    place: Placement
    scope_name: pulumi.Input[str]
    scope_resource_group: pulumi.Input[str]
    resources: Mapping[str, pulumi.Input[str]]


class ScopedMonitoring(ComponentResource):
    """An environment's own telemetry in the shared scope."""

    def __init__(self, name: str, args: ScopedMonitoringArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:ScopedMonitoring", name, None, opts)
        previous: pulumi.Resource | None = None
        for word, resource_id in args.resources.items():
            # A scope takes one change at a time.
            previous = monitor.PrivateLinkScopedResource(
                f"{name}-{word}",
                name=f"{args.place.names.environment}-{word}",
                scope_name=args.scope_name,
                resource_group_name=args.scope_resource_group,
                kind="Resource",
                linked_resource_id=resource_id,
                opts=ResourceOptions(parent=self, depends_on=[previous] if previous else None),
            )
        self.register_outputs({})

"""Private endpoints with their DNS, and the zones that all environments share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import network, privatedns

from infra.mlops_infra.zones import ZONES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = [
    "PrivateLink",
    "PrivateLinkArgs",
    "PrivateZones",
    "PrivateZonesArgs",
    "ZoneLinks",
    "ZoneLinksArgs",
]


@dataclass(frozen=True, slots=True)
class PrivateZonesArgs:
    """Where the zones are, and which."""

    place: Placement
    protect: bool
    zones: tuple[str, ...]


class PrivateZones(ComponentResource):
    """One zone per service: names resolve to private addresses wherever the zone is linked."""

    def __init__(self, name: str, args: PrivateZonesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:network:PrivateZones", name, None, opts)
        self.ids = {
            zone: privatedns.PrivateZone(
                zone,
                private_zone_name=zone,
                resource_group_name=args.place.resource_group,
                location="Global",
                opts=ResourceOptions(parent=self, protect=args.protect),
            ).id
            for zone in args.zones
        }
        self.register_outputs({"ids": self.ids})


@dataclass(frozen=True, slots=True)
class ZoneLinksArgs:
    """Which network resolves which of the shared zones."""

    place: Placement
    zones_resource_group: pulumi.Input[str]
    zones: tuple[str, ...]
    network_id: pulumi.Input[str]


class ZoneLinks(ComponentResource):
    """The links of one environment's network to every shared zone."""

    def __init__(self, name: str, args: ZoneLinksArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:network:ZoneLinks", name, None, opts)
        self.links = [
            privatedns.VirtualNetworkLink(
                zone,
                private_zone_name=zone,
                virtual_network_link_name=args.place.names.of("virtual_network"),
                resource_group_name=args.zones_resource_group,
                location="Global",
                registration_enabled=False,
                virtual_network={"id": args.network_id},
                opts=ResourceOptions(parent=self),
            )
            for zone in args.zones
        ]
        self.register_outputs({})


@dataclass(frozen=True, slots=True)
class PrivateLinkArgs:
    """One target and the group ids (sub-resources) that get an endpoint each.

    Parameters
    ----------
    zone_ids
        The ids of the shared zones by name; empty where a landing zone's policy writes the records.
    """

    place: Placement
    target: str
    target_id: pulumi.Input[str]
    group_ids: tuple[str, ...]
    subnet_id: pulumi.Input[str]
    zone_ids: Mapping[str, pulumi.Input[str]]


class PrivateLink(ComponentResource):
    """Private endpoints of one service, each with its DNS zone group."""

    def __init__(self, name: str, args: PrivateLinkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:network:PrivateLink", name, None, opts)
        self.endpoints = [self._endpoint(group_id, args) for group_id in args.group_ids]
        self.register_outputs({"ids": [endpoint.id for endpoint in self.endpoints]})

    def _endpoint(self, group_id: str, args: PrivateLinkArgs) -> network.PrivateEndpoint:
        place = args.place
        label = args.target if group_id == args.target else f"{args.target}-{group_id}"
        endpoint = network.PrivateEndpoint(
            label,
            private_endpoint_name=place.names.of("private_endpoint", label),
            custom_network_interface_name=f"nic-{place.names.of('private_endpoint', label)}",
            resource_group_name=place.resource_group,
            location=place.location,
            subnet={"id": args.subnet_id},
            private_link_service_connections=[
                {"name": label, "private_link_service_id": args.target_id, "group_ids": [group_id]}
            ],
            opts=ResourceOptions(parent=self),
        )
        if args.zone_ids:
            network.PrivateDnsZoneGroup(
                label,
                private_dns_zone_group_name="default",
                private_endpoint_name=endpoint.name,
                resource_group_name=place.resource_group,
                private_dns_zone_configs=[
                    {"name": zone.replace(".", "-"), "private_dns_zone_id": args.zone_ids[zone]}
                    for zone in ZONES[group_id]
                ],
                opts=ResourceOptions(parent=endpoint),
            )
        return endpoint

"""An environment's virtual network: subnets without default egress, each behind rules of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import network

if TYPE_CHECKING:
    from infra.mlops_infra.placement import Placement
    from mlops.settings.network import Hub, PrivateNetwork

__all__ = ["EnvironmentNetwork", "EnvironmentNetworkArgs"]


@dataclass(frozen=True, slots=True)
class EnvironmentNetworkArgs:
    """What a network is made of."""

    place: Placement
    network: PrivateNetwork


class EnvironmentNetwork(ComponentResource):
    """A virtual network with subnets for private endpoints, for runners and, with byo, for training."""

    def __init__(self, name: str, args: EnvironmentNetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:network:EnvironmentNetwork", name, None, opts)
        place = args.place
        subnets = {key: prefix for key, prefix in args.network.subnets if prefix is not None}
        groups = {key: self._security_group(key, args) for key in subnets}
        way_out = self._way_out(args)
        # Subnets are inline: with resources of their own, the network's next update deletes them.
        self.network = network.VirtualNetwork(
            "network",
            virtual_network_name=place.names.of("virtual_network"),
            resource_group_name=place.resource_group,
            location=place.location,
            address_space={"address_prefixes": [str(args.network.address_space)]},
            enable_ddos_protection=False,
            subnets=[
                # What offers a service answers, and calls nobody.
                _subnet(key, str(prefix), groups[key].id) | ({} if key == "private_endpoints" else way_out)
                for key, prefix in subnets.items()
            ],
            opts=ResourceOptions(parent=self, ignore_changes=["virtualNetworkPeerings"]),
        )
        self.id = self.network.id
        self.subnet_ids = {key: pulumi.Output.concat(self.id, "/subnets/", _dashed(key)) for key in subnets}
        if hub := args.network.hub:
            self._peer(hub, place)
        self.register_outputs({"id": self.id, "subnetIds": self.subnet_ids})

    def _security_group(self, key: str, args: EnvironmentNetworkArgs) -> network.NetworkSecurityGroup:
        place = args.place
        sources = [str(args.network.address_space)]
        sources += [str(space) for space in args.network.hub.address_spaces] if args.network.hub else []
        # Only what offers a service takes connections; runners and training nodes take none.
        allowed = [_allow_https(sources)] if key == "private_endpoints" else []
        return network.NetworkSecurityGroup(
            f"rules-{_dashed(key)}",
            network_security_group_name=place.names.of("network_security_group", _dashed(key)),
            resource_group_name=place.resource_group,
            location=place.location,
            security_rules=[*allowed, _DENY_INBOUND],
            opts=ResourceOptions(parent=self),
        )

    def _way_out(self, args: EnvironmentNetworkArgs) -> dict[str, Any]:
        """Return what a subnet reaches the internet by, as the settings say: nothing, unless they do."""
        place, egress = args.place, args.network.egress
        common: dict[str, Any] = {"resource_group_name": place.resource_group, "location": place.location}
        child = ResourceOptions(parent=self)
        if egress == "nat_gateway":
            address = network.PublicIPAddress(
                "egress-address",
                public_ip_address_name=place.names.of("public_ip", "egress"),
                sku={"name": "Standard", "tier": "Regional"},
                public_ip_allocation_method="Static",
                public_ip_address_version="IPv4",
                **common,
                opts=child,
            )
            gateway = network.NatGateway(
                "egress",
                nat_gateway_name=place.names.of("nat_gateway"),
                sku={"name": "Standard"},
                idle_timeout_in_minutes=4,
                public_ip_addresses=[{"id": address.id}],
                **common,
                opts=child,
            )
            return {"nat_gateway": {"id": gateway.id}}
        hub = args.network.hub
        if egress == "hub" and hub and hub.firewall_address:
            table = network.RouteTable(
                "egress",
                route_table_name=place.names.of("route_table", "egress"),
                # A gateway in the hub would otherwise announce a shorter way around the firewall.
                disable_bgp_route_propagation=True,
                routes=[
                    {
                        "name": "internet-through-the-hub",
                        "address_prefix": "0.0.0.0/0",
                        "next_hop_type": "VirtualAppliance",
                        "next_hop_ip_address": str(hub.firewall_address),
                    }
                ],
                **common,
                opts=child,
            )
            return {"route_table": {"id": table.id}}
        return {}

    def _peer(self, hub: Hub, place: Placement) -> None:
        network.VirtualNetworkPeering(
            "peering-to-hub",
            virtual_network_peering_name="to-hub",
            virtual_network_name=self.network.name,
            resource_group_name=place.resource_group,
            remote_virtual_network={"id": hub.virtual_network_id},
            allow_virtual_network_access=True,
            allow_forwarded_traffic=True,
            allow_gateway_transit=False,
            use_remote_gateways=False,
            opts=ResourceOptions(parent=self),
        )


_DENY_INBOUND: dict[str, Any] = {
    "name": "deny-inbound",
    "description": "Azure's default rules let the whole virtual network in.",
    "priority": 4096,
    "direction": "Inbound",
    "access": "Deny",
    "protocol": "*",
    "source_address_prefix": "*",
    "source_port_range": "*",
    "destination_address_prefix": "*",
    "destination_port_range": "*",
}


def _allow_https(sources: list[str]) -> dict[str, Any]:
    return {
        "name": "allow-https",
        "description": "People and runners reach the services from this network and the hub.",
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "source_address_prefixes": sources,
        "source_port_range": "*",
        "destination_address_prefix": "VirtualNetwork",
        "destination_port_range": "443",
    }


def _subnet(key: str, prefix: str, group_id: pulumi.Input[str]) -> dict[str, Any]:
    return {
        "name": _dashed(key),
        "address_prefix": prefix,
        "network_security_group": {"id": group_id},
        # Azure's implicit way out to the internet has no owner and no log.
        "default_outbound_access": False,
        # Otherwise the security group does not apply to private endpoints.
        "private_endpoint_network_policies": "Enabled",
        "private_link_service_network_policies": "Enabled",
    }


def _dashed(key: str) -> str:
    return key.replace("_", "-")

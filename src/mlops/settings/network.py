"""The three ways an environment is connected: public, managed by Azure, or in a network of its own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network  # noqa: TC003 - pydantic reads annotations
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mlops.settings.section import Section

__all__ = ["ByoNetwork", "Hub", "ManagedNetwork", "Network", "PrivateNetwork", "PublicNetwork", "Subnets"]

ResourceId = Annotated[str, StringConstraints(pattern=r"^/subscriptions/[^/]+/resourceGroups/[^/]+/.+[^/]$")]
# One wildcard label at the front is all that the managed network's firewall understands.
Fqdn = Annotated[str, StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]


class PublicNetwork(Section):
    """Services answer on the internet, behind Entra authentication; nothing is billed for the network."""

    profile: Literal["public"]
    allowed_ip_ranges: tuple[IPv4Network, ...] = Field(
        (), description="addresses that may reach storage and vault; empty means any"
    )


class Hub(Section):
    """A network that an environment's network is peered with: where people and runners come from."""

    virtual_network_id: ResourceId
    address_spaces: tuple[IPv4Network, ...] = Field(min_length=1)
    firewall_address: IPv4Address | None = Field(None, description="where the egress `hub` is sent")


class Subnets(Section):
    """The subnets of an environment's virtual network."""

    private_endpoints: IPv4Network
    runners: IPv4Network
    training: IPv4Network | None = Field(None, description="compute clusters; for the profile byo alone")


class PrivateNetwork(Section):
    """What both private profiles have: a virtual network that people and runners reach the services from."""

    address_space: IPv4Network
    subnets: Subnets
    hub: Hub | None = None
    egress: Literal["none", "nat_gateway", "hub"] = Field(
        "none",
        description="how runners, and with byo computes, reach the internet: not at all, from one address "
        "of their own, or through the hub's firewall",
    )


class ManagedNetwork(PrivateNetwork):
    """Azure runs the network of computes and endpoints; what they may reach is a list of rules."""

    profile: Literal["managed"]
    isolation: Literal["internet_outbound", "approved_outbound"]
    approved_fqdns: tuple[Fqdn, ...] = Field(
        (), description="needs approved_outbound; the first one makes Azure bill a firewall"
    )
    firewall_sku: Literal["basic", "standard"] = "standard"


class ByoNetwork(PrivateNetwork):
    """Computes run in this environment's own subnet."""

    profile: Literal["byo"]


Network = Annotated[PublicNetwork | ManagedNetwork | ByoNetwork, Field(discriminator="profile")]

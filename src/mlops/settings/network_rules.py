"""Rules over the network section: what Azure refuses late, or accepts and never lets go of."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING, Final

from mlops.settings.finding import Finding
from mlops.settings.network import ManagedNetwork, PublicNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.settings.model import Environment
    from mlops.settings.network import PrivateNetwork

__all__ = ["network_findings", "overlap_findings"]

DOCKER_BRIDGE: Final = IPv4Network("172.17.0.0/16")
"""The network of containers on every compute node: an address in it is never reached from there."""

RFC_1918: Final = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# A workspace, its storage, vault and registry take up to sixteen addresses, and Azure keeps five.
_ENDPOINT_PREFIX: Final = 27


def network_findings(environment: Environment) -> Iterator[Finding]:
    """Yield what is wrong in one environment's network."""
    network = environment.network
    if environment.serving.public_network_access == "disabled" and not environment.private:
        yield Finding(
            ("serving", "public_network_access"),
            "a private endpoint needs a private workspace: network.profile managed or byo",
            "disabled",
            "set network.profile to managed, or leave serving.public_network_access enabled",
        )
    if isinstance(network, PublicNetwork):
        return
    yield from _space(network)
    yield from _subnets(network)
    yield from _egress(network)
    if isinstance(network, ManagedNetwork):
        yield from _managed(network)
    elif network.subnets.training is None:
        yield Finding(
            ("network", "subnets"),
            "with the profile byo, computes need a subnet of their own",
            "no subnet `training`",
            "add network.subnets.training",
        )


def overlap_findings(environments: Mapping[str, Environment]) -> Iterator[tuple[str, Finding]]:
    """Yield, with its environment, each address space that another environment has too."""
    spaces = [
        (name, environment.network.address_space)
        for name, environment in environments.items()
        if not isinstance(environment.network, PublicNetwork)
    ]
    for (first, space), (second, other) in combinations(spaces, 2):
        if space.overlaps(other):
            yield (
                second,
                Finding(
                    ("network", "address_space"),
                    f"no overlap with {first}'s {space}: overlapping networks cannot be peered with one hub",
                    str(other),
                    "choose a free range in network.address_space",
                ),
            )


def _space(network: PrivateNetwork) -> Iterator[Finding]:
    space = network.address_space
    location = ("network", "address_space")
    if not any(space.subnet_of(private) for private in RFC_1918):
        yield Finding(location, "a private range (RFC 1918)", str(space), "choose one such as 10.64.0.0/22")
    if space.overlaps(DOCKER_BRIDGE):
        yield Finding(
            location,
            f"no overlap with {DOCKER_BRIDGE}, the containers' own network on every compute",
            str(space),
            "choose a range such as 10.64.0.0/22",
        )
    for position, other in enumerate(network.hub.address_spaces if network.hub else ()):
        if space.overlaps(other):
            yield Finding(
                location,
                f"no overlap with the hub's {other} (network.hub.address_spaces.{position})",
                str(space),
                "choose a range that the hub does not have: Azure refuses the peering",
            )


def _subnets(network: PrivateNetwork) -> Iterator[Finding]:
    named = {name: net for name, net in network.subnets if net is not None}
    for name, subnet in named.items():
        if not subnet.subnet_of(network.address_space):
            yield Finding(
                ("network", "subnets", name),
                f"inside network.address_space {network.address_space}",
                str(subnet),
                "move the subnet, or widen the address space",
            )
    for (first, one), (second, other) in combinations(named.items(), 2):
        if one.overlaps(other):
            yield Finding(
                ("network", "subnets", second),
                f"no overlap with the subnet {first} ({one})",
                str(other),
                "give each subnet a range of its own",
            )
    if network.subnets.private_endpoints.prefixlen > _ENDPOINT_PREFIX:
        yield Finding(
            ("network", "subnets", "private_endpoints"),
            f"/{_ENDPOINT_PREFIX} or larger: each private endpoint takes addresses, and Azure keeps five",
            str(network.subnets.private_endpoints),
            f"widen it to /{_ENDPOINT_PREFIX}",
        )


def _egress(network: PrivateNetwork) -> Iterator[Finding]:
    address = network.hub.firewall_address if network.hub else None
    if (network.egress == "hub") != (address is not None):
        yield Finding(
            ("network", "egress"),
            "`hub` with network.hub.firewall_address, and only with it",
            f"{network.egress}, firewall_address {address or 'not set'}",
            "set both, or neither",
        )
    spaces = network.hub.address_spaces if network.hub else ()
    if address and not any(address in space for space in spaces):
        yield Finding(
            ("network", "hub", "firewall_address"),
            f"an address of the hub: {', '.join(map(str, spaces))}",
            str(address),
            "write the private address of the hub's firewall",
        )


def _managed(network: ManagedNetwork) -> Iterator[Finding]:
    if network.approved_fqdns and network.isolation != "approved_outbound":
        yield Finding(
            ("network", "approved_fqdns"),
            "rules for names need network.isolation approved_outbound",
            ", ".join(network.approved_fqdns),
            "set network.isolation to approved_outbound, or remove approved_fqdns",
        )
    if network.subnets.training is not None:
        yield Finding(
            ("network", "subnets", "training"),
            "no training subnet with the profile managed: Azure runs the computes' network",
            str(network.subnets.training),
            "remove it, or set network.profile to byo",
        )

"""Checks of virtual networks, security groups, private endpoints and DNS zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.policy.check import ResourceCheck, StackCheck, Subject, at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

__all__ = ["CHECKS", "STACK_CHECKS"]

_SUBNETS: Final = ("network:VirtualNetwork", "network:Subnet")
_RULES: Final = ("network:NetworkSecurityGroup", "network:SecurityRule")
_ENDPOINT: Final = ("network:PrivateEndpoint",)
_ANYWHERE: Final = {"*", "0.0.0.0/0", "any", "internet"}
# Subnets that Azure's own services manage; it refuses rules on some of them.
_MANAGED_SUBNETS: Final = {"AzureBastionSubnet", "AzureFirewallSubnet", "GatewaySubnet"}
# The parts of a service that are reached separately: each needs an endpoint of its own.
_GROUPS: Final = {
    "containerregistry:Registry": {"registry"},
    "keyvault:Vault": {"vault"},
    "machinelearningservices:Workspace": {"amlworkspace"},
    "storage:StorageAccount": {"blob"},
}


def _subnets(subject: Subject) -> list[Mapping[str, Any]]:
    if subject.short_type == "network:Subnet":
        return [subject.props]
    return list(at(subject.props, "subnets") or ())


def _name(subject: Subject, subnet: Mapping[str, Any]) -> str:
    return str(subnet.get("name") or subnet.get("subnetName") or subject.name)


def _rules_on_subnets(subject: Subject) -> Iterator[str]:
    for subnet in _subnets(subject):
        name = _name(subject, subnet)
        if name not in _MANAGED_SUBNETS and not at(subnet, "networkSecurityGroup.id"):
            yield f"the subnet {name} has no network security group"


def _outbound(subject: Subject) -> Iterator[str]:
    for subnet in _subnets(subject):
        if subnet.get("defaultOutboundAccess") is not False:
            yield f"the subnet {_name(subject, subnet)} reaches the internet by default"


def _open_rules(subject: Subject) -> Iterator[str]:
    rules = at(subject.props, "securityRules") or ()
    for rule in [subject.props] if subject.short_type == "network:SecurityRule" else rules:
        sources = {rule.get("sourceAddressPrefix"), *(rule.get("sourceAddressPrefixes") or ())}
        anywhere = {str(one).casefold() for one in sources} & _ANYWHERE
        if rule.get("access") == "Allow" and rule.get("direction") == "Inbound" and anywhere:
            yield f"the rule {rule.get('name') or subject.name} lets anybody in"


CHECKS: Final = (
    ResourceCheck(
        "network-rules-on-subnets",
        "Every subnet has a network security group.",
        "medium",
        "Set network_security_group on the subnet.",
        "CKV2_AZURE_31; PSRule Azure.VNET.UseNSGs",
        _SUBNETS,
        _rules_on_subnets,
    ),
    ResourceCheck(
        "network-no-any-inbound",
        "No rule lets anybody in.",
        "critical",
        "Name the address ranges that may come in.",
        "CKV_AZURE_9, CKV_AZURE_10; PSRule Azure.NSG.AnyInboundSource",
        _RULES,
        _open_rules,
    ),
    ResourceCheck(
        "network-no-default-outbound",
        "Subnets reach the internet on purpose or not at all.",
        "medium",
        "Set default_outbound_access to false.",
        "Azure: retirement of default outbound access",
        _SUBNETS,
        _outbound,
    ),
)


def _groups_of(endpoint: Subject) -> set[str]:
    connections = at(endpoint.props, "privateLinkServiceConnections") or ()
    return {str(group) for one in connections for group in one.get("groupIds") or ()}


def _missing_endpoints(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    reached: dict[str, set[str]] = {}
    for endpoint in subjects:
        if endpoint.short_type in _ENDPOINT:
            for urn in endpoint.by_property.get("privateLinkServiceConnections", ()):
                reached.setdefault(urn, set()).update(_groups_of(endpoint))
    for one in subjects:
        if str(
            at(one.props, "publicNetworkAccess") or at(one.props, "properties.publicNetworkAccess")
        ) not in (
            "Disabled",
            "disabled",
        ):
            continue
        wanted = set(_GROUPS.get(one.short_type, set()))
        if one.short_type == "storage:StorageAccount" and at(one.props, "isHnsEnabled"):
            wanted.add("dfs")
        yield from (
            (f"nobody can reach its part {group}: it has no private endpoint", one.urn)
            for group in sorted(wanted - reached.get(one.urn, set()))
        )


def _without_dns(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    resolved = {
        urn
        for one in subjects
        if one.short_type == "network:PrivateDnsZoneGroup"
        for urn in one.by_property.get("privateEndpointName", ())
    }
    for one in subjects:
        if one.short_type in _ENDPOINT and one.urn not in resolved:
            yield "its address is in no DNS zone, so clients keep using the public one", one.urn


def _unlinked_zones(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    linked = {
        urn
        for one in subjects
        if one.short_type == "privatedns:VirtualNetworkLink"
        for urn in one.by_property.get("privateZoneName", ())
    }
    networks = [one for one in subjects if one.short_type == "network:VirtualNetwork"]
    for one in subjects:
        # A stack that only keeps the zones leaves the links to those with networks.
        if one.short_type == "privatedns:PrivateZone" and networks and one.urn not in linked:
            yield "no network asks it: it has no link", one.urn


STACK_CHECKS: Final = (
    StackCheck(
        "network-private-endpoints",
        "What answers inside a network alone has an endpoint there for each of its parts.",
        "high",
        "Add a PrivateEndpoint for the group.",
        "PSRule Azure.PrivateEndpoint; Azure Machine Learning: required private endpoints",
        _missing_endpoints,
    ),
    StackCheck(
        "network-endpoint-dns",
        "Every private endpoint is in its DNS zone.",
        "high",
        "Add a PrivateDnsZoneGroup for the endpoint.",
        "AVM private endpoint",
        _without_dns,
    ),
    StackCheck(
        "network-zone-links",
        "Every private DNS zone is linked to the network that asks it.",
        "medium",
        "Add a VirtualNetworkLink for the zone.",
        "AVM private DNS zone",
        _unlinked_zones,
    ),
)

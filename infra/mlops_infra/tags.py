"""Tags on every resource that takes them, by one transform of the whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.settings import Environment

__all__ = ["TAGGED", "register_tags", "tags_of"]

# The types of this repository that have tags; a test holds the list against the SDK.
TAGGED: Final = frozenset(
    f"azure-native:{name}"
    for name in (
        "alertsmanagement:AlertProcessingRuleByName",
        "applicationinsights:Component",
        "applicationinsights:Workbook",
        "containerregistry:Registry",
        "dashboard:Grafana",
        "eventgrid:SystemTopic",
        "keyvault:Key",
        "keyvault:Vault",
        "machinelearningservices:BatchEndpoint",
        "machinelearningservices:Compute",
        "machinelearningservices:OnlineEndpoint",
        "machinelearningservices:Registry",
        "machinelearningservices:Workspace",
        "managedidentity:UserAssignedIdentity",
        "monitor:ActionGroup",
        "monitor:ActivityLogAlert",
        "monitor:AutoscaleSetting",
        "monitor:DataCollectionEndpoint",
        "monitor:DataCollectionRule",
        "monitor:MetricAlert",
        "monitor:ScheduledQueryRule",
        "monitor:PrivateLinkScope",
        "network:NatGateway",
        "network:NetworkSecurityGroup",
        "network:PrivateEndpoint",
        "network:PublicIPAddress",
        "network:RouteTable",
        "network:VirtualNetwork",
        "operationalinsights:Workspace",
        "privatedns:PrivateZone",
        "privatedns:VirtualNetworkLink",
        "resources:ResourceGroup",
        "storage:StorageAccount",
    )
)


def tags_of(environment: Environment, stack: str) -> dict[str, str]:
    """Return the tags that say whose a resource is, for cost reports and for whoever finds it."""
    return {
        "project": environment.project.name,
        "environment": stack,
        "owner": environment.project.owner,
        "managed-by": "pulumi",
        "criticality": {"prod": "high", "staging": "medium"}.get(stack, "low"),
    }


def register_tags(tags: Mapping[str, str]) -> None:
    """Add `tags` below each resource's own: the provider has no default tags."""

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ not in TAGGED:
            return None
        own = cast("dict[str, str]", args.props.get("tags") or {})
        props = {**args.props, "tags": {**tags, **own}}
        return pulumi.ResourceTransformResult(props=props, opts=args.opts)

    pulumi.runtime.register_resource_transform(transform)

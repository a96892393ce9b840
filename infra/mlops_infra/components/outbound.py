"""What a managed network may reach: private endpoints of the project's own services, and named hosts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["OutboundRules", "OutboundRulesArgs"]


@dataclass(frozen=True, slots=True)
class OutboundRulesArgs:
    """The rules of one workspace's managed network.

    Parameters
    ----------
    targets
        Resource id and sub-resource by rule name. The workspace's own storage, vault and registry
        have rules that Azure adds.
    fqdns
        Host names; empty with internet outbound.
    after
        The roles that let the workspace's identity approve its private endpoints.
    """

    place: Placement
    workspace_name: pulumi.Input[str]
    targets: Mapping[str, tuple[pulumi.Input[str], str]]
    fqdns: Sequence[str]
    after: Sequence[pulumi.Resource]


class OutboundRules(ComponentResource):
    """Outbound rules, one after the other: the service refuses two changes of one network at a time."""

    def __init__(self, name: str, args: OutboundRulesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:ml:OutboundRules", name, None, opts)
        rules: dict[str, dict[str, Any]] = {
            rule: {
                "type": "PrivateEndpoint",
                "category": "UserDefined",
                "destination": {
                    "service_resource_id": resource_id,
                    "subresource_target": group_id,
                    "spark_enabled": True,
                },
            }
            for rule, (resource_id, group_id) in args.targets.items()
        }
        rules |= {
            _rule_name(fqdn): {"type": "FQDN", "category": "UserDefined", "destination": fqdn}
            for fqdn in args.fqdns
        }
        self.last: pulumi.Resource | None = None
        for rule, properties in rules.items():
            self.last = machinelearningservices.ManagedNetworkSettingsRule(
                f"{name}-{rule}",
                rule_name=rule,
                workspace_name=args.workspace_name,
                resource_group_name=args.place.resource_group,
                properties=properties,
                opts=ResourceOptions(
                    parent=self, depends_on=[*args.after, *([self.last] if self.last else [])]
                ),
            )
        self.register_outputs({"rules": list(rules)})


def _rule_name(fqdn: str) -> str:
    """Return a rule's name; the digest tells ``*.a.b`` and ``a.b`` apart."""
    digest = hashlib.sha256(fqdn.encode()).hexdigest()[:4]
    return f"fqdn-{fqdn.removeprefix('*.').replace('.', '-')}-{digest}"

"""Compute clusters that scale to zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices

from infra.mlops_infra.components.identity import user_assigned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.model import Compute

__all__ = ["ComputePools", "ComputePoolsArgs"]


@dataclass(frozen=True, slots=True)
class ComputePoolsArgs:
    """The clusters of one workspace.

    Parameters
    ----------
    subnet_id
        The nodes' subnet with the network profile byo; none otherwise.
    after
        What nodes need when they start: the managed network's rules and the identity's roles.
    """

    place: Placement
    pools: Mapping[str, Compute]
    workspace_name: pulumi.Input[str]
    identity_id: pulumi.Input[str]
    private: bool
    subnet_id: pulumi.Input[str] | None
    after: Sequence[pulumi.Resource]


class ComputePools(ComponentResource):
    """Clusters without SSH, local accounts or, in a private network, public addresses."""

    def __init__(self, name: str, args: ComputePoolsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:ml:ComputePools", name, None, opts)
        self.names: dict[str, pulumi.Output[str]] = {}
        for key, pool in args.pools.items():
            cluster = machinelearningservices.Compute(
                key,
                compute_name=args.place.names.compute(key),
                workspace_name=args.workspace_name,
                resource_group_name=args.place.resource_group,
                location=args.place.location,
                identity=user_assigned(args.identity_id),
                properties={
                    "compute_type": "AmlCompute",
                    "compute_location": args.place.location,
                    "disable_local_auth": True,
                    "properties": {
                        "vm_size": pool.size,
                        "vm_priority": "LowPriority" if pool.priority == "low_priority" else "Dedicated",
                        "os_type": "Linux",
                        "scale_settings": {
                            "min_node_count": pool.min_instances,
                            "max_node_count": pool.max_instances,
                            "node_idle_time_before_scale_down": f"PT{pool.idle_seconds}S",
                        },
                        "enable_node_public_ip": not args.private,
                        "remote_login_port_public_access": "Disabled",
                        **({"subnet": {"id": args.subnet_id}} if args.subnet_id is not None else {}),
                    },
                },
                opts=ResourceOptions(parent=self, depends_on=list(args.after)),
            )
            self.names[key] = cluster.name
        self.register_outputs({"names": self.names})

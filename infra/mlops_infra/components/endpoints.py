"""The shells of a use case's endpoints. What serves behind them is continuous delivery's, never Pulumi's."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices, monitor

from infra.mlops_infra.components.diagnostics import send_diagnostics
from infra.mlops_infra.components.identity import user_assigned
from infra.mlops_infra.metrics import DEPLOYMENT, ENDPOINT, check_metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Autoscale, Endpoint
    from mlops.settings.model import Serving

__all__ = ["EndpointShells", "EndpointShellsArgs"]

_AUTH_MODES: Final = MappingProxyType({"aad_token": "AADToken", "aml_token": "AMLToken", "key": "Key"})


@dataclass(frozen=True, slots=True)
class EndpointShellsArgs:
    """The endpoints of one use case."""

    place: Placement
    usecase: str
    endpoint: Endpoint
    serving: Serving
    protect: bool
    workspace_name: pulumi.Input[str]
    identity_id: pulumi.Input[str]
    log_analytics_id: pulumi.Input[str]
    after: Sequence[pulumi.Resource]


class EndpointShells(ComponentResource):
    """An online endpoint with its logs and scaling, and a batch endpoint where the use case wants one."""

    def __init__(self, name: str, args: EndpointShellsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:ml:EndpointShells", name, None, opts)
        place = args.place
        identity = user_assigned(args.identity_id)
        self.online = machinelearningservices.OnlineEndpoint(
            f"{name}-online",
            endpoint_name=place.names.endpoint(args.usecase),
            workspace_name=args.workspace_name,
            resource_group_name=place.resource_group,
            location=place.location,
            kind="Managed",
            identity=identity,
            properties={
                "auth_mode": _AUTH_MODES[args.serving.auth_mode],
                "public_network_access": args.serving.public_network_access.title(),
                "description": f"Online scoring of the use case {args.usecase}.",
            },
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                depends_on=list(args.after),
                # Which deployment gets how much is a rollout's decision, minute by minute.
                ignore_changes=["properties.traffic", "properties.mirrorTraffic"],
            ),
        )
        self.online_id = self.online.id
        send_diagnostics(
            f"{name}-online",
            kind=ENDPOINT,
            resource_id=self.online_id,
            log_analytics_id=args.log_analytics_id,
            parent=self,
        )
        self.batch: machinelearningservices.BatchEndpoint | None = None
        if args.endpoint.batch:
            self.batch = machinelearningservices.BatchEndpoint(
                f"{name}-batch",
                endpoint_name=place.names.batch_endpoint(args.usecase),
                workspace_name=args.workspace_name,
                resource_group_name=place.resource_group,
                location=place.location,
                identity=identity,
                # Batch endpoints know no other way to sign in.
                properties={
                    "auth_mode": "AADToken",
                    "description": f"Batch scoring of the use case {args.usecase}.",
                },
                opts=ResourceOptions(
                    parent=self,
                    protect=args.protect,
                    depends_on=list(args.after),
                    ignore_changes=["properties.defaults"],
                ),
            )
        if autoscale := args.endpoint.autoscale:
            for slot in autoscale.slots:
                self._scale(name, slot, autoscale, args)
        self.register_outputs({"onlineId": self.online_id})

    def _scale(self, name: str, slot: str, autoscale: Autoscale, args: EndpointShellsArgs) -> None:
        """Scale one deployment slot; CPU is measured on the deployment, not on its endpoint."""
        check_metric(DEPLOYMENT, "CpuUtilizationPercentage")
        target = pulumi.Output.concat(self.online_id, f"/deployments/{slot}")
        label = f"autoscale-{args.usecase}-{slot}"

        def rule(
            operator: str, threshold: int, direction: str, window: str, cooldown: str
        ) -> dict[str, object]:
            return {
                "metric_trigger": {
                    "metric_name": "CpuUtilizationPercentage",
                    "metric_namespace": DEPLOYMENT,
                    "metric_resource_uri": target,
                    "time_grain": "PT1M",
                    "statistic": "Average",
                    "time_window": window,
                    "time_aggregation": "Average",
                    "operator": operator,
                    "threshold": threshold,
                },
                "scale_action": {
                    "direction": direction,
                    "type": "ChangeCount",
                    "value": "1",
                    "cooldown": cooldown,
                },
            }

        monitor.AutoscaleSetting(
            f"{name}-{slot}",
            autoscale_setting_name=label,
            name=label,
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            # The SDK's own default is false: a setting that does nothing.
            enabled=True,
            target_resource_uri=target,
            target_resource_location=args.place.location,
            profiles=[
                {
                    "name": "cpu",
                    "capacity": {
                        "minimum": str(args.serving.instance_count),
                        "maximum": str(autoscale.max_instances),
                        "default": str(args.serving.instance_count),
                    },
                    # Quick to grow, slow to shrink: a new instance takes minutes to start.
                    "rules": [
                        rule("GreaterThan", autoscale.scale_out_percent, "Increase", "PT5M", "PT5M"),
                        rule("LessThan", autoscale.scale_in_percent, "Decrease", "PT15M", "PT15M"),
                    ],
                }
            ],
            opts=ResourceOptions(parent=self),
        )

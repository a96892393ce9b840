"""What is watched in one environment: endpoints' promises, the workspace, and who changes what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import ComponentResource, Output, ResourceOptions

from infra.mlops_infra import queries
from infra.mlops_infra.components.alert_rules import (
    ActivityRule,
    MetricRule,
    QueryRule,
    activity_alert,
    metric_alert,
    query_alert,
)
from infra.mlops_infra.metrics import ENDPOINT, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Endpoint, Monitoring

__all__ = ["EndpointAlerts", "EndpointAlertsArgs", "EnvironmentAlerts", "EnvironmentAlertsArgs"]


@dataclass(frozen=True, slots=True)
class EndpointAlertsArgs:
    """The promises of one use case's online endpoint."""

    place: Placement
    usecase: str
    endpoint: Endpoint
    profile: str
    monitoring: Monitoring
    endpoint_id: pulumi.Input[str]
    log_analytics_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]


class EndpointAlerts(ComponentResource):
    """One alert per line of the service level, and one for those who knock without a key."""

    def __init__(self, name: str, args: EndpointAlertsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:EndpointAlerts", name, None, opts)
        for metric in _metric_rules(args):
            metric_alert(
                metric, args.place, scope=args.endpoint_id, action_group_id=args.action_group_id, parent=self
            )
        for query in _query_rules(args):
            query_alert(
                query,
                args.place,
                log_analytics_id=args.log_analytics_id,
                action_group_id=args.action_group_id,
                parent=self,
            )
        self.register_outputs({})


def _metric_rules(args: EndpointAlertsArgs) -> Iterator[MetricRule]:
    usecase, slo = args.usecase, args.endpoint.slo
    yield MetricRule(
        f"latency-{usecase}",
        f"{usecase} answers slower than {slo.p95_ms} ms (95th percentile)",
        ENDPOINT,
        "RequestLatency_P95",
        severity=2,
        frequency="PT5M",
        window="PT15M",
        threshold=slo.p95_ms,
        dimensions={"deployment": ["*"]},
    )
    yield MetricRule(
        f"requests-{usecase}",
        f"{usecase} gets many more or fewer requests than usual",
        ENDPOINT,
        "RequestsPerMinute",
        severity=3,
        frequency="PT15M",
        window="PT1H",
    )
    if slo.silent_minutes is not None:
        yield MetricRule(
            f"silence-{usecase}",
            f"{usecase} got no request for {slo.silent_minutes} minutes",
            ENDPOINT,
            "RequestsPerMinute",
            severity=2,
            frequency="PT15M",
            window=_window(slo.silent_minutes),
            operator="LessThanOrEqual",
            threshold=0,
        )


def _query_rules(args: EndpointAlertsArgs) -> Iterator[QueryRule]:
    usecase, slo = args.usecase, args.endpoint.slo
    endpoint = args.place.names.endpoint(usecase)

    def by_deployment(key: str, title: str, query: str, severity: int) -> QueryRule:
        return QueryRule(f"{key}-{usecase}", title, query, severity, "PT5M", "PT1H", ("DeploymentName",))

    yield by_deployment(
        "errors",
        f"{usecase} fails more than {slo.error_percent} % of its requests",
        queries.endpoint_errors(endpoint, slo.error_percent),
        severity=1,
    )
    yield by_deployment(
        "throttling",
        f"{usecase} refuses or delays more than {slo.throttled_percent} % of its requests",
        queries.endpoint_throttling(endpoint, slo.throttled_percent),
        severity=2,
    )
    yield by_deployment(
        "refusals",
        f"callers without a right keep calling {usecase}",
        queries.endpoint_refusals(endpoint),
        severity=2,
    )
    if args.profile == "dev":
        yield QueryRule(
            f"service-{usecase}",
            f"{usecase} serves like a product in {args.place.names.environment}: promote it",
            queries.service_in_disguise(endpoint, args.monitoring.service_requests_per_day),
            severity=4,
            frequency="PT6H",
            window=queries.LONGEST_WINDOW,
        )


def _window(minutes: int) -> str:
    """Return the smallest window that Azure offers for metric alerts and that is not shorter."""
    offered = {15: "PT15M", 30: "PT30M", 60: "PT1H", 360: "PT6H", 720: "PT12H", 1440: "P1D"}
    return next(text for size, text in offered.items() if size >= minutes)


@dataclass(frozen=True, slots=True)
class EnvironmentAlertsArgs:
    """The workspace and the resource group of one environment."""

    place: Placement
    profile: str
    workspace_id: pulumi.Input[str]
    log_analytics_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]


class EnvironmentAlerts(ComponentResource):
    """Quota, broken nodes and failed runs; changes of access and keys; Azure's own findings and failures."""

    def __init__(self, name: str, args: EnvironmentAlertsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:EnvironmentAlerts", name, None, opts)
        subscription = f"/subscriptions/{args.place.subscription_id}"
        for metric in _WORKSPACE_METRICS:
            metric_alert(
                metric, args.place, scope=args.workspace_id, action_group_id=args.action_group_id, parent=self
            )
        for activity in _ACTIVITIES:
            # Azure writes health and Defender's findings to the subscription's log, not to a group's.
            wide = activity.fields["category"] in {"Security", "ServiceHealth"}
            activity_alert(
                activity,
                args.place,
                action_group_id=args.action_group_id,
                parent=self,
                scope=subscription if wide else None,
            )
        if args.profile == "dev":
            query_alert(
                QueryRule(
                    "stale",
                    "No core has worked for two days: is the environment still needed?",
                    Output.from_input(args.workspace_id).apply(queries.stale_workspace),
                    severity=4,
                    frequency="PT6H",
                    window=queries.LONGEST_WINDOW,
                ),
                args.place,
                log_analytics_id=args.log_analytics_id,
                action_group_id=args.action_group_id,
                parent=self,
            )
        self.register_outputs({})


_WORKSPACE_METRICS = (
    MetricRule(
        "quota",
        "A machine family is above 85 % of its quota: the next job waits",
        WORKSPACE,
        "Quota Utilization Percentage",
        severity=3,
        frequency="PT15M",
        window="PT1H",
        aggregation="Maximum",
        threshold=85,
        dimensions={"VmFamilyName": ["*"]},
    ),
    MetricRule(
        "unusable-nodes",
        "Nodes of a cluster cannot be used",
        WORKSPACE,
        "Unusable Nodes",
        severity=2,
        frequency="PT5M",
        window="PT15M",
        aggregation="Maximum",
        threshold=0,
        dimensions={"ClusterName": ["*"]},
    ),
    MetricRule(
        "failed-runs",
        "Runs fail",
        WORKSPACE,
        "Failed Runs",
        severity=3,
        frequency="PT15M",
        window="PT1H",
        aggregation="Total",
        threshold=2,
    ),
)

_ACTIVITIES = (
    ActivityRule(
        "policy",
        "Azure Policy found or refused something that contradicts the baseline",
        {
            "category": "Policy",
            "operationName": (
                "Microsoft.Authorization/policies/audit/action",
                "Microsoft.Authorization/policies/deny/action",
            ),
        },
    ),
    ActivityRule(
        "access-changes",
        "Somebody changed a role, a lock or a policy",
        {
            "category": "Administrative",
            "operationName": (
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "Microsoft.Authorization/locks/delete",
                "Microsoft.Authorization/policyAssignments/delete",
            ),
        },
    ),
    ActivityRule(
        "endpoint-keys",
        "Somebody read or renewed keys that this project does not use",
        {
            "category": "Administrative",
            "operationName": (
                "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/listKeys/action",
                "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/regenerateKeys/action",
                "Microsoft.MachineLearningServices/workspaces/listKeys/action",
                "Microsoft.Storage/storageAccounts/listKeys/action",
            ),
        },
    ),
    ActivityRule("security", "Defender for Cloud found something", {"category": "Security"}),
    ActivityRule("azure-health", "An Azure service has an incident", {"category": "ServiceHealth"}),
)

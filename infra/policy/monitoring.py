"""Checks of logs, alerts, autoscaling and diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.mlops_infra.metrics import METRICS
from infra.policy.check import ResourceCheck, StackCheck, Subject, at, requires

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

__all__ = ["CHECKS", "STACK_CHECKS"]

_INSIGHTS: Final = ("applicationinsights:Component",)
_LOGS: Final = ("operationalinsights:Workspace",)
_METRIC_ALERT: Final = ("monitor:MetricAlert",)
_QUERY_RULE: Final = ("monitor:ScheduledQueryRule",)
_ALERTS: Final = (*_METRIC_ALERT, *_QUERY_RULE, "monitor:ActivityLogAlert")
_AUTOSCALE: Final = ("monitor:AutoscaleSetting",)
_DIAGNOSTIC: Final = ("monitor:DiagnosticSetting",)
_SHORTEST_RETENTION: Final = 90
# What says by itself what happens in it. Autoscaling and alerts are read from the activity log.
_OBSERVED: Final = {
    "containerregistry:Registry",
    "keyvault:Vault",
    "machinelearningservices:OnlineEndpoint",
    "machinelearningservices:Registry",
    "machinelearningservices:Workspace",
}
_OBSERVED_THROUGH: Final = {"storage:StorageAccount": "storage:BlobServiceProperties"}
_NAMESPACES: Final = {name.casefold(): name for name in METRICS}


def _retention(subject: Subject) -> Iterator[str]:
    days = at(subject.props, "retentionInDays") or 0
    if days < _SHORTEST_RETENTION:
        yield f"logs are kept for {days:g} days; {_SHORTEST_RETENTION} or more"


def _workspace_based(subject: Subject) -> Iterator[str]:
    if not at(subject.props, "workspaceResourceId"):
        yield "workspaceResourceId is not set"


def _called(subject: Subject) -> Iterator[str]:
    actions = at(subject.props, "actions")
    groups = actions if subject.short_type in _METRIC_ALERT else at(actions, "actionGroups")
    if not groups:
        yield "nobody is called: there is no action group"


def _metrics_exist(subject: Subject) -> Iterator[str]:
    for criterion in at(subject.props, "criteria.allOf") or ():
        dimensions = [one.get("name") for one in criterion.get("dimensions") or ()]
        yield from _unknown_metric(
            str(criterion.get("metricNamespace")), str(criterion.get("metricName")), dimensions
        )


def _autoscale_metrics_exist(subject: Subject) -> Iterator[str]:
    for trigger in (rule["metricTrigger"] for rule in _rules(subject)):
        dimensions = [one.get("DimensionName") for one in trigger.get("dimensions") or ()]
        yield from _unknown_metric(
            str(trigger.get("metricNamespace")), str(trigger.get("metricName")), dimensions
        )


def _unknown_metric(namespace: str, metric: str, dimensions: Iterable[object]) -> Iterator[str]:
    known = METRICS.get(_NAMESPACES.get(namespace.casefold(), ""))
    if known is None:
        yield f"{namespace} is no namespace of metrics that this repository knows"
    elif metric not in known:
        yield f"{namespace} has no metric {metric!r}"
    else:
        yield from (
            f"the metric {metric!r} has no dimension {name!r}"
            for name in dimensions
            if name not in known[metric]
        )


def _rules(subject: Subject) -> list[Mapping[str, Any]]:
    profiles = at(subject.props, "profiles") or ()
    return [rule for profile in profiles for rule in profile.get("rules") or ()]


def _both_directions(subject: Subject) -> Iterator[str]:
    directions = {at(rule, "scaleAction.direction") for rule in _rules(subject)}
    yield from (
        f"no rule scales in the direction {one}" for one in sorted({"Increase", "Decrease"} - directions)
    )


def _categories(subject: Subject) -> Iterator[str]:
    logs = at(subject.props, "logs") or ()
    if not any(one.get("enabled") for one in logs):
        yield "no category of logs is enabled"
    if not at(subject.props, "workspaceId"):
        yield "the logs go nowhere: workspaceId is not set"


CHECKS: Final = (
    ResourceCheck(
        "insights-workspace-based",
        "Application Insights keeps its data in a log workspace.",
        "medium",
        "Set workspace_resource_id.",
        "PSRule Azure.AppInsights.Workspace",
        _INSIGHTS,
        _workspace_based,
    ),
    ResourceCheck(
        "insights-no-local-auth",
        "Nobody writes telemetry with an instrumentation key.",
        "medium",
        "Set disable_local_auth to true.",
        "PSRule Azure.AppInsights.LocalAuth",
        _INSIGHTS,
        requires("disableLocalAuth", True),
    ),
    ResourceCheck(
        "logs-retention",
        "Logs are kept for 90 days or more.",
        "medium",
        "Set retention_in_days to 90.",
        "Azure security baseline LT-6",
        (*_LOGS, *_INSIGHTS),
        _retention,
        "log-retention",
    ),
    ResourceCheck(
        "logs-no-local-auth",
        "Nobody writes logs with a workspace key.",
        "medium",
        "Set features.disable_local_auth to true.",
        "Azure security baseline for Monitor IM-1",
        _LOGS,
        requires("features.disableLocalAuth", True),
    ),
    ResourceCheck(
        "alert-calls-somebody",
        "Alerts call somebody.",
        "high",
        "Add an action group to the rule.",
        "Azure Monitor Baseline Alerts",
        _ALERTS,
        _called,
    ),
    ResourceCheck(
        "alert-enabled",
        "Alerts are switched on.",
        "high",
        "Set enabled to true.",
        "Azure Monitor Baseline Alerts",
        _ALERTS,
        requires("enabled", True),
    ),
    ResourceCheck(
        "alert-metric-exists",
        "Alerts watch metrics and dimensions that Azure has.",
        "high",
        "Correct the metric's name, namespace or dimension.",
        "Azure Monitor: supported metrics",
        _METRIC_ALERT,
        _metrics_exist,
    ),
    ResourceCheck(
        "autoscale-enabled",
        "Autoscaling is switched on: the SDK's class leaves it off.",
        "high",
        "Set enabled to true.",
        "pulumi-azure-native AutoscaleSettingArgs",
        _AUTOSCALE,
        requires("enabled", True),
    ),
    ResourceCheck(
        "autoscale-both-ways",
        "What scales out also scales in.",
        "medium",
        "Add a rule for the other direction.",
        "Azure Monitor: autoscale best practices",
        _AUTOSCALE,
        _both_directions,
    ),
    ResourceCheck(
        "autoscale-metric-exists",
        "Autoscaling follows metrics that Azure has; those of CPU are the deployment's.",
        "high",
        "Correct the metric's name or namespace.",
        "Azure Monitor: supported metrics",
        _AUTOSCALE,
        _autoscale_metrics_exist,
    ),
    ResourceCheck(
        "diagnostics-categories",
        "Diagnostics send logs to a log workspace.",
        "medium",
        "Enable the categories and set workspace_id.",
        "Azure security baseline LT-3; AVM diagnostic settings",
        _DIAGNOSTIC,
        _categories,
    ),
)


def _unobserved(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    watched = {
        urn
        for one in subjects
        if one.short_type in _DIAGNOSTIC
        for urn in one.by_property.get("resourceUri", ())
    }
    # The logs of a storage account are those of its services.
    watched |= {
        urn
        for one in subjects
        if one.short_type in _OBSERVED_THROUGH.values() and one.urn in watched
        for urn in one.by_property.get("accountName", ())
    }
    for one in subjects:
        if (one.short_type in _OBSERVED or one.short_type in _OBSERVED_THROUGH) and one.urn not in watched:
            yield "nothing that happens in it is logged: it has no diagnostic setting", one.urn


STACK_CHECKS: Final = (
    StackCheck(
        "diagnostics-everywhere",
        "Every service that can log does.",
        "medium",
        "Add a DiagnosticSetting for the resource.",
        "Azure security baseline LT-3",
        _unobserved,
    ),
)

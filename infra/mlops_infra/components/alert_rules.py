"""Alert rules with every field that decides whether somebody hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pulumi import ResourceOptions
from pulumi_azure_native import monitor

from infra.mlops_infra.metrics import check_metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["ActivityRule", "MetricRule", "QueryRule", "activity_alert", "metric_alert", "query_alert"]

# The form for several resources: the one for a single resource knows no learned bands.
_CRITERIA: Final = "Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria"


@dataclass(frozen=True, slots=True)
class QueryRule:
    """A log alert that fires when its query returns a row.

    Parameters
    ----------
    dimensions
        At most six columns that each get an alert of their own.
    severity
        0 (critical) to 4 (verbose).
    """

    key: str
    title: str
    query: pulumi.Input[str]
    severity: int
    frequency: str
    window: str
    dimensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricRule:
    """A metric alert; without a threshold Azure learns the band.

    Parameters
    ----------
    namespace, metric, dimensions
        Official names, checked when the rule is declared.
    """

    key: str
    title: str
    namespace: str
    metric: str
    severity: int
    frequency: str
    window: str
    aggregation: str = "Average"
    operator: str = "GreaterThan"
    threshold: float | None = None
    dimensions: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """An alert on Azure's activity log: who changed what.

    Parameters
    ----------
    fields
        What an event must equal, by field; a tuple means any of them.
    """

    key: str
    title: str
    fields: Mapping[str, str | tuple[str, ...]]


def query_alert(
    rule: QueryRule,
    place: Placement,
    *,
    log_analytics_id: pulumi.Input[str],
    action_group_id: pulumi.Input[str],
    parent: pulumi.Resource,
) -> monitor.ScheduledQueryRule:
    """Declare a log alert that resolves by itself when its query returns nothing any more."""
    return monitor.ScheduledQueryRule(
        rule.key,
        rule_name=place.names.of("query_rule", rule.key),
        resource_group_name=place.resource_group,
        location=place.location,
        kind="LogAlert",
        display_name=f"{rule.title} ({place.names.environment})",
        description=rule.title,
        enabled=True,
        severity=rule.severity,
        scopes=[log_analytics_id],
        evaluation_frequency=rule.frequency,
        window_size=rule.window,
        auto_mitigate=True,
        # A table appears with its first row, which is later than its first rule.
        skip_query_validation=True,
        check_workspace_alerts_storage_configured=False,
        criteria={
            "all_of": [
                {
                    "query": rule.query,
                    "time_aggregation": "Count",
                    "operator": "GreaterThan",
                    "threshold": 0,
                    "dimensions": [
                        {"name": name, "operator": "Include", "values": ["*"]} for name in rule.dimensions
                    ],
                    "failing_periods": {"number_of_evaluation_periods": 1, "min_failing_periods_to_alert": 1},
                }
            ]
        },
        actions={"action_groups": [action_group_id]},
        opts=ResourceOptions(parent=parent),
    )


def metric_alert(
    rule: MetricRule,
    place: Placement,
    *,
    scope: pulumi.Input[str],
    action_group_id: pulumi.Input[str],
    parent: pulumi.Resource,
) -> monitor.MetricAlert:
    """Declare a metric alert on one resource."""
    check_metric(rule.namespace, rule.metric, tuple(rule.dimensions))
    # Written as Azure spells it: a static criterion fits two members of the SDK's union, and what fits
    # more than one is sent with its keys untranslated.
    criterion: dict[str, Any] = {
        "name": rule.key,
        "metricNamespace": rule.namespace,
        "metricName": rule.metric,
        "timeAggregation": rule.aggregation,
        "dimensions": [
            {"name": name, "operator": "Include", "values": list(values)}
            for name, values in rule.dimensions.items()
        ],
    }
    if rule.threshold is None:
        criterion |= {
            "criterionType": "DynamicThresholdCriterion",
            "operator": "GreaterOrLessThan",
            "alertSensitivity": "Low",
            "failingPeriods": {"numberOfEvaluationPeriods": 4, "minFailingPeriodsToAlert": 4},
        }
    else:
        criterion |= {
            "criterionType": "StaticThresholdCriterion",
            "operator": rule.operator,
            "threshold": rule.threshold,
        }
    return monitor.MetricAlert(
        rule.key,
        rule_name=place.names.of("alert", rule.key),
        resource_group_name=place.resource_group,
        location="Global",
        description=rule.title,
        enabled=True,
        severity=rule.severity,
        scopes=[scope],
        target_resource_type=rule.namespace,
        target_resource_region=place.location,
        evaluation_frequency=rule.frequency,
        window_size=rule.window,
        auto_mitigate=True,
        criteria={"odataType": _CRITERIA, "allOf": [criterion]},
        actions=[{"action_group_id": action_group_id}],
        opts=ResourceOptions(parent=parent),
    )


def activity_alert(
    rule: ActivityRule,
    place: Placement,
    *,
    action_group_id: pulumi.Input[str],
    parent: pulumi.Resource,
    scope: str | None = None,
) -> monitor.ActivityLogAlert:
    """Declare an alert on the activity log of the resource group, or of another scope."""
    return monitor.ActivityLogAlert(
        rule.key,
        activity_log_alert_name=place.names.of("alert", rule.key),
        resource_group_name=place.resource_group,
        location="Global",
        description=rule.title,
        enabled=True,
        scopes=[scope or place.resource_group_id],
        condition={"all_of": [_leaf(name, value) for name, value in rule.fields.items()]},
        actions={"action_groups": [{"action_group_id": action_group_id}]},
        opts=ResourceOptions(parent=parent),
    )


def _leaf(name: str, value: str | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(value, str):
        return {"field": name, "equals": value}
    return {"any_of": [{"field": name, "equals": item} for item in value]}

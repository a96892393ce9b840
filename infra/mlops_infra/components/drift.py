"""The cloud side of drift monitoring: where the evaluator writes, and what watches what it wrote.

A log alert looks back two days at most and forgets after that, so it cannot express three of five
daily windows: the evaluator keeps that state and writes it down, and rules here only read it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_azure_native import alertsmanagement, applicationinsights, monitor

from infra.mlops_infra import queries
from infra.mlops_infra.components.alert_rules import QueryRule, query_alert
from infra.mlops_infra.components.grants import Grant, grant
from infra.mlops_infra.components.observability import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import MaintenanceWindow, Monitoring

__all__ = ["SEVERITIES", "DriftMonitoring", "DriftMonitoringArgs"]

SEVERITIES: Final = MappingProxyType({"critical": 1, "warning": 2, "info": 3})
"""The evaluator's severities as Azure Monitor counts them; 0 is left to people."""

_DESTINATION: Final = "log-analytics"
_NAMESPACE: Final = uuid.UUID("0c9b1bb8-63a2-5f0e-8a55-5b1f6a1b0f52")


@dataclass(frozen=True, slots=True)
class DriftMonitoringArgs:
    """What drift monitoring of one environment needs.

    Parameters
    ----------
    action_group_ids
        By owner; each owner hears of the alerts that name it.
    publisher_id
        The principal of the identity that monitor jobs run as.
    default_owner
        Who hears of silence: a monitor that does not run names nobody.
    closed
        Monitors write from inside the network alone: the environment is in a private link scope.
    """

    place: Placement
    monitoring: Monitoring
    log_analytics_id: pulumi.Input[str]
    action_group_ids: Mapping[str, pulumi.Input[str]]
    default_owner: str
    publisher_id: pulumi.Input[str]
    closed: bool


class DriftMonitoring(ComponentResource):
    """An ingestion endpoint and rule, alert rules on firing states, a dead-man rule, a workbook."""

    def __init__(self, name: str, args: DriftMonitoringArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:DriftMonitoring", name, None, opts)
        self.endpoint, self.rule = self._ingestion(args)
        grant(
            Grant(
                key="monitor-publishes",
                role="Monitoring Metrics Publisher",
                scope=self.rule.id,
                principal_id=args.publisher_id,
                principal_type="ServicePrincipal",
                description="Monitor jobs write measurements, states and heartbeats.",
            ),
            args.place,
            parent=self,
        )
        for owner, rule in _rules(args):
            query_alert(
                rule,
                args.place,
                log_analytics_id=args.log_analytics_id,
                action_group_id=args.action_group_ids[owner],
                parent=self,
            )
        for key, window in args.monitoring.maintenance.items():
            self._maintenance(key, window, args)
        self._workbook(args)
        self.register_outputs({"ruleId": self.rule.id, "endpointId": self.endpoint.id})

    def contract(self) -> dict[str, Any]:
        """Return what monitors need to write; neither is a secret, since tokens decide."""
        return {
            "logsIngestion": {
                "endpoint": self.endpoint.logs_ingestion.apply(lambda answer: answer and answer.endpoint),
                "ruleId": self.rule.immutable_id,
            }
        }

    def _ingestion(
        self, args: DriftMonitoringArgs
    ) -> tuple[monitor.DataCollectionEndpoint, monitor.DataCollectionRule]:
        place = args.place
        endpoint = monitor.DataCollectionEndpoint(
            "ingestion",
            data_collection_endpoint_name=place.names.of("data_collection_endpoint"),
            resource_group_name=place.resource_group,
            location=place.location,
            description="Monitor jobs write here, signed in as their identity.",
            # Closing it takes a private link scope, which changes name resolution for the whole network.
            network_acls={"public_network_access": "Disabled" if args.closed else "Enabled"},
            opts=ResourceOptions(parent=self),
        )
        rule = monitor.DataCollectionRule(
            "measurements",
            data_collection_rule_name=place.names.of("data_collection_rule"),
            resource_group_name=place.resource_group,
            location=place.location,
            description="Measurements, alert states and heartbeats into tables of the shared log workspace.",
            data_collection_endpoint_id=endpoint.id,
            stream_declarations={
                f"Custom-{table}": {"columns": [{"name": key, "type": kind} for key, kind in columns.items()]}
                for table, columns in TABLES.items()
            },
            destinations={
                "log_analytics": [{"name": _DESTINATION, "workspace_resource_id": args.log_analytics_id}]
            },
            data_flows=[
                {
                    "streams": [f"Custom-{table}"],
                    "destinations": [_DESTINATION],
                    "transform_kql": "source",
                    "output_stream": f"Custom-{table}",
                }
                for table in TABLES
            ],
            opts=ResourceOptions(parent=self),
        )
        return endpoint, rule

    def _maintenance(self, key: str, window: MaintenanceWindow, args: DriftMonitoringArgs) -> None:
        alertsmanagement.AlertProcessingRuleByName(
            f"maintenance-{key}",
            alert_processing_rule_name=args.place.names.of("alert_processing_rule", key),
            resource_group_name=args.place.resource_group,
            location="Global",
            properties={
                "description": "Alerts are kept, nobody is called.",
                "enabled": True,
                "scopes": [args.place.resource_group_id],
                "actions": [{"action_type": "RemoveAllActionGroups"}],
                # What is critical calls at any time.
                "conditions": [{"field": "Severity", "operator": "NotEquals", "values": ["Sev0", "Sev1"]}],
                "schedule": {
                    "time_zone": window.time_zone,
                    "recurrences": [
                        {
                            "recurrence_type": "Weekly",
                            "days_of_week": list(window.days),
                            "start_time": window.starts,
                            "end_time": window.ends,
                        }
                    ],
                },
            },
            opts=ResourceOptions(parent=self),
        )

    def _workbook(self, args: DriftMonitoringArgs) -> None:
        place = args.place
        title = f"Drift and data quality ({place.names.environment})"
        applicationinsights.Workbook(
            "workbook",
            # Azure wants a GUID as the name; a hash of static words stays the same.
            resource_name_=str(uuid.uuid5(_NAMESPACE, place.resource_group_id)),
            resource_group_name=place.resource_group,
            location=place.location,
            kind="shared",
            category="workbook",
            display_name=title,
            description="What monitors measured, which alerts fire, and whether monitors run.",
            source_id=args.log_analytics_id,
            version="Notebook/1.0",
            serialized_data=Output.from_input(args.log_analytics_id).apply(
                lambda workspace_id: json.dumps(_workbook(title, place.names.environment, workspace_id))
            ),
            opts=ResourceOptions(parent=self),
        )


def _rules(args: DriftMonitoringArgs) -> list[tuple[str, QueryRule]]:
    """Return each rule with the owner whose action group it calls."""
    environment = args.place.names.environment
    firing = [
        (
            owner,
            QueryRule(
                f"firing-{severity}-{owner}",
                f"A monitor of {owner} fires ({severity})",
                queries.firing_states(environment, severity, owner),
                severity=number,
                frequency="PT1H",
                window=queries.LONGEST_WINDOW,
                dimensions=("Monitor", "Rule", "Signal", "Feature", "Segment", "Runbook"),
            ),
        )
        for severity, number in SEVERITIES.items()
        for owner in args.action_group_ids
    ]
    silent = QueryRule(
        "dead-man",
        f"A monitor has not run for {args.monitoring.heartbeat_hours} hours",
        queries.dead_man(environment, args.monitoring.heartbeat_hours),
        severity=2,
        frequency="PT1H",
        window=queries.LONGEST_WINDOW,
        dimensions=("Monitor",),
    )
    return [*firing, (args.default_owner, silent)]


def _workbook(title: str, environment: str, workspace_id: str) -> dict[str, Any]:
    """Return a workbook: firing alerts, values over time, runs."""
    here = f"| where Environment == '{environment}'"
    panels = {
        "Firing now": f"MonitorAlertStates_CL {here} | summarize arg_max(TimeGenerated, *) by Fingerprint "
        "| where State in ('firing', 'recovering', 'pending') "
        "| project Since, Severity, Monitor, Rule, Feature, Segment, Value, Threshold, Owner, Runbook",
        "Values": f"MonitorMeasurements_CL {here} | where isnotnull(Value) "
        "| summarize max(Value) by bin(TimeGenerated, 1d), strcat(Signal, ' ', Metric, ' ', Feature)",
        "Could not be judged": f"MonitorMeasurements_CL {here} "
        "| where Status in ('insufficient', 'no_data', 'schema_error', 'error') "
        "| summarize count() by Monitor, Feature, Status, Note",
        "Runs": f"MonitorHeartbeats_CL {here} "
        "| summarize Last = max(TimeGenerated), Seconds = avg(DurationSeconds), Rows = sum(Rows) by Monitor",
    }
    text = {"type": 1, "content": {"json": f"# {title}"}, "name": "title"}
    queries_ = [
        {
            "type": 3,
            "name": panel,
            "content": {
                "version": "KqlItem/1.0",
                "title": panel,
                "query": query,
                "size": 0,
                "queryType": 0,
                "resourceType": "microsoft.operationalinsights/workspaces",
                "crossComponentResources": [workspace_id],
                "timeContext": {"durationMs": 30 * 24 * 3600 * 1000},
                "visualization": "timechart" if panel == "Values" else "table",
            },
        }
        for panel, query in panels.items()
    ]
    return {
        "version": "Notebook/1.0",
        "items": [text, *queries_],
        "fallbackResourceIds": [workspace_id],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }

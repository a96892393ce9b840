"""Logs: the workspace that all environments share, and each environment's Application Insights."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import applicationinsights, operationalinsights

from infra.mlops_infra.components.diagnostics import send_diagnostics

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Platform

__all__ = ["TABLES", "ApplicationInsights", "ApplicationInsightsArgs", "LogStore", "LogStoreArgs"]

_WHICH = {"TimeGenerated": "datetime", "Environment": "string", "Monitor": "string"}
_ABOUT = {"Signal": "string", "Metric": "string", "Feature": "string", "Segment": "string"}

TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "MonitorMeasurements_CL": {
            **_WHICH, **_ABOUT, "Definition": "string", "Value": "real", "PValue": "real", "QValue": "real",
            "BaselineRows": "long", "ProductionRows": "long", "Status": "string", "Threshold": "real",
            "Note": "string",
        },
        "MonitorAlertStates_CL": {
            **_WHICH, **_ABOUT, "Rule": "string", "Fingerprint": "string", "State": "string",
            "Severity": "string", "Owner": "string", "Runbook": "string", "Since": "datetime",
            "Value": "real", "Threshold": "real",
        },
        "MonitorHeartbeats_CL": {**_WHICH, "Run": "string", "DurationSeconds": "real", "Rows": "long"},
    }
)  # fmt: skip
"""What the evaluator writes: one row per measurement, one per alert that is not inactive, one per run."""

# Tables spell it otherwise than the streams of a collection rule, whose names TABLES has.
_TABLE_TYPES = {"datetime": "dateTime"}


@dataclass(frozen=True, slots=True)
class LogStoreArgs:
    """The shared log workspace."""

    place: Placement
    platform: Platform
    protect: bool


def _ingestion(*, closed: bool) -> str:
    """Return who may send: with a private link scope, what is inside alone. Tokens decide in any case."""
    return "Disabled" if closed else "Enabled"


class LogStore(ComponentResource):
    """A Log Analytics workspace with the monitors' tables; Entra tokens alone, a daily cap on surprise."""

    def __init__(self, name: str, args: LogStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:LogStore", name, None, opts)
        keep = ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        self.workspace = operationalinsights.Workspace(
            name,
            workspace_name=args.place.names.of("log_analytics"),
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            sku={"name": "PerGB2018"},
            retention_in_days=args.platform.log_retention_days,
            workspace_capping={"daily_quota_gb": args.platform.daily_log_gb},
            features={
                "disable_local_auth": True,
                "enable_log_access_using_only_resource_permissions": True,
            },
            public_network_access_for_ingestion=_ingestion(closed=args.platform.private_link_scope),
            public_network_access_for_query="Enabled",
            opts=keep,
        )
        self.id, self.name = self.workspace.id, self.workspace.name
        self.tables = [
            operationalinsights.Table(
                table,
                table_name=table,
                workspace_name=self.workspace.name,
                resource_group_name=args.place.resource_group,
                plan="Analytics",
                retention_in_days=args.platform.log_retention_days,
                total_retention_in_days=max(365, args.platform.log_retention_days),
                schema={
                    "name": table,
                    "columns": [
                        {"name": key, "type": _TABLE_TYPES.get(kind, kind)} for key, kind in columns.items()
                    ],
                },
                opts=keep,
            )
            for table, columns in TABLES.items()
        ]
        send_diagnostics(
            name,
            kind="Microsoft.OperationalInsights/workspaces",
            resource_id=self.id,
            log_analytics_id=self.id,
            parent=self,
        )
        self.register_outputs({"id": self.id, "name": self.name})


@dataclass(frozen=True, slots=True)
class ApplicationInsightsArgs:
    """One environment's traces and metrics of deployments.

    Parameters
    ----------
    closed
        Telemetry comes from inside the network alone: the environment is in a private link scope.
    """

    place: Placement
    sampling_percent: float
    log_analytics_id: pulumi.Input[str]
    retention_days: int
    closed: bool


class ApplicationInsights(ComponentResource):
    """Application Insights whose data lies in the shared log workspace."""

    def __init__(self, name: str, args: ApplicationInsightsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:monitoring:ApplicationInsights", name, None, opts)
        self.component = applicationinsights.Component(
            name,
            resource_name_=args.place.names.of("application_insights"),
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            kind="web",
            application_type="web",
            flow_type="Bluefield",
            request_source="rest",
            ingestion_mode="LogAnalytics",
            workspace_resource_id=args.log_analytics_id,
            retention_in_days=args.retention_days,
            sampling_percentage=args.sampling_percent,
            disable_local_auth=True,
            disable_ip_masking=False,
            public_network_access_for_ingestion=_ingestion(closed=args.closed),
            public_network_access_for_query="Enabled",
            # Of no use without a token, and still not for the state to show.
            opts=ResourceOptions(
                parent=self, additional_secret_outputs=["connectionString", "instrumentationKey"]
            ),
        )
        self.id = self.component.id
        self.register_outputs({"id": self.id})

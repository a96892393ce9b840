"""Diagnostic settings: every service's logs and metrics go to the shared log workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi import ResourceOptions
from pulumi_azure_native import monitor

from infra.mlops_infra.metrics import LOGS

if TYPE_CHECKING:
    import pulumi

__all__ = ["send_diagnostics"]


def send_diagnostics(
    name: str,
    *,
    kind: str,
    resource_id: pulumi.Input[str],
    log_analytics_id: pulumi.Input[str],
    parent: pulumi.Resource,
) -> monitor.DiagnosticSetting:
    """Send all logs of one resource, by their official names, and its metrics.

    Parameters
    ----------
    kind
        The ARM type, a key of :data:`~infra.mlops_infra.metrics.LOGS`.
    """
    return monitor.DiagnosticSetting(
        name,
        name="to-log-analytics",
        resource_uri=resource_id,
        workspace_id=log_analytics_id,
        # Tables of their own per log, instead of one wide AzureDiagnostics.
        log_analytics_destination_type="Dedicated",
        logs=[{"category": category, "enabled": True} for category in LOGS[kind]],
        metrics=[{"category": "AllMetrics", "enabled": True}],
        opts=ResourceOptions(parent=parent),
    )

"""Alerts, drift monitoring, retraining, cost and policies of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.mlops_infra.components.alerts import (
    EndpointAlerts,
    EndpointAlertsArgs,
    EnvironmentAlerts,
    EnvironmentAlertsArgs,
)
from infra.mlops_infra.components.cost import CostGuard, CostGuardArgs
from infra.mlops_infra.components.drift import DriftMonitoring, DriftMonitoringArgs
from infra.mlops_infra.components.governance import Guardrails, GuardrailsArgs
from infra.mlops_infra.components.monitor_link import ScopedMonitoring, ScopedMonitoringArgs
from infra.mlops_infra.components.retraining import RetrainingTrigger, RetrainingTriggerArgs

if TYPE_CHECKING:
    from infra.workload.foundation import Foundation
    from infra.workload.machine_learning import MachineLearning
    from infra.workload.scope import Scope

__all__ = ["build_operations"]


def build_operations(scope: Scope, foundation: Foundation, learning: MachineLearning) -> dict[str, Any]:
    """Declare what watches an environment and what limits it; return what monitors need to know."""
    environment, place, opts = scope.environment, scope.place, scope.opts
    logs, groups = scope.platform.log_analytics_id, scope.platform.action_group_ids
    default_group = groups[scope.default_owner]
    for usecase, shells in learning.endpoints.items():
        endpoint = environment.endpoints[usecase]
        EndpointAlerts(
            f"alerts-{usecase}",
            EndpointAlertsArgs(
                place=place,
                usecase=usecase,
                endpoint=endpoint,
                profile=environment.profile,
                monitoring=environment.monitoring,
                endpoint_id=shells.online_id,
                log_analytics_id=logs,
                action_group_id=groups[endpoint.owner],
            ),
            opts,
        )
    EnvironmentAlerts(
        "alerts",
        EnvironmentAlertsArgs(place, environment.profile, learning.workspace.id, logs, default_group),
        opts,
    )
    drift = DriftMonitoring(
        "drift",
        DriftMonitoringArgs(
            place=place,
            monitoring=environment.monitoring,
            log_analytics_id=logs,
            action_group_ids=groups,
            default_owner=scope.default_owner,
            publisher_id=foundation.monitor_identity.principal_id,
            closed=scope.in_private_link_scope,
        ),
        opts,
    )
    if scope.in_private_link_scope:
        scope_id = scope.platform.private_link_scope_id
        ScopedMonitoring(
            "scoped",
            ScopedMonitoringArgs(
                place=place,
                scope_name=scope_id.apply(lambda known: known.rpartition("/")[2]),
                scope_resource_group=scope.platform.resource_group,
                resources={"insights": foundation.insights.id, "ingestion": drift.endpoint.id},
            ),
            opts,
        )
    RetrainingTrigger(
        "retraining",
        RetrainingTriggerArgs(
            place=place,
            trigger=environment.retraining.trigger,
            reader_id=foundation.monitor_identity.principal_id,
            workspace_id=learning.workspace.id,
            storage_id=foundation.storage.id,
            storage_name=foundation.storage.name,
        ),
        opts,
    )
    emails = environment.platform.owners[scope.default_owner].emails
    CostGuard("cost", CostGuardArgs(place, environment.budget, emails, default_group), opts)
    Guardrails("guardrails", GuardrailsArgs(place, environment.governance, environment.private), opts)
    return drift.contract()

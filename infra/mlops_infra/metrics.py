"""Official metric, dimension and log names: a rule on a misspelt metric never fires and never says so.

Source: the generated reference of Azure Monitor's supported metrics and resource logs, 2026.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mlops.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEPLOYMENT", "ENDPOINT", "LOGS", "METRICS", "WORKSPACE", "check_metric"]

WORKSPACE: Final = "Microsoft.MachineLearningServices/workspaces"
ENDPOINT: Final = f"{WORKSPACE}/onlineEndpoints"
DEPLOYMENT: Final = f"{ENDPOINT}/deployments"

METRICS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        WORKSPACE: {
            "Active Cores": ("Scenario", "ClusterName"),
            "Failed Runs": (
                "Scenario", "RunType", "PublishedPipelineId", "ComputeType", "PipelineStepType",
                "ExperimentName",
            ),
            "Idle Nodes": ("Scenario", "ClusterName"),
            "Model Deploy Failed": ("Scenario", "StatusCode"),
            "Quota Utilization Percentage": ("Scenario", "ClusterName", "VmFamilyName", "VmPriority"),
            "Unusable Nodes": ("Scenario", "ClusterName"),
        },
        ENDPOINT: {
            "ConnectionsActive": (),
            "DataCollectionErrorsPerMinute": ("deployment", "reason", "type"),
            "NewConnectionsPerSecond": (),
            "RequestLatency_P50": ("deployment",),
            "RequestLatency_P90": ("deployment",),
            "RequestLatency_P95": ("deployment",),
            "RequestLatency_P99": ("deployment",),
            "RequestsPerMinute": ("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
        },
        # Utilization is measured on the deployment, never on its endpoint.
        DEPLOYMENT: {
            "CpuMemoryUtilizationPercentage": ("instanceId",),
            "CpuUtilizationPercentage": ("instanceId",),
            "DeploymentCapacity": ("instanceId", "State"),
            "GpuUtilizationPercentage": ("instanceId",),
        },
    }
)  # fmt: skip

LOGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        WORKSPACE: (
            "AmlComputeClusterEvent", "AmlComputeClusterNodeEvent", "AmlComputeJobEvent",
            "AmlRunStatusChangedEvent", "ComputeInstanceEvent", "DataSetChangeEvent", "DataStoreChangeEvent",
            "DataStoreReadEvent", "EnvironmentChangeEvent", "ModelsChangeEvent", "ModelsReadEvent",
            "PipelineChangeEvent", "RunEvent",
        ),
        ENDPOINT: ("AmlOnlineEndpointConsoleLog", "AmlOnlineEndpointEventLog", "AmlOnlineEndpointTrafficLog"),
        "Microsoft.MachineLearningServices/registries": ("RegistryAssetReadEvent", "RegistryAssetWriteEvent"),
        "Microsoft.KeyVault/vaults": ("AuditEvent", "AzurePolicyEvaluationDetails"),
        "Microsoft.ContainerRegistry/registries": (
            "ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents",
        ),
        "Microsoft.Storage/storageAccounts/blobServices": ("StorageDelete", "StorageRead", "StorageWrite"),
        "Microsoft.OperationalInsights/workspaces": ("Audit",),
    }
)  # fmt: skip


def check_metric(namespace: str, metric: str, dimensions: tuple[str, ...] = ()) -> None:
    """Refuse a metric or dimension that Azure does not publish in a namespace."""
    known = METRICS[namespace]
    if metric not in known:
        close = nearest(metric, known)
        raise SettingsError(
            f"{namespace} has no metric {metric!r}.",
            got=metric,
            expected=f"one of: {', '.join(known)}",
            next_step=f"write {close!r}" if close else "look the metric up in Azure Monitor's reference",
        )
    for dimension in dimensions:
        if dimension not in known[metric]:
            raise SettingsError(
                f"The metric {metric!r} has no dimension {dimension!r}.",
                where=namespace,
                got=dimension,
                expected=f"one of: {', '.join(known[metric]) or 'none'}",
                next_step="split by a dimension that the metric has",
            )

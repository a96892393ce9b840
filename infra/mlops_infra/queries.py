"""The Kusto queries of log alerts, as pure functions of what they are about.

Azure Monitor lets a log alert look back two days at most; none of these looks further.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "LONGEST_WINDOW",
    "dead_man",
    "endpoint_errors",
    "endpoint_refusals",
    "endpoint_throttling",
    "firing_states",
    "service_in_disguise",
    "stale_workspace",
]

LONGEST_WINDOW: Final = "P2D"


def firing_states(environment: str, severity: str, owner: str) -> str:
    """Return the alerts that fire or recover, by their last state; each run writes a row per alert."""
    return "\n".join(
        (
            "MonitorAlertStates_CL",
            f"| where Environment == {_text(environment)}",
            "| summarize arg_max(TimeGenerated, *) by Fingerprint",
            "| where State in ('firing', 'recovering')",
            f"| where Severity == {_text(severity)} and Owner == {_text(owner)}",
            "| project TimeGenerated, Monitor, Rule, Signal, Feature, Segment, Runbook, Value, Threshold",
        )
    )


def dead_man(environment: str, hours: int) -> str:
    """Return the monitors that fell silent, and a row of its own when none has ever run."""
    heartbeats = f"MonitorHeartbeats_CL | where Environment == {_text(environment)}"
    return "\n".join(
        (
            heartbeats,
            "| summarize Last = max(TimeGenerated) by Monitor",
            "| union (print Monitor = 'any', Last = coalesce(",
            f"    toscalar({heartbeats} | summarize max(TimeGenerated)), datetime(1970-01-01)))",
            f"| where Last < ago({hours}h)",
        )
    )


def endpoint_errors(endpoint: str, percent: float) -> str:
    """Return the deployments whose share of server errors is above `percent`."""
    return _share(endpoint, "toint(ResponseCode) >= 500", percent)


def endpoint_throttling(endpoint: str, percent: float) -> str:
    """Return the deployments that refuse or delay more than `percent` of the requests."""
    delayed = "toint(ResponseCode) == 429 or RequestThrottlingDelayMs + ResponseThrottlingDelayMs > 0"
    return _share(endpoint, delayed, percent)


def endpoint_refusals(endpoint: str) -> str:
    """Return the endpoint when callers without a right to it keep knocking."""
    return "\n".join(
        (
            "AmlOnlineEndpointTrafficLog",
            f"| where EndpointName == {_text(endpoint)} and toint(ResponseCode) in (401, 403)",
            "| summarize Refused = count() by DeploymentName",
            "| where Refused > 20",
        )
    )


def stale_workspace(workspace_id: str) -> str:
    """Return a row when no core of the workspace has worked in the window."""
    return "\n".join(
        (
            "AzureMetrics",
            f"| where ResourceId =~ {_text(workspace_id)} and MetricName == 'Active Cores'",
            "| summarize Cores = sum(Total)",
            "| where isnull(Cores) or Cores == 0",
        )
    )


def service_in_disguise(endpoint: str, requests_per_day: int) -> str:
    """Return a dev endpoint that serves as much as a product does."""
    return "\n".join(
        (
            "AmlOnlineEndpointTrafficLog",
            f"| where EndpointName == {_text(endpoint)}",
            "| summarize Requests = dcount(XMSClientRequestId)",
            f"| where Requests > {2 * requests_per_day}",
        )
    )


def _share(endpoint: str, condition: str, percent: float) -> str:
    # Twenty requests: below, one failure is a large share and no evidence.
    return "\n".join(
        (
            "AmlOnlineEndpointTrafficLog",
            f"| where EndpointName == {_text(endpoint)}",
            f"| summarize Requests = count(), Bad = countif({condition}) by DeploymentName",
            f"| where Requests >= 20 and 100.0 * Bad / Requests > {percent}",
        )
    )


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

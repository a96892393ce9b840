"""The thirteen monitors of the Azure Architecture Center's MLOps v2 article, and what implements each.

The article names each monitor with its environments; its table is kept here as data, and a test
walks every stack to find the resources that a row names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["MONITORS", "ArticleMonitor", "monitors_of"]


@dataclass(frozen=True, slots=True)
class ArticleMonitor:
    """One monitor of the article.

    Parameters
    ----------
    environments
        Where the article wants it. Staging counts as production there and here.
    resources
        The SDK type and the start of the logical name of what implements it.
    where
        ``stack``: the resources above; ``pipeline``: a check on every pull request.
    """

    key: str
    title: str
    environments: Literal["all", "production", "development"]
    resources: tuple[tuple[str, str], ...]
    where: Literal["stack", "pipeline"] = "stack"
    note: str = ""


MONITORS: Final = (
    ArticleMonitor(
        "data-drift",
        "Data drift",
        "production",
        (("monitor:ScheduledQueryRule", "firing-"), ("monitor:ScheduledQueryRule", "dead-man")),
        note="the evaluator's state rows, split by monitor, rule, signal, feature and segment",
    ),
    ArticleMonitor(
        "prediction-drift",
        "Prediction drift",
        "production",
        (("monitor:ScheduledQueryRule", "firing-"),),
        note="the same rules: the signal is one of their dimensions",
    ),
    ArticleMonitor(
        "resource",
        "Usage of resources",
        "all",
        (("monitor:MetricAlert", "quota"), ("monitor:MetricAlert", "unusable-nodes")),
    ),
    ArticleMonitor(
        "client-requests",
        "Client requests",
        "production",
        (("monitor:MetricAlert", "requests-"),),
        note="a learned band; serving.slo.silent_minutes adds an alarm for silence",
    ),
    ArticleMonitor(
        "throttling-delays",
        "Throttling delays",
        "production",
        (("monitor:ScheduledQueryRule", "throttling-"),),
    ),
    ArticleMonitor("errors", "Errors generated", "production", (("monitor:ScheduledQueryRule", "errors-"),)),
    ArticleMonitor("budget", "Budget boundaries", "all", (("consumption:Budget", "budget"),)),
    ArticleMonitor(
        "staleness", "Workspace staleness", "development", (("monitor:ScheduledQueryRule", "stale"),)
    ),
    ArticleMonitor(
        "security-controls",
        "Security controls of the workload",
        "all",
        (("authorization:PolicyAssignment", ""), ("monitor:ActivityLogAlert", "policy")),
    ),
    ArticleMonitor(
        "standards",
        "Standards and governance",
        "all",
        (("monitor:ActivityLogAlert", "access-changes"), ("authorization:PolicyAssignment", "benchmark")),
        note="and the policy pack on every pull request",
    ),
    ArticleMonitor(
        "security-scanning",
        "Security scanning",
        "all",
        (("monitor:ActivityLogAlert", "security"),),
        note="Defender's findings; dependencies and workflows are scanned in the pull request",
    ),
    ArticleMonitor(
        "ongoing-service",
        "Ongoing service",
        "development",
        (("monitor:ScheduledQueryRule", "service-"),),
        note="a dev endpoint that answers like a product; prod watches Azure's own health instead",
    ),
    ArticleMonitor(
        "endpoint-security",
        "Endpoint security",
        "all",
        (("monitor:ScheduledQueryRule", "refusals-"), ("monitor:ActivityLogAlert", "endpoint-keys")),
    ),
)


def monitors_of(profile: str) -> tuple[ArticleMonitor, ...]:
    """Return the monitors that the article wants in an environment of this profile."""
    kind = "development" if profile == "dev" else "production"
    return tuple(item for item in MONITORS if item.environments in {"all", kind})

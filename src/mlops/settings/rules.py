"""Rules over several settings at once, checked when settings are loaded: before any resource is declared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mlops.errors import nearest
from mlops.naming import LIMITS
from mlops.settings.finding import Finding
from mlops.settings.machines import MACHINES, REGIONS
from mlops.settings.network_rules import network_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.settings.model import Environment
    from mlops.yaml_source import Location

__all__ = ["findings"]

# Azure Budgets take so many notifications at most.
_BUDGET_NOTIFICATIONS: Final = 5


def findings(environment: Environment) -> Iterator[Finding]:
    """Yield every contradiction in one environment's settings."""
    yield from _region(environment)
    yield from network_findings(environment)
    yield from _machines(environment)
    yield from _names(environment)
    yield from _storage(environment)
    yield from _encryption(environment)
    yield from _endpoints(environment)
    yield from _workspace(environment)
    yield from _budget(environment)
    yield from _platform(environment)
    yield from _notifications(environment)


def _region(environment: Environment) -> Iterator[Finding]:
    region = environment.project.location
    if region not in REGIONS:
        close = nearest(region, REGIONS)
        yield Finding(
            ("project", "location"),
            "a public Azure region (src/mlops/settings/machines.py lists them)",
            region,
            f"write {close!r}" if close else "write a region such as westeurope",
        )
    elif not REGIONS[region] and "Z" in environment.storage.redundancy:
        yield Finding(
            ("storage", "redundancy"),
            f"LRS or GRS: the region {region} has no availability zones",
            environment.storage.redundancy,
            "move project.location to a region with zones, or lower the redundancy",
        )


def _machines(environment: Environment) -> Iterator[Finding]:
    used = {("compute", key, "size"): compute.size for key, compute in environment.compute.items()}
    used["serving", "instance_type", ""] = environment.serving.instance_type
    unknown = {location: size for location, size in used.items() if size not in MACHINES}
    for location, size in unknown.items():
        close = nearest(size, MACHINES)
        yield Finding(
            tuple(part for part in location if part),
            "a size whose cores are known (src/mlops/settings/machines.py)",
            size,
            f"write {close!r}" if close else "add the size with its cores to machines.py",
        )
    if unknown:
        return
    cores = {
        key: MACHINES[compute.size].cores * compute.max_instances
        for key, compute in environment.compute.items()
    }
    instances = [
        max(environment.serving.instance_count, item.autoscale.max_instances if item.autoscale else 0)
        for item in environment.endpoints.values()
    ]
    cores["serving"] = MACHINES[environment.serving.instance_type].cores * sum(instances)
    if sum(cores.values()) > environment.governance.quota_cores:
        shares = ", ".join(f"{key} {count}" for key, count in cores.items())
        yield Finding(
            ("governance", "quota_cores"),
            f"room for all computes and serving: {sum(cores.values())} cores ({shares})",
            environment.governance.quota_cores,
            "ask Azure for more quota and raise governance.quota_cores, or lower max_instances",
        )


def _names(environment: Environment) -> Iterator[Finding]:
    for key in environment.compute:
        if re.search(r"-\d+$", key) or not LIMITS["compute"].pattern.fullmatch(f"{key}-cluster"):
            yield Finding(
                ("compute", key),
                f"a key whose name {key}-cluster is {LIMITS['compute'].description}; "
                "no key that ends in -<digits> either",
                key,
                "rename the key",
            )
    for usecase in environment.endpoints:
        name = f"{environment.project.name}-{usecase}-b-{environment.name}"
        if not LIMITS["endpoint"].pattern.fullmatch(name):
            yield Finding(
                ("endpoints", usecase),
                f"a key whose endpoint name is {LIMITS['endpoint'].description}",
                f"{name!r} ({len(name)} characters)",
                "shorten the key of the use case",
            )


def _storage(environment: Environment) -> Iterator[Finding]:
    lifecycle = environment.storage.lifecycle
    archive = lifecycle.archive_after_days
    if archive is None:
        return
    if archive <= lifecycle.cool_after_days:
        yield Finding(
            ("storage", "lifecycle", "archive_after_days"),
            f"later than cool_after_days {lifecycle.cool_after_days}",
            archive,
            "blobs go from hot to cool to archive: raise archive_after_days",
        )
    if "Z" in environment.storage.redundancy:
        yield Finding(
            ("storage", "lifecycle", "archive_after_days"),
            "no archive tier with zone redundancy: Azure offers it for LRS and GRS alone",
            f"{archive} with {environment.storage.redundancy}",
            "remove archive_after_days",
        )


def _encryption(environment: Environment) -> Iterator[Finding]:
    if environment.encryption.keys == "customer" and not environment.protection.purge_protection:
        yield Finding(
            ("encryption", "keys"),
            "protection.purge_protection true: Azure takes no key from a vault that can be purged",
            "customer",
            "set protection.purge_protection to true, or encryption.keys to platform",
        )


def _endpoints(environment: Environment) -> Iterator[Finding]:
    owners = environment.platform.owners
    serving = environment.serving
    for usecase, endpoint in environment.endpoints.items():
        at: Location = ("endpoints", usecase)
        if endpoint.owner not in owners:
            yield Finding(
                (*at, "owner"),
                f"one of platform.owners: {', '.join(owners)}",
                endpoint.owner,
                "name an owner",
            )
        if endpoint.slo.p95_ms > serving.request_timeout_ms:
            yield Finding(
                (*at, "slo", "p95_ms"),
                f"at most serving.request_timeout_ms {serving.request_timeout_ms}: no answer takes longer",
                endpoint.slo.p95_ms,
                "lower the promise, or raise the timeout",
            )
        if environment.profile != "dev" and serving.rollout.max_p95_ms > endpoint.slo.p95_ms:
            yield Finding(
                ("serving", "rollout", "max_p95_ms"),
                f"at most endpoints.{usecase}.slo.p95_ms {endpoint.slo.p95_ms}",
                serving.rollout.max_p95_ms,
                "a rollout may not accept a deployment that breaks the promise: lower it",
            )
        if autoscale := endpoint.autoscale:
            at = (*at, "autoscale")
            if autoscale.max_instances < serving.instance_count:
                yield Finding(
                    (*at, "max_instances"),
                    f"at least serving.instance_count {serving.instance_count}",
                    autoscale.max_instances,
                    "raise max_instances",
                )
            if autoscale.scale_out_percent < 2 * autoscale.scale_in_percent:
                yield Finding(
                    (*at, "scale_in_percent"),
                    f"at most half of scale_out_percent {autoscale.scale_out_percent}: otherwise taking one "
                    "of two instances away calls it back at once",
                    autoscale.scale_in_percent,
                    "lower scale_in_percent",
                )


def _workspace(environment: Environment) -> Iterator[Finding]:
    workspace = environment.workspace
    if (workspace.kind == "project") != (workspace.hub_id is not None):
        yield Finding(
            ("workspace", "hub_id"),
            "an id for the kind project, and for no other kind",
            f"kind {workspace.kind}, hub_id {workspace.hub_id or 'not set'}",
            "set workspace.hub_id" if workspace.kind == "project" else "remove workspace.hub_id",
        )
    if (workspace.kind == "feature_store") != (workspace.spark_version is not None):
        yield Finding(
            ("workspace", "spark_version"),
            "a version for the kind feature_store, and for no other kind",
            f"kind {workspace.kind}, spark_version {workspace.spark_version or 'not set'}",
            "set workspace.spark_version, such as '3.4'"
            if workspace.kind == "feature_store"
            else "remove workspace.spark_version",
        )
    if environment.private and environment.images.sku != "Premium":
        yield Finding(
            ("images", "sku"),
            "Premium: private endpoints exist for no other registry",
            environment.images.sku,
            "set images.sku to Premium, or network.profile to public",
        )


def _budget(environment: Environment) -> Iterator[Finding]:
    budget = environment.budget
    if budget.start.day != 1:
        yield Finding(
            ("budget", "start"), "the first of a month", budget.start, f"write {budget.start:%Y-%m}-01"
        )
    for key in ("actual_percent", "forecast_percent"):
        shares = getattr(budget, key)
        if list(shares) != sorted(set(shares)) or not shares:
            yield Finding(
                ("budget", key), "rising shares, each once, at least one", list(shares), "sort the shares"
            )
    count = len(budget.actual_percent) + len(budget.forecast_percent)
    if count > _BUDGET_NOTIFICATIONS:
        yield Finding(
            ("budget", "actual_percent"),
            f"{_BUDGET_NOTIFICATIONS} notifications in all: Azure takes no more",
            count,
            "remove a share from actual_percent or forecast_percent",
        )


def _platform(environment: Environment) -> Iterator[Finding]:
    for key, owner in environment.platform.owners.items():
        if not LIMITS["action_group_short"].pattern.fullmatch(owner.short_name):
            yield Finding(
                ("platform", "owners", key, "short_name"),
                LIMITS["action_group_short"].description,
                f"{owner.short_name!r} ({len(owner.short_name)} characters)",
                "shorten short_name",
            )
    for key, window in environment.monitoring.maintenance.items():
        if window.starts >= window.ends:
            yield Finding(
                ("monitoring", "maintenance", key, "ends"),
                f"later than starts {window.starts} on the same day",
                window.ends,
                "split a window that crosses midnight into two",
            )


def _notifications(environment: Environment) -> Iterator[Finding]:
    notifications = environment.notifications
    for route, sinks in notifications.routes.items():
        for position, sink in enumerate(sinks):
            if sink not in notifications.sinks:
                close = nearest(sink, notifications.sinks)
                yield Finding(
                    ("notifications", "routes", route, position),
                    f"one of notifications.sinks: {', '.join(notifications.sinks)}",
                    sink,
                    f"write {close!r}" if close else f"declare notifications.sinks.{sink}",
                )
            elif sink in sinks[:position]:
                yield Finding(
                    ("notifications", "routes", route, position),
                    "each sink once: a second one would tell the same people twice",
                    sink,
                    "remove it",
                )

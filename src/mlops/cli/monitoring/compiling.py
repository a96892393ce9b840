"""``mlops monitor compile``: one declaration, four targets; what one cannot express is said and fails."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import JsonOption, UseCaseOption
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output
from mlops.settings import ROOT, load
from mlops.usecase import load_usecase

if TYPE_CHECKING:
    from mlops.settings import Environment
    from mlops.usecase import UseCase
    from modelwatch import Monitor

__all__ = ["compile_target"]

_DATA = "azureml://datastores/workspaceblobstore/paths"


class Target(StrEnum):
    """Where a monitor can run, and what can watch it."""

    local = "local"
    spark = "spark"
    azureml = "azureml"
    azure_monitor = "azure-monitor"


def compile_target(
    target: Annotated[Target, typer.Option(help="local, spark, azureml or azure-monitor.")],
    usecase: UseCaseOption = "classical",
    environment: Annotated[str, typer.Option("--env", "-e", help="dev, staging or prod.")] = "dev",
    monitor: Annotated[
        Path | None, typer.Option(help="The declaration; the use case's monitor.yaml by default.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Address of the baseline; the monitor's asset by default.")
    ] = None,
    production: Annotated[
        str | None, typer.Option(help="Address of production; the endpoint's collected inputs by default.")
    ] = None,
    lossy: Annotated[bool, typer.Option("--lossy", help="Accept what the target cannot express.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print what a monitor becomes on a target. Exit code 1 when something of it would be lost."""
    settings, case = load(environment), load_usecase(usecase, ROOT)
    with explained():
        from modelwatch import Monitor

        declared = Monitor.load(monitor or ROOT / "pipelines" / usecase / "monitor.yaml")
        names = settings.names
        collected = f"{_DATA}/modelDataCollector/{names.endpoint(usecase)}/blue/model_inputs/"
        reference = baseline or declared.baseline.asset or f"{_DATA}/monitoring/{usecase}/baseline.profile"
        document, losses = _compiled(target, settings, case, declared, reference, production or collected)
    output = Output(as_json=True)
    output.result(
        {"target": target.value, "monitor": declared.monitor, "definition": document, "lost": losses}
    )
    if losses and not lossy:
        for loss in losses:
            Output(as_json).progress(f"lost: {loss['where']}: {loss['what']}; {loss['instead']}")
        raise typer.Exit(1)


def _compiled(
    target: Target, settings: Environment, usecase: UseCase, monitor: Monitor, baseline: str, production: str
) -> tuple[Any, list[dict[str, str]]]:
    if target is Target.local:
        return _local(monitor), []
    if target is Target.azure_monitor:
        return _azure_monitor(settings, monitor)
    if target is Target.spark:
        from pipelines import monitoring

        job = monitoring.build(
            settings, usecase, monitor, baseline=baseline, production=production, layout="collector"
        )
        return monitoring.schedule(settings, usecase, monitor, job)._to_dict(), []  # noqa: SLF001
    from pipelines.native_monitoring import compile_monitor

    schedule, losses = compile_monitor(settings, usecase, monitor, baseline=baseline, production=production)
    document = None if schedule is None else schedule._to_dict()  # noqa: SLF001
    return document, [loss.to_dict() for loss in losses]


def _local(monitor: Monitor) -> dict[str, Any]:
    """Return what `mlops monitor run` measures and judges, defaults filled in."""
    return {
        "signals": {
            name: {
                "type": signal.type,
                "thresholds": {key: bound.model_dump() for key, bound in signal.bounds.items()},
            }
            for name, signal in monitor.signals.items()
        },
        "rules": [rule.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in monitor.rules],
    }


def _azure_monitor(settings: Environment, monitor: Monitor) -> tuple[Any, list[dict[str, str]]]:
    """Return the log alert rules of `infra` that carry this monitor's alerts to their owners."""
    from infra.mlops_infra import queries
    from infra.mlops_infra.components.drift import SEVERITIES

    owners = {rule.owner or monitor.owner or "" for rule in monitor.rules}
    lost = [
        {
            "where": f"owner {owner}",
            "what": "nobody is called: this owner has no action group",
            "instead": "add it to platform.owners in environments/base.yaml",
        }
        for owner in sorted(owners - set(settings.platform.owners))
    ]
    rules = [
        {
            "name": f"firing-{severity}-{owner}",
            "severity": number,
            "query": queries.firing_states(settings.name, severity, owner),
            "frequency": "PT1H",
            "window": queries.LONGEST_WINDOW,
        }
        for owner in sorted(owners)
        for severity, number in SEVERITIES.items()
    ]
    dead_man = queries.dead_man(settings.name, settings.monitoring.heartbeat_hours)
    return {"queryRules": [*rules, {"name": "dead-man", "severity": 2, "query": dead_man}]}, lost

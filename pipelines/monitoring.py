"""Monitoring at scale: a window of production profiled on serverless Spark, and the schedule that does so.

The same kernels run on one machine (`mlops monitor run`) and inside Spark's partitions, and give the same
profiles bit by bit. A monitor whose window fits one machine needs none of this.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.ai.ml import Input, load_component
from azure.ai.ml.constants import AssetTypes, InputOutputModes
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import (
    Environment as ImageEnvironment,
)
from azure.ai.ml.entities import (
    JobSchedule,
    ManagedIdentityConfiguration,
    RecurrenceTrigger,
)

from mlops.errors import PipelineError
from modelwatch.sources.windows import parse_duration

if TYPE_CHECKING:
    from azure.ai.ml.entities import PipelineJob

    from mlops.settings import Environment
    from mlops.usecase import UseCase
    from modelwatch import Monitor

__all__ = ["INSTANCE_TYPE", "RUNTIME", "STEPS", "TRIGGERED_AT", "build", "recurrence", "schedule"]

ROOT: Final = Path(__file__).resolve().parents[1]
STEPS: Final = ("measure",)
# The smallest of the five sizes that serverless Spark offers (azure-ai-ml, SparkResourceConfiguration).
INSTANCE_TYPE: Final = "standard_e4s_v3"
# 3.3 is retired; 3.4 and 3.5 are accepted.
RUNTIME: Final = "3.5"
# Azure ML puts the time at which a schedule fired in its place (schedules, expressions).
TRIGGERED_AT: Final = "${{creation_context.trigger_time}}"
# What `modelwatch` imports; Spark's own image has older ones, or none.
_PACKAGES: Final = ("numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "scipy")


def build(
    settings: Environment,
    usecase: UseCase,
    monitor: Monitor,
    *,
    baseline: str,
    production: str,
    at: str = TRIGGERED_AT,
    layout: str = "parquet",
    root: Path = ROOT,
) -> PipelineJob:
    """Build the job that measures one window of a use case's production.

    Parameters
    ----------
    settings, usecase
        Where it runs, and for what.
    monitor
        The declaration in ``pipelines/<use case>/monitor.yaml``.
    baseline
        Address of a saved profile: a local path, an asset or an ``azureml://`` path.
    production
        Address of a folder of Parquet files, or of one collection of a data collector.
    at
        ISO 8601 with a zone: the last window that was complete by then is measured. By default the time at
        which a schedule fires.
    layout
        ``parquet`` or ``collector``.

    Returns
    -------
    PipelineJob
        With the output ``results``, a folder whose one text is ``results.json``.

    Raises
    ------
    PipelineError
        If the monitor has signals that need rows: Spark hands over profiles.
    """
    _require_profiled(monitor, usecase)
    component: Any = load_component(root / "pipelines" / "components" / "measure" / "component.yaml")
    component.environment = _environment(root)
    folder = root / "pipelines" / usecase.name
    inputs = {
        "monitor": _direct(AssetTypes.URI_FILE, str(folder / "monitor.yaml")),
        "baseline": _direct(AssetTypes.URI_FILE, baseline),
        "production": _direct(AssetTypes.URI_FOLDER, production),
    }
    if monitor.contract is not None:
        inputs["contract"] = _direct(AssetTypes.URI_FILE, str(folder / monitor.contract))

    def wire(**given: Any) -> dict[str, Any]:
        node = component(**given, layout=layout)
        node.name = "measure"
        node.resources = {"instance_type": INSTANCE_TYPE, "runtime_version": RUNTIME}
        node.identity = ManagedIdentityConfiguration()
        node.outputs.results.mode = InputOutputModes.DIRECT
        return {"results": node.outputs.results}

    job: PipelineJob = _pipeline(wire, usecase, inputs)(**inputs, at=at)
    job.display_name = f"{usecase.name} monitoring"
    job.tags = {"usecase": usecase.name, "environment": settings.name, "monitor": monitor.monitor}
    return job


def schedule(settings: Environment, usecase: UseCase, monitor: Monitor, job: PipelineJob) -> JobSchedule:
    """Return the schedule that measures each window once its late rows are in.

    Raises
    ------
    PipelineError
        If the window is no whole number of hours or days: a recurrence has no other.
    """
    return JobSchedule(
        name=f"{usecase.name}-{settings.name}-monitor",
        trigger=recurrence(monitor, usecase),
        create_job=job,
        display_name=f"{usecase.name} monitoring",
    )


def recurrence(monitor: Monitor, usecase: UseCase) -> RecurrenceTrigger:
    """Return the trigger that fires once a window.

    Raises
    ------
    PipelineError
        If the window is no whole number of hours or days.
    """
    size = parse_duration(monitor.data.window)
    hours = size.total_seconds() / 3600
    if hours < 1 or hours != int(hours):
        raise PipelineError(
            "A schedule cannot recur by such a window.",
            where=f"pipelines/{usecase.name}/monitor.yaml: data.window",
            got=monitor.data.window,
            expected="whole hours or days, such as PT6H or P1D",
        )
    days, rest = divmod(int(hours), 24)
    frequency, interval = ("day", days) if rest == 0 else ("hour", int(hours))
    return RecurrenceTrigger(frequency=frequency, interval=interval, time_zone="UTC")


def _require_profiled(monitor: Monitor, usecase: UseCase) -> None:
    needing = [name for name, signal in monitor.signals.items() if signal.needs_rows]
    if needing or monitor.segments:
        raise PipelineError(
            "Spark measures from profiles, and this monitor needs rows.",
            where=f"pipelines/{usecase.name}/monitor.yaml",
            got=", ".join([*needing, *(["segments"] if monitor.segments else [])]),
            expected="data_drift, prediction_drift and data_quality alone",
            next_step="measure the rest on one machine: mlops monitor run",
        )


def _direct(kind: str, path: str) -> Input:
    return Input(type=kind, path=path, mode=InputOutputModes.DIRECT)


def _pipeline(wire: Any, usecase: UseCase, inputs: dict[str, Input]) -> Any:
    def without_contract(monitor, baseline, production, at):  # type: ignore[no-untyped-def]
        return wire(monitor=monitor, baseline=baseline, production=production, at=at)

    def with_contract(monitor, baseline, production, at, contract):  # type: ignore[no-untyped-def]
        return wire(monitor=monitor, baseline=baseline, production=production, at=at, contract=contract)

    function = with_contract if "contract" in inputs else without_contract
    # The SDK evaluates no postponed annotations, and wants its own type.
    function.__annotations__ = {
        **{name: Input(type=value.type) for name, value in inputs.items()},
        "at": Input(type="string"),
    }
    return pipeline(
        function,
        name=f"{usecase.name}_monitoring",
        description=f"Measure a window: {usecase.title}",
        experiment_name=f"{usecase.name}-monitoring",
    )


def _environment(root: Path) -> ImageEnvironment:
    """Return the packages that Spark's workers lack, at the versions of the lock."""
    lock = (root / "environments" / "locks" / "development.txt").read_text(encoding="utf-8")
    pins = []
    for name in _PACKAGES:
        match = re.search(rf"^{name}==[^\s;\\]+", lock, flags=re.MULTILINE)
        if match is None:
            raise PipelineError(
                "A package of the monitoring job is not in the lock.",
                where="environments/locks/development.txt",
                expected=name,
                next_step="make lock",
            )
        pins.append(match[0])
    return ImageEnvironment(
        name="monitoring",
        conda_file={
            "name": "monitoring",
            "channels": ["conda-forge"],
            "dependencies": ["python=3.11", "pip", {"pip": pins}],
        },
        image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
    )

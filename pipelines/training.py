"""The training pipeline: validate, prepare, train, evaluate, gate.

:func:`build` reads files of the repository and nothing else: no environment variables, no network, no
client. What it returns can be validated, printed, compared or submitted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import Input, load_component
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import CommandJobLimits

from mlops.errors import PipelineError, nearest
from pipelines.environments import training_specification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.ai.ml.entities import PipelineJob

    from mlops.settings import Environment
    from mlops.usecase import UseCase

__all__ = ["ROOT", "STEPS", "build"]

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("validate", "prepare", "train", "evaluate", "gate")
# Bound by the pipeline itself, so that no override can contradict the lineage.
_BOUND = frozenset({"declaration", "training", "environment"})


def build(
    settings: Environment,
    usecase: UseCase,
    *,
    training_data: str,
    champion: str | None = None,
    recent_from: int | None = None,
    overrides: Mapping[str, int | float | str] | None = None,
    root: Path = ROOT,
) -> PipelineJob:
    """Build the training job of a use case.

    Parameters
    ----------
    settings
        The environment to run in: compute and time limit.
    usecase
        What to train.
    training_data
        A local path, a data asset (``name@latest`` or ``azureml:name:version``) or an ``azureml://`` path.
    champion
        The model that serves now, ``azureml:name:version``, as a path or an asset; evaluated on the same
        held-out rows. None for the first model.
    recent_from
        Id of the first row since the outcome changed, for a retraining: rows since then calibrate and judge
        the model, all before teach it. None cuts by the declared shares.
    overrides
        Parameters of the training step that replace those of the declaration, such as ``{"knots": 5}``.
    root
        The repository's root.

    Returns
    -------
    PipelineJob
        With the outputs ``model``, ``evaluation`` and ``gate`` (a folder with ``gate.json`` and
        ``lineage.json``).

    Raises
    ------
    PipelineError
        An override names no parameter of the training step, or a component file is missing.

    Examples
    --------
    >>> from mlops.settings import load
    >>> from mlops.usecase import load_usecase
    >>> job = build(load("dev"), load_usecase("classical", ROOT), training_data="rand-hie@latest")
    >>> sorted(job.jobs)
    ['evaluate', 'gate', 'prepare', 'train', 'validate']
    """
    image = training_specification(root)
    steps = {name: _load(root, name, image.reference) for name in STEPS}
    parameters = _parameters(usecase, overrides or {}, steps["train"])
    limits = CommandJobLimits(timeout=settings.training.timeout_minutes * 60)

    def wire(training_data: Any, declaration: Any, champion: Any = None) -> dict[str, Any]:
        validate = steps["validate"](declaration=declaration, data=training_data)
        prepare = steps["prepare"](
            declaration=declaration,
            validated=validate.outputs.validated,
            **({} if recent_from is None else {"recent_from": recent_from}),
        )
        train = steps["train"](
            declaration=declaration,
            training=prepare.outputs.training,
            environment=f"{image.name}:{image.version}",
            **parameters,
        )
        evaluate = steps["evaluate"](
            declaration=declaration,
            model=train.outputs.model,
            held_out=prepare.outputs.held_out,
            **({} if champion is None else {"champion": champion}),
        )
        gate = steps["gate"](
            declaration=declaration, model=train.outputs.model, evaluation=evaluate.outputs.evaluation
        )
        for name, node in zip(STEPS, (validate, prepare, train, evaluate, gate), strict=True):
            node.name = name
            node.limits = limits
        return {
            "model": train.outputs.model,
            "evaluation": evaluate.outputs.evaluation,
            "gate": gate.outputs.gate,
        }

    inputs = {
        "training_data": Input(type=AssetTypes.URI_FILE, path=training_data),
        "declaration": Input(
            type=AssetTypes.URI_FILE, path=str(root / "pipelines" / usecase.name / "usecase.yaml")
        ),
    }
    if champion is not None:
        inputs["champion"] = Input(type=AssetTypes.MLFLOW_MODEL, path=champion)
    job = _pipeline(wire, settings, usecase, inputs)(**inputs)
    job.display_name = f"{usecase.name} training"
    job.tags = {"usecase": usecase.name, "environment": settings.name}
    return job


def _pipeline(wire: Any, settings: Environment, usecase: UseCase, inputs: Mapping[str, Input]) -> Any:
    """Return the SDK's pipeline function; a job has the inputs that its signature and annotations name."""

    def first_model(training_data, declaration):  # type: ignore[no-untyped-def]
        return wire(training_data, declaration)

    def against_champion(training_data, declaration, champion):  # type: ignore[no-untyped-def]
        return wire(training_data, declaration, champion)

    function = against_champion if "champion" in inputs else first_model
    # The SDK evaluates no postponed annotations, and wants its own type.
    function.__annotations__ = {name: Input(type=value.type) for name, value in inputs.items()}
    return pipeline(
        function,
        name=f"{usecase.name}_training",
        description=f"Train, evaluate and judge: {usecase.title}",
        default_compute=settings.names.compute(settings.training.compute),
        experiment_name=usecase.name,
    )


def _load(root: Path, step: str, environment: str) -> Any:
    path = root / "pipelines" / "components" / step / "component.yaml"
    if not path.is_file():
        raise PipelineError(
            "A component of the pipeline is missing.", where=str(path), next_step="restore it from git"
        )
    component = load_component(path)
    # The file says the latest one, so that it can be used by itself; a job names the very image.
    component.environment = environment
    return component


def _parameters(
    usecase: UseCase, overrides: Mapping[str, int | float | str], component: Any
) -> dict[str, int | float | str]:
    """Return the training step's parameters, each one that the component knows."""
    known = set(component.inputs) - _BOUND
    parameters = {"seed": usecase.training.seed, **usecase.training.parameters, **overrides}
    for name in parameters:
        if name not in known:
            close = nearest(name, known)
            raise PipelineError(
                f"The training step has no parameter {name!r}.",
                where="overrides" if name in overrides else f"pipelines/{usecase.name}/usecase.yaml",
                got=name,
                expected=f"one of {', '.join(sorted(known))}",
                next_step=f"write {close!r}" if close else None,
            )
    return parameters

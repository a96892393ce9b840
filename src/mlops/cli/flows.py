"""The verbs behind the commands, so that ``mlops train`` and ``mlops demo`` do the same thing.

Each is safe to repeat: data, environments and steps are known by their content, a job's model is
registered once, and a rollout goes on from where the endpoint says it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.cli.rolling_out import deploy, replay, rollout_progress
from mlops.cli.sample import sample_of
from mlops.digest import PREFIX
from mlops.errors import PipelineError
from mlops.jobs import JobRun, download_output, follow, submit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.ai.ml.entities import PipelineJob

    from mlops.candidate import Candidate
    from mlops.cli.context import Session
    from mlops.model_version import ModelVersion
    from mlops.usecase import UseCase

__all__ = [
    "Trained",
    "checked_job",
    "deploy",
    "evaluated",
    "register",
    "replay",
    "rollout_progress",
    "sample_of",
    "train",
    "train_and_follow",
    "trained",
]


@dataclass(frozen=True, slots=True)
class Trained:
    """A training job that completed, with what it says of its model.

    Parameters
    ----------
    run
        The job.
    candidate
        Its model and verdict, downloaded.
    gate, evaluation, lineage
        The content of ``gate.json``, ``evaluation.json`` and ``lineage.json``.
    predictions
        The held-out rows with the answers to them, downloaded.
    data
        The training data asset.
    """

    run: JobRun
    candidate: Candidate
    gate: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    lineage: Mapping[str, Any]
    predictions: Path
    data: str

    @property
    def passed(self) -> bool:
        """Whether the gate lets the model in."""
        return self.gate.get("verdict") == "pass"

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {
            "job": self.run.name,
            "seconds": round(self.run.seconds, 1),
            "data": self.data,
            "gate": dict(self.gate),
            "metrics": {
                role: entry.get("metrics") for role, entry in self.evaluation.get("models", {}).items()
            },
        }


def checked_job(
    session: Session,
    usecase: UseCase,
    *,
    training_data: str,
    champion: str | None = None,
    recent_from: int | None = None,
    overrides: Mapping[str, int | float | str] | None = None,
) -> PipelineJob:
    """Build the training job and refuse one that the service would refuse later.

    Raises
    ------
    PipelineError
        The validator found problems.
    """
    from pipelines import training, validation

    job = training.build(
        session.settings,
        usecase,
        training_data=training_data,
        champion=champion,
        recent_from=recent_from,
        overrides=overrides,
    )
    problems = validation.check(job)
    if problems:
        raise PipelineError(
            f"The pipeline of {usecase.name} has {len(problems)} problem(s).",
            where=f"pipelines/{usecase.name}",
            got="\n".join(str(problem) for problem in problems),
            next_step="mend them, then: mlops pipeline validate",
        )
    return job


def train(
    session: Session,
    usecase: UseCase,
    *,
    data: Path | None = None,
    recent_from: int | None = None,
    overrides: Mapping[str, int | float | str] | None = None,
) -> tuple[str, str]:
    """Submit the training job against the present champion; return its name and its data asset."""
    from mlops.assets import ensure_data, ensure_environment
    from mlops.registry import ModelRegistry
    from pipelines.environments import training_environment

    progress = session.output.progress
    file = data or sample_of(session, usecase).training
    asset = ensure_data(session.client, f"{usecase.name}-training", file)
    progress(f"data: {asset}")
    progress(f"environment: {ensure_environment(session.client, training_environment(session.settings))}")
    champion = ModelRegistry(session.client).champion(session.settings.names.model(usecase.name))
    progress(f"champion: {champion.reference if champion else 'none yet'}")
    job = checked_job(
        session,
        usecase,
        training_data=f"azureml:{asset}",
        champion=champion.reference if champion else None,
        recent_from=recent_from,
        overrides=overrides,
    )
    name = submit(session.client, job)
    progress(f"job: {name}")
    return name, asset


def train_and_follow(
    session: Session,
    usecase: UseCase,
    *,
    data: Path | None = None,
    recent_from: int | None = None,
    overrides: Mapping[str, int | float | str] | None = None,
) -> Trained:
    """Submit the training job, follow it to its end, and fetch its verdict."""
    job, asset = train(session, usecase, data=data, recent_from=recent_from, overrides=overrides)
    return trained(session, job, asset)


def trained(session: Session, job: str, data: str) -> Trained:
    """Follow a training job that was submitted to its end, and fetch its verdict."""
    run = follow(session.client, job, progress=session.output.progress)
    return evaluated(session, run, data)


def evaluated(session: Session, run: JobRun, data: str | None = None) -> Trained:
    """Fetch the model, the verdict and the evaluation of a completed job."""
    from mlops.candidate import download_candidate

    folder = session.home.path / "jobs" / run.name
    candidate = download_candidate(session.client, run.name, folder)
    evaluation = download_output(session.client, run.name, "evaluation", folder)
    return Trained(
        run=run,
        candidate=candidate,
        gate=_read_json(candidate.gate),
        evaluation=_read_json(next(evaluation.rglob("evaluation.json"), evaluation)),
        lineage=_read_json(candidate.gate.parent / "lineage.json"),
        predictions=next(evaluation.rglob("predictions.parquet"), evaluation),
        data=data or _training_data(session, run.name),
    )


def register(session: Session, usecase: UseCase, trained: Trained) -> ModelVersion:
    """Register a job's model if its gate passed; it challenges the champion until it serves.

    Raises
    ------
    UsageError
        The environment accepts releases alone.
    """
    from mlops.promotion.accepting import refuse_own_models
    from mlops.registry import Lineage, ModelRegistry

    refuse_own_models(session.settings, usecase.name)
    registry = ModelRegistry(session.client)
    lineage = Lineage(
        usecase=usecase.name,
        data=trained.data,
        environment=str(trained.lineage.get("environment")),
        code=str(trained.lineage.get("code_sha256")),
        compared_with=_compared_with(session, trained.run.name),
        expected_shift=_shift(trained.evaluation),
        digest=_digest(trained.lineage),
    )
    name = session.settings.names.model(usecase.name)
    version = registry.register(name, trained.candidate, lineage)
    champion = registry.champion(name)
    if champion is not None and champion.version == version.version:
        return champion
    return registry.set_challenger(name, version.version)


def _training_data(session: Session, job: str) -> str:
    """Return the data asset that a job was given, as ``name:version``."""
    path = str(session.client.jobs.get(job).inputs["training_data"].path)
    if "/data/" in path:  # an ARM id
        name, _, version = path.rpartition("/data/")[2].partition("/versions/")
        return f"{name}:{version}"
    return path.removeprefix("azureml:")


def _compared_with(session: Session, job: str) -> str | None:
    """Return the version that a job's evaluation compared its model with, or None."""
    champion = session.client.jobs.get(job).inputs.get("champion")
    if champion is None:
        return None
    # azureml:name:version, or an ARM id that ends with /versions/version
    return str(champion.path).replace("/", ":").rpartition(":")[2]


def _digest(lineage: Mapping[str, Any]) -> str | None:
    """Return the digest of the model's files that the gate took; the files themselves stay where they are."""
    digits = lineage.get("model_sha256")
    return f"{PREFIX}{digits}" if digits else None


def _shift(evaluation: Mapping[str, Any]) -> float | None:
    """Return how far the new model's mean prediction on the held-out rows is from the champion's."""
    models = evaluation.get("models", {})
    means = [
        models.get(role, {}).get("metrics", {}).get("mean_probability") for role in ("challenger", "champion")
    ]
    return None if None in means else float(means[0]) - float(means[1])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PipelineError("A step's report cannot be read.", where=str(path), got=error) from error
    if not isinstance(content, dict):
        raise PipelineError("A step's report is no JSON object.", where=str(path), got=type(content).__name__)
    return content

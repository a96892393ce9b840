"""What a promotion rests on: the gate's verdict over the very files that are promoted, and their lineage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.candidate import download_candidate
from mlops.digest import PREFIX
from mlops.errors import PipelineError, RegistryError
from mlops.model_version import RoleTag
from mlops.promotion.release import JudgedBy, MadeFrom

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.model_version import ModelVersion
    from mlops.promotion.release import Release
    from mlops.registry import ModelRegistry

__all__ = ["Evidence", "from_release", "from_training"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The digest of a model's files, what judged them, and what they were made from."""

    digest: str
    gate: JudgedBy
    lineage: MadeFrom


def from_training(client: MLClient, registry: ModelRegistry, version: ModelVersion, folder: Path) -> Evidence:
    """Return the evidence of a version that was trained in its own environment.

    Parameters
    ----------
    client
        Client of the environment's workspace.
    registry
        Its models.
    version
        What is to be promoted.
    folder
        To download the verdict into.

    Raises
    ------
    RegistryError
        The version names no job, its job or the job's verdict is gone, the verdict is no pass, or it was
        made on other files.
    """
    content = _verdict(client, version, folder)
    digits = content.get("model_sha256")
    if not digits or version.digest not in {None, f"{PREFIX}{digits}"}:
        raise RegistryError(
            "The gate's verdict is not about this version's files.",
            where=version.reference,
            got=f"a verdict on {digits or 'nothing in particular'}",
            expected=f"a verdict on {version.digest or 'the files that it judged'}",
            next_step="train again, and promote that: mlops train",
        )
    other = version.tags.get(RoleTag.COMPARED)
    known = {each.version: each for each in registry.versions(version.name)}
    compared = known[other].digest if other in known else None
    return Evidence(
        digest=f"{PREFIX}{digits}",
        gate=JudgedBy(verdict="pass", checks=len(content["checks"]), rows=int(content.get("rows") or 0)),
        lineage=MadeFrom(
            training_environment=version.tags.get("training_environment", "unknown"),
            code=version.tags.get("code", "unknown"),
            training_data=version.tags.get("training_data", "unknown"),
            training_job=str(version.training_job),
            compared_with=compared,
            expected_shift=float(version.tags[RoleTag.SHIFT]) if compared else None,
        ),
    )


def from_release(version: ModelVersion, release: Release | None, environment: str, usecase: str) -> Evidence:
    """Return the evidence of a version that came to its environment by promotion: its own release.

    Raises
    ------
    RegistryError
        The environment has no release, or its release is of other files.
    """
    if release is not None and release.digest == version.digest:
        return Evidence(release.digest, release.gate, release.lineage)
    raise RegistryError(
        f"{environment} serves a model that is not the one of its release.",
        where=version.reference,
        got=version.digest or "a version without a digest",
        expected=release.digest
        if release
        else f"a release of {usecase} in environments/releases/{environment}.yaml",
        next_step=f"mlops deploy --usecase {usecase} --env {environment}, then promote again",
    )


def _verdict(client: MLClient, version: ModelVersion, folder: Path) -> Mapping[str, Any]:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - seconds of import

    job = version.training_job
    try:
        if job is None:
            raise _without_verdict(version, "no tag that names a training job")
        candidate = download_candidate(client, job, folder)
    except ResourceNotFoundError:
        raise _without_verdict(version, f"no job {job}") from None
    except PipelineError as error:
        raise _without_verdict(version, error.what) from None
    candidate.require_admissible()
    content: dict[str, Any] = json.loads(candidate.gate.read_text(encoding="utf-8"))
    return content


def _without_verdict(version: ModelVersion, got: str) -> RegistryError:
    return RegistryError(
        "The gate's verdict on this version is missing, and without one nothing is promoted.",
        where=version.reference,
        got=got,
        expected="a training job with a verdict in its output `gate`",
        next_step="train again, and promote that: mlops train",
    )

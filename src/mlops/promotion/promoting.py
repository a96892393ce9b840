"""``mlops promote``: the champion of one environment becomes the release of the next one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.digest import verify
from mlops.errors import RegistryError, UsageError, nearest
from mlops.promotion.evidence import from_release, from_training
from mlops.promotion.release import PromotedFrom, Release, registry_version
from mlops.promotion.shared import downloaded
from mlops.registry import ModelRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from azure.ai.ml import MLClient

    from mlops.model_version import ModelVersion
    from mlops.promotion.evidence import Evidence
    from mlops.promotion.files import Releases
    from mlops.promotion.shared import SharedModels
    from mlops.settings.model import Environment, Promotion

__all__ = ["Promoted", "promote", "require_next"]


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion did.

    Parameters
    ----------
    shared
        Whether the files are new to the registry.
    difference
        Of the release file; empty when the release was there already.
    """

    release: Release
    path: Path
    shared: bool
    difference: str

    def to_dict(self) -> dict[str, Any]:
        """Return what the command prints as JSON."""
        return {
            "release": self.release.model_dump(mode="json"),
            "file": str(self.path),
            "shared": self.shared,
            "changed": bool(self.difference),
            "difference": self.difference,
        }


def require_next(chain: Promotion, source: str, target: str) -> None:
    """Refuse a way that is not one step along the chain.

    Raises
    ------
    UsageError
        One of them is not in the chain, or the target is not the very next environment.
    """
    way = " -> ".join(chain.chain)
    for option, name in (("--from", source), ("--to", target)):
        if name not in chain.chain:
            close = nearest(name, chain.chain)
            raise UsageError(
                f"Nothing is promoted {option.removeprefix('--')} {name!r}.",
                where=option,
                got=name,
                expected=f"an environment of promotion.chain in environments/base.yaml: {way}",
                next_step=f"write {close!r}" if close else None,
            )
    if chain.after(source) != target:
        after, before = chain.after(source), chain.before(target)
        raise UsageError(
            f"{source} does not promote to {target}: a promotion goes one step, and skips none.",
            where="--to",
            got=f"{source} -> {target}",
            expected=f"one step of {way}",
            next_step=f"--to {after}" if after else f"--from {before}" if before else None,
        )


def promote(
    settings: Environment,
    client: MLClient,
    shared: SharedModels,
    releases: Releases,
    *,
    usecase: str,
    target: str,
    version: str | None,
    by: str,
    at: datetime,
    request: int = 0,
    progress: Callable[[str], None],
) -> Promoted:
    """Share a version's files into the registry and write the release; safe to interrupt and to repeat.

    Parameters
    ----------
    settings, client
        Of the environment that the version serves in.
    shared
        The registry that all environments share.
    releases
        The checkout's release files.
    target
        The environment to promote to.
    version
        The version to promote; the champion by default.
    by, at
        Who promotes, and when.
    request
        The issue that asked for a new model; 0 if none did.

    Raises
    ------
    UsageError
        The target is not the environment that follows.
    RegistryError
        There is no champion; there is no verdict, or it is about other files; there is no registry, or it
        holds other files.
    """
    require_next(settings.promotion, settings.name, target)
    registry = ModelRegistry(client)
    chosen = _chosen(registry, settings, usecase, version)
    progress(f"promoting {chosen.reference} of {settings.name}")
    held = releases.get(settings.name, usecase) if settings.accepts_releases else None
    if settings.accepts_releases:
        proof = from_release(chosen, held, settings.name, usecase)
    else:
        proof = _judged(client, registry, chosen)
    progress(f"the gate passed it: {proof.gate.checks} checks on {proof.gate.rows} rows")
    release = Release(
        model=chosen.name,
        registry=shared.name,
        version=registry_version(proof.digest),
        digest=proof.digest,
        lineage=proof.lineage,
        gate=proof.gate,
        promoted=PromotedFrom(
            environment=settings.name,  # type: ignore[arg-type]  # pydantic checks it
            version=chosen.version,
            at=at,
            by=by,
            # What asked for a model is answered by the last environment, not by the first.
            request=request or (held.promoted.request if held else 0),
        ),
    )
    releases.require_proven(settings.promotion, target, usecase, release)
    _require_bytes(client, chosen, proof.digest)
    new = shared.share(client, chosen, release)
    progress(f"{'shared as' if new else 'the registry holds it already:'} {release.reference}")
    former = releases.get(target, usecase)
    if former is not None and former.reference == release.reference:
        return Promoted(former, releases.path(target), new, "")
    release = release.succeeding(former)
    return Promoted(release, releases.path(target), new, releases.write(target, usecase, release))


def _judged(client: MLClient, registry: ModelRegistry, version: ModelVersion) -> Evidence:
    with tempfile.TemporaryDirectory(prefix="mlops-verdict-") as folder:
        return from_training(client, registry, version, Path(folder))


def _chosen(
    registry: ModelRegistry, settings: Environment, usecase: str, version: str | None
) -> ModelVersion:
    name = settings.names.model(usecase)
    chosen = registry.get(name, version) if version else registry.champion(name)
    if chosen is None:
        raise RegistryError(
            f"{settings.name} has no champion of {usecase}: nothing serves that could be promoted.",
            where=f"model {name} in {settings.name}",
            got="no version that is champion",
            expected="a model that was rolled out, or --version",
            next_step=f"mlops deploy --usecase {usecase} --env {settings.name}",
        )
    return chosen


def _require_bytes(client: MLClient, version: ModelVersion, digest: str) -> None:
    """Refuse a version whose files were changed after they were judged, before they get into the registry."""
    with downloaded(client, version.name, version.version) as folder:
        verify(
            folder,
            digest,
            what=version.reference,
            next_step="find out who changed them; train again, and promote that",
            compiled=True,
        )

"""From a release to a version in the environment's own workspace, with every byte held to the digest."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mlops.digest import verify
from mlops.errors import UsageError
from mlops.model_version import Lineage
from mlops.promotion.shared import downloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

    from mlops.model_version import ModelVersion
    from mlops.promotion.files import Releases
    from mlops.promotion.release import Release
    from mlops.promotion.shared import SharedModels
    from mlops.registry import ModelRegistry
    from mlops.settings.model import Environment

__all__ = ["accept", "refuse_own_models", "released"]


def released(settings: Environment, releases: Releases, usecase: str) -> Release:
    """Return what an environment has to deploy; offline.

    Raises
    ------
    UsageError
        The use case was never promoted there.
    RegistryError
        The release skips an environment, or is another project's.
    """
    release = releases.get(settings.name, usecase)
    if release is None:
        source = settings.promotion.before(settings.name)
        raise UsageError(
            f"{usecase} was never promoted to {settings.name}, which deploys nothing else.",
            where=str(releases.path(settings.name)),
            got=f"no release of {usecase}",
            expected="a release that a pull request brought",
            next_step=f"mlops promote --usecase {usecase} --from {source} --to {settings.name}",
        )
    releases.require_own(settings, usecase, release)
    releases.require_proven(settings.promotion, settings.name, usecase, release)
    return release


def refuse_own_models(settings: Environment, usecase: str) -> None:
    """Refuse to register or to pick a model in an environment that accepts releases alone.

    Raises
    ------
    UsageError
        It does.
    """
    if not settings.accepts_releases:
        return
    chain, name = settings.promotion, settings.name
    raise UsageError(
        f"{settings.name} deploys what was promoted to it, and no model of its own.",
        where=f"--env {settings.name}",
        expected=f"a model that is trained and registered in {chain.trains_in}, or --env local",
        next_step=f"mlops promote --usecase {usecase} --from {chain.before(name)} --to {name}",
    )


def accept(
    client: MLClient,
    registry: ModelRegistry,
    shared: SharedModels,
    release: Release,
    *,
    usecase: str,
    progress: Callable[[str], None],
) -> ModelVersion:
    """Return the workspace's version of a release, registered if need be, with its files verified.

    What serves is the workspace's own copy, so that is what is read back and compared, each time: its
    storage can be written to.

    Parameters
    ----------
    client, registry
        Of the environment's workspace, and its models.
    shared
        The registry that all environments share.
    release
        What to deploy.

    Raises
    ------
    RegistryError
        The registry's or the workspace's files are not those of the release.
    """
    known = next((each for each in registry.versions(release.model) if each.digest == release.digest), None)
    if known is None:
        with shared.fetched(release) as folder:
            progress(f"{release.reference}: the files are those that were judged")
            # A name of its own: what the SDK finds uploaded already, changed or not, it does not upload.
            fresh = folder.rename(folder.with_name(f"model-{secrets.token_hex(4)}"))
            known = registry.adopt(
                release.model,
                str(fresh),
                _lineage(registry, release, usecase),
                job=release.lineage.training_job,
                release=release.version,
            )
    with downloaded(client, known.name, known.version) as folder:
        verify(
            folder,
            release.digest,
            what=known.reference,
            next_step=f"find out who changed them; az ml model archive -n {known.name} -v {known.version}, "
            "then deploy again",
        )
    progress(f"{known.reference} is {release.digest}")
    champion = registry.champion(known.name)
    if champion is not None and champion.version == known.version:
        return champion
    return registry.set_challenger(known.name, known.version)


def _lineage(registry: ModelRegistry, release: Release, usecase: str) -> Lineage:
    """Return a release's lineage with the version, here, of what the evaluation compared it with."""
    made = release.lineage
    here = (each.version for each in registry.versions(release.model) if each.digest == made.compared_with)
    compared = next(here, None) if made.compared_with else None
    return Lineage(
        usecase=usecase,
        data=made.training_data,
        environment=made.training_environment,
        code=made.code,
        compared_with=compared,
        expected_shift=made.expected_shift if compared else None,
        digest=release.digest,
    )

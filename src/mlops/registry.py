"""Registered models: numbered versions with their lineage, and the roles that they play.

Roles are tags, not aliases: Azure Machine Learning's registry knows no label but ``latest``, and the
aliases of its MLflow interface are not dependable. A tag cannot say "exactly one", so this module does:

- The reader's rule: among all versions tagged champion, the one with the latest ``champion_since`` is it.
- The writer's order: the new champion is tagged first, the others are demoted after. An interruption
  in between leaves two tags, which the reader's rule resolves to the new one, and which the next call of
  :meth:`ModelRegistry.set_champion` or :meth:`ModelRegistry.repair` cleans up. There is never none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.errors import RegistryError
from mlops.model_version import Lineage, ModelVersion, RoleTag, version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.ai.ml import MLClient

    from mlops.candidate import Candidate

__all__ = ["Lineage", "ModelRegistry", "ModelVersion", "version_key"]

Role = Literal["champion", "challenger"]
# Two writers that pick the same next version: each retry sees the other's, so a few are plenty.
_ATTEMPTS: Final = 5


class ModelRegistry:
    """The models of one workspace.

    Parameters
    ----------
    client
        Client of the workspace.
    now
        The clock; a test passes its own.
    """

    def __init__(self, client: MLClient, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._models = client.models
        self._now = now

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model that are not archived, in numeric order; none if unknown."""
        return self._list(name, "ActiveOnly")

    def get(self, name: str, version: str) -> ModelVersion:
        """Return one version.

        Raises
        ------
        RegistryError
            The model or the version does not exist.
        """
        return ModelVersion.from_entity(self._entity(name, version))

    def register(self, name: str, candidate: Candidate, lineage: Lineage) -> ModelVersion:
        """Register a job's model; the same job always yields the same version.

        A version and its tags are written in one request, so an interruption leaves either a whole
        version or none, and running the command again does the rest.

        Raises
        ------
        RegistryError
            The gate did not pass or is missing, the model has no signature, or the version that this job
            was registered as has been archived.
        """
        candidate.require_admissible()
        tags = {**lineage.tags(), RoleTag.JOB: candidate.job, "gate": "pass"}
        return self._claim(name, candidate.path, tags, lambda version: version.training_job == candidate.job)

    def adopt(self, name: str, path: str, lineage: Lineage, *, job: str, release: str) -> ModelVersion:
        """Register files that were promoted here; a digest has one version that is not archived.

        Parameters
        ----------
        path
            Folder with the files, verified by the caller.
        lineage
            With the digest.
        job
            The training job, in the environment that trained.
        release
            The version that the shared registry holds the files under.
        """
        tags = {**lineage.tags(), RoleTag.JOB: job, RoleTag.RELEASE: release, "gate": "pass"}
        # An archived one was taken out of service, for files that were changed say: its successor is another.
        every, active = self._list(name, "All"), {each.version for each in self.versions(name)}
        archived = {each.version for each in every} - active
        return self._claim(
            name,
            path,
            tags,
            lambda version: version.digest == lineage.digest and version.version not in archived,
        )

    def _claim(
        self, name: str, path: str, tags: Mapping[str, str], is_it: Callable[[ModelVersion], bool]
    ) -> ModelVersion:
        """Return the version that is it already, or write one under the next free number."""
        for _ in range(_ATTEMPTS):
            every = self._list(name, "All")
            known = next(filter(is_it, every), None)
            if known is not None:
                return self._known(known)
            number = max((int(v.version) for v in every if v.version.isdecimal()), default=0) + 1
            written = self._write_new(name, str(number), path, tags)
            if written is not None and is_it(written):
                return written
        raise RegistryError(
            f"No free version of {name} could be claimed: others keep registering at the same time.",
            where=f"model {name}",
            got=f"{_ATTEMPTS} conflicts",
            next_step="run the same command again",
        )

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version that serves, or None when there is none yet."""
        return max(self._holders(name, "champion"), key=_seniority, default=None)

    def challenger(self, name: str) -> ModelVersion | None:
        """Return the version that was last named challenger, or None."""
        return max(self._holders(name, "challenger"), key=lambda v: version_key(v.version), default=None)

    def set_champion(self, name: str, version: str) -> ModelVersion:
        """Make a version the only champion; safe to interrupt anywhere and to repeat.

        Returns
        -------
        ModelVersion
            The champion, with ``champion_since`` and ``previous_champion`` among its tags.

        Raises
        ------
        RegistryError
            The version does not exist, or another writer made another one champion meanwhile.
        """
        entity = self._entity(name, version)
        current = self.champion(name)
        if current is None or current.version != version:
            # Never earlier than the present champion's own mark, whatever this machine's clock says.
            before = current.champion_since if current else None
            since = max(self._now(), before + timedelta(microseconds=1)) if before else self._now()
            entity.tags = _without(entity.tags, RoleTag.UNTIL) | {
                RoleTag.ROLE: "champion",
                RoleTag.SINCE: since.isoformat(),
            }
            if current is not None:
                entity.tags[RoleTag.PREVIOUS] = current.version
            self._models.create_or_update(entity)
        self.repair(name)
        winner = self.champion(name)
        if winner is None or winner.version != version:
            raise RegistryError(
                f"Version {version} of {name} was made champion, and then another writer chose another.",
                where=f"model {name}",
                got=f"champion {winner.version if winner else 'none'}",
                expected=f"champion {version}",
                next_step="let only one release run at a time, then run the same command again",
            )
        return winner

    def set_challenger(self, name: str, version: str) -> ModelVersion:
        """Make a version the only challenger.

        Raises
        ------
        RegistryError
            The version does not exist, or is the champion.
        """
        champion = self.champion(name)
        if champion is not None and champion.version == version:
            raise RegistryError(
                f"Version {version} of {name} is the champion and cannot challenge itself.",
                where=f"model {name}",
                next_step="name another version",
            )
        entity = self._entity(name, version)
        if (entity.tags or {}).get(RoleTag.ROLE) != "challenger":
            entity.tags = {**(entity.tags or {}), RoleTag.ROLE: "challenger"}
            entity = self._models.create_or_update(entity)
        for other in self._holders(name, "challenger"):
            if other.version != version:
                self._drop_role(other)
        return ModelVersion.from_entity(entity)

    def repair(self, name: str) -> tuple[ModelVersion, ...]:
        """Demote every champion but the latest, and return those that were demoted."""
        holders = sorted(self._holders(name, "champion"), key=_seniority)
        for demoted in holders[:-1]:
            self._drop_role(demoted, since=holders[-1].champion_since or self._now())
        return tuple(holders[:-1])

    def _known(self, version: ModelVersion) -> ModelVersion:
        if any(active.version == version.version for active in self.versions(version.name)):
            return version
        raise RegistryError(
            f"The model of job {version.training_job} is version {version.version}, which has been archived.",
            where=f"model {version.name}",
            next_step=f"train again, or: az ml model restore -n {version.name} -v {version.version}",
        )

    def _write_new(self, name: str, version: str, path: str, tags: Mapping[str, str]) -> ModelVersion | None:
        """Write a version, or return None when another writer took its number first."""
        from azure.ai.ml.entities import Model  # noqa: PLC0415 - seconds of import that reading does not need
        from azure.ai.ml.exceptions import AssetPathException  # noqa: PLC0415
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

        model = Model(
            name=name,
            version=version,
            type="mlflow_model",
            path=path,
            description=f"Output of job {tags[RoleTag.JOB]}",
            tags=dict(tags),
        )
        try:
            self._models.create_or_update(model)
        except (ResourceExistsError, AssetPathException):
            return None  # a version's path is immutable, so the number belongs to another job
        return self.get(name, version)

    def _list(self, name: str, view: str) -> tuple[ModelVersion, ...]:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - see _write_new

        try:
            entities = self._models.list(name, list_view_type=view)
            found = [ModelVersion.from_entity(entity) for entity in entities]
        except ResourceNotFoundError:
            return ()
        return tuple(sorted(found, key=lambda version: version_key(version.version)))

    def _holders(self, name: str, role: Role) -> list[ModelVersion]:
        return [version for version in self.versions(name) if version.role == role]

    def _entity(self, name: str, version: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - see _write_new

        try:
            return self._models.get(name, version=version)
        except ResourceNotFoundError:
            known = ", ".join(v.version for v in self.versions(name)) or "none"
            raise RegistryError(
                f"There is no version {version} of model {name}.",
                where=f"model {name}",
                got=version,
                expected=f"one of: {known}",
                next_step="register a model: mlops register",
            ) from None

    def _drop_role(self, version: ModelVersion, *, since: datetime | None = None) -> None:
        entity = self._entity(version.name, version.version)
        entity.tags = _without(entity.tags, RoleTag.ROLE) | (
            {RoleTag.UNTIL: since.isoformat()} if since else {}
        )
        self._models.create_or_update(entity)


def _seniority(version: ModelVersion) -> tuple[datetime, object]:
    """Order champions: the latest `champion_since` wins, then the highest version."""
    return (version.champion_since or datetime.min.replace(tzinfo=UTC), version_key(version.version))


def _without(tags: Mapping[str, str] | None, key: str) -> dict[str, str]:
    return {name: value for name, value in (tags or {}).items() if name != key}

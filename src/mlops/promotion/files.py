"""`environments/releases/`: reading it, writing it, and the rule that no environment is skipped."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from mlops.errors import RegistryError
from mlops.files import write_text
from mlops.promotion.release import ReleaseFile
from mlops.yaml_source import describe, load_yaml

if TYPE_CHECKING:
    from mlops.promotion.release import Release
    from mlops.settings.model import Environment, Promotion

__all__ = ["FOLDER", "Releases"]

FOLDER = Path("environments") / "releases"


@dataclass(frozen=True, slots=True)
class Releases:
    """The release files of one checkout.

    Parameters
    ----------
    root
        The repository's folder.
    """

    root: Path

    def path(self, environment: str) -> Path:
        """Return where an environment's releases are written."""
        return self.root / FOLDER / f"{environment}.yaml"

    def read(self, environment: str) -> ReleaseFile:
        """Return an environment's releases; none when there is no file.

        Raises
        ------
        SettingsError
            The file is wrong: the message names file, line, key and the nearest valid key.
        """
        path = self.path(environment)
        if not path.exists():
            return ReleaseFile()
        data, marks = load_yaml(path)
        try:
            return ReleaseFile.model_validate(data)
        except ValidationError as error:
            raise describe(error, marks, ReleaseFile) from None

    def get(self, environment: str, usecase: str) -> Release | None:
        """Return one use case's release in an environment, or None when it was never promoted there."""
        return self.read(environment).releases.get(usecase)

    def write(self, environment: str, usecase: str, release: Release) -> str:
        """Write a use case's release, and return the difference that this makes."""
        path = self.path(environment)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = self.read(environment).having(usecase, release).to_yaml(environment)
        write_text(path, after)
        name = path.relative_to(self.root).as_posix()
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm=""
        )
        return "\n".join(lines)

    def require_proven(self, chain: Promotion, environment: str, usecase: str, release: Release) -> None:
        """Refuse a release whose files never were released in the environment before; offline.

        Raises
        ------
        RegistryError
            The environment before does not hold the digest, now or earlier.
        """
        before = chain.before(environment)
        if before is None or not chain.accepts_releases(before):
            return  # the environment before is the one that trains: its models have no releases
        former = self.get(before, usecase)
        if former is not None and release.digest in former.held():
            return
        source = release.promoted.environment
        step = (source, before) if source != before else (before, environment)
        raise RegistryError(
            f"{environment} would release what {before} never did: a promotion skips no environment.",
            where=f"{self.path(environment)} (releases.{usecase}.digest)",
            got=release.digest,
            expected=f"a digest of {self.path(before)}: {former.digest if former else 'there is none'}",
            next_step=f"mlops promote --usecase {usecase} --from {step[0]} --to {step[1]}",
        )

    def require_own(self, settings: Environment, usecase: str, release: Release) -> None:
        """Refuse a release that names another project's model or registry.

        Raises
        ------
        RegistryError
            It does.
        """
        names = settings.names
        wanted = {"model": names.model(usecase), "registry": names.registry}
        for key, expected in wanted.items():
            if getattr(release, key) != expected:
                raise RegistryError(
                    f"A release of {settings.name} names another {key} than this project's.",
                    where=f"{self.path(settings.name)} (releases.{usecase}.{key})",
                    got=getattr(release, key),
                    expected=expected,
                    next_step=f"mlops promote --usecase {usecase} --from {release.promoted.environment} "
                    f"--to {settings.name}",
                )
        source = settings.promotion.before(settings.name)
        if release.promoted.environment != source:
            raise RegistryError(
                f"A release of {settings.name} comes from an environment that does not promote to it.",
                where=f"{self.path(settings.name)} (releases.{usecase}.promoted.environment)",
                got=release.promoted.environment,
                expected=source,
                next_step=f"mlops promote --usecase {usecase} --from {source} --to {settings.name}",
            )

"""What an environment deploys, as `environments/releases/<env>.yaml` says it: models of one file."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import yaml
from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from typing_extensions import override

from mlops.digest import PATTERN, PREFIX
from mlops.settings.section import Section

__all__ = ["Earlier", "JudgedBy", "MadeFrom", "PromotedFrom", "Release", "ReleaseFile", "registry_version"]

Digest = Annotated[str, StringConstraints(pattern=PATTERN)]
UseCaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]+$", max_length=300)]

_VERSION_DIGITS: Final = 12
_HEADER: Final = "# What {environment} deploys: written by `mlops promote`, decided by pull request.\n"


def registry_version(digest: str) -> str:
    """Return the version under which the registry holds a digest: its first digits.

    So a version says what it is: the same files are never shared twice, and two environments that count
    their own versions from one on cannot meet.

    Examples
    --------
    >>> registry_version("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return digest.removeprefix(PREFIX)[:_VERSION_DIGITS]


class MadeFrom(Section):
    """The lineage of a model; it travels with it.

    Parameters
    ----------
    training_environment
        ``training:<digest of the lock>``.
    code
        The commit or the digest of the code that trained it.
    training_data, training_job
        In the environment that trained it.
    compared_with, expected_shift
        The digest of the champion that the evaluation compared it with, and how far its mean prediction on
        the held-out rows was from that one's.
    """

    training_environment: Line
    code: Line
    training_data: Line
    training_job: Line
    compared_with: Digest | None = None
    expected_shift: float | None = Field(default=None, allow_inf_nan=False)


class JudgedBy(Section):
    """What the gate said, in short; only a pass is ever written."""

    verdict: Literal["pass"]
    checks: int = Field(ge=1, description="how many there were; all of them passed")
    rows: int = Field(ge=0, description="held-out rows that they were made on")


class PromotedFrom(Section):
    """Where a release comes from.

    Parameters
    ----------
    environment, version
        The environment that it served in, and its version there.
    request
        The issue that asked for a new model; 0 when none did.
    """

    environment: Literal["dev", "staging"]
    version: Line
    at: AwareDatetime
    by: Line
    request: int = Field(default=0, ge=0)


class Earlier(Section):
    """A digest that was released here before: what a later environment serves may still be it."""

    digest: Digest
    at: AwareDatetime


class Release(Section):
    """One use case's model in one environment."""

    model: Line
    registry: Line
    version: Line
    digest: Digest
    lineage: MadeFrom
    gate: JudgedBy
    promoted: PromotedFrom
    earlier: tuple[Earlier, ...] = ()

    @model_validator(mode="after")
    def _version_is_of_the_digest(self) -> Release:
        if self.version != registry_version(self.digest):
            raise ValueError(
                f"version {self.version} is not the digest's own, {registry_version(self.digest)}: "
                "releases are written by mlops promote, never by hand"
            )
        return self

    @property
    def reference(self) -> str:
        """How messages and Azure name it."""
        return f"azureml://registries/{self.registry}/models/{self.model}/versions/{self.version}"

    def succeeding(self, former: Release | None) -> Release:
        """Return this release as the successor of another one, which becomes an earlier one."""
        past = (
            () if former is None else (Earlier(digest=former.digest, at=former.promoted.at), *former.earlier)
        )
        return self.model_copy(update={"earlier": tuple(one for one in past if one.digest != self.digest)})

    def held(self) -> frozenset[str]:
        """Return every digest that was ever released here."""
        return frozenset({self.digest, *(one.digest for one in self.earlier)})


class ReleaseFile(Section):
    """The releases of one environment, by use case."""

    releases: dict[UseCaseName, Release] = Field(default_factory=dict)

    def having(self, usecase: str, release: Release) -> ReleaseFile:
        """Return the file with one use case's release replaced."""
        return ReleaseFile(releases=dict(sorted({**self.releases, usecase: release}.items())))

    def to_yaml(self, environment: str) -> str:
        """Return the file's text; the same releases always give the same text."""
        content = self.model_dump(mode="json", exclude_defaults=True) or {"releases": {}}
        body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
        return _HEADER.format(environment=environment) + body


class _Dumper(yaml.SafeDumper):
    """Writes YAML as this repository's own is written: with lists that are indented."""

    @override
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

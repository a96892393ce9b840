"""One registered version of a model: its number, its lineage and its role."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lineage", "ModelVersion", "RoleTag", "version_key"]


class RoleTag:
    """Names of the tags that hold a version's role and its history."""

    ROLE: Final = "role"
    SINCE: Final = "champion_since"
    UNTIL: Final = "champion_until"
    PREVIOUS: Final = "previous_champion"
    JOB: Final = "training_job"
    COMPARED: Final = "compared_with"
    SHIFT: Final = "expected_shift"
    DIGEST: Final = "digest"
    RELEASE: Final = "release"


def version_key(version: str) -> tuple[int, int, tuple[tuple[int, int, str], ...], str]:
    """Return a sort key that orders 10 after 9, and text that is no number before all numbers.

    Azure sorts versions as text, and calls whatever was written last ``latest``.

    Examples
    --------
    >>> sorted(["10", "9", "1", "2024-11-a"], key=version_key)
    ['2024-11-a', '1', '9', '10']
    """
    if re.fullmatch(r"[0-9]+", version):
        return (1, int(version), (), version)
    parts = re.findall(r"[0-9]+|[^0-9]+", version)
    natural = tuple((1, int(part), "") if part[0] in "0123456789" else (0, 0, part) for part in parts)
    return (0, 0, natural, version)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a model version comes from; written once, at registration.

    Parameters
    ----------
    usecase
        Name of the use case.
    data
        The training data asset, ``<name>:<version>``.
    environment
        The training environment, ``training:<digest>``.
    code
        The commit or the digest of the code that trained it.
    compared_with, expected_shift
        The champion that the evaluation compared it with, and how far its mean prediction on the held-out
        rows was from the champion's; None for the first model.
    digest
        Of the model's files that the gate judged, as :mod:`mlops.digest` writes it; None if unknown.
    """

    usecase: str
    data: str
    environment: str
    code: str
    compared_with: str | None = None
    expected_shift: float | None = None
    digest: str | None = None

    def tags(self) -> dict[str, str]:
        """Return the lineage as tags."""
        tags = {
            "usecase": self.usecase,
            "training_data": self.data,
            "training_environment": self.environment,
            "code": self.code,
        }
        if self.compared_with is not None and self.expected_shift is not None:
            tags |= {RoleTag.COMPARED: self.compared_with, RoleTag.SHIFT: f"{self.expected_shift:.6g}"}
        return tags if self.digest is None else {**tags, RoleTag.DIGEST: self.digest}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version of a model."""

    name: str
    version: str
    id: str
    path: str
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_entity(cls, entity: Any) -> ModelVersion:
        """Take what this project needs from an ``azure.ai.ml.entities.Model``."""
        return cls(
            name=str(entity.name),
            version=str(entity.version),
            id=str(entity.id),
            path=str(entity.path),
            tags=MappingProxyType({str(key): str(value) for key, value in (entity.tags or {}).items()}),
        )

    @property
    def reference(self) -> str:
        """How a deployment names this version in its workspace."""
        return f"azureml:{self.name}:{self.version}"

    @property
    def role(self) -> str | None:
        """``champion``, ``challenger`` or None."""
        return self.tags.get(RoleTag.ROLE)

    @property
    def training_job(self) -> str | None:
        """Name of the job whose output this is."""
        return self.tags.get(RoleTag.JOB)

    @property
    def digest(self) -> str | None:
        """The digest of the files that the gate judged; None for a version from before it was kept."""
        return self.tags.get(RoleTag.DIGEST)

    def expected_shift(self, champion: ModelVersion | None) -> float:
        """Return how far the mean prediction moves when this version takes over from `champion`.

        0 where no evaluation compared the two: then a rollout allows for none.
        """
        if champion is None or self.tags.get(RoleTag.COMPARED) != champion.version:
            return 0.0
        try:
            shift = float(self.tags.get(RoleTag.SHIFT, "0"))
        except ValueError:
            return 0.0
        return shift if math.isfinite(shift) else 0.0

    @property
    def champion_since(self) -> datetime | None:
        """When this version last became champion."""
        return _instant(self.tags.get(RoleTag.SINCE))

    def to_dict(self) -> dict[str, Any]:
        """Return the version as JSON-ready values."""
        return {"name": self.name, "version": self.version, "id": self.id, "tags": dict(self.tags)}


def _instant(text: str | None) -> datetime | None:
    """Read a time mark; a mark that a person edited into nonsense counts as none."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)

"""What Pulumi's files say about bootstrap: that it made the resource groups, and who may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.onboarding.changes import FileChange
from mlops.settings.together import STACKS
from mlops.yaml_edit import remove_key, set_values
from mlops.yaml_source import load_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["after_create", "after_destroy", "initialised"]

_FOLDER: Final = "environments/pulumi"
_ORDER: Final = ("shared", *STACKS)


def initialised(root: Path) -> tuple[str, ...]:
    """Return the stacks that are in the state store, in the order in which they are deployed.

    ``pulumi stack init --secrets-provider`` writes the provider into the stack's file, which is
    committed: so the repository itself says which stacks a pipeline can preview.
    """
    return tuple(
        stack
        for stack in _ORDER
        if "secretsprovider" in load_yaml(root / _FOLDER / f"Pulumi.{stack}.yaml")[0]
    )


def after_create(root: Path, environment: str, subject_prefix: str) -> list[FileChange]:
    """Return the changes that make the stacks use what bootstrap has made.

    Parameters
    ----------
    subject_prefix
        How GitHub's tokens for the repository begin, as its API says.
    """
    values: dict[str, dict[str, Any]] = {
        "bootstrap": {"mlops-bootstrap:subjectPrefix": subject_prefix},
        "shared": {"mlops-platform:createResourceGroup": False},
        environment: {
            "mlops-workload:createResourceGroup": False,
            "mlops-workload:subjectPrefix": subject_prefix,
        },
    }
    return [change for stack, wanted in values.items() if (change := _edited(root, stack, wanted))]


def after_destroy(root: Path, environment: str) -> list[FileChange]:
    """Return the changes that make an environment's stack create its own resource group again."""
    wanted = {"mlops-workload:createResourceGroup": True, "mlops-workload:subjectPrefix": None}
    change = _edited(root, environment, wanted)
    return [change] if change else []


def _edited(root: Path, stack: str, wanted: dict[str, Any]) -> FileChange | None:
    path = f"{_FOLDER}/Pulumi.{stack}.yaml"
    before = (root / path).read_text(encoding="utf-8")
    after = before
    for key, value in wanted.items():
        if value is None:
            after = remove_key(after, ("config", key), where=path)
        else:
            after = set_values(after, {("config", key): value}, where=path)
    return FileChange(path, before, after) if after != before else None

"""What a change touches: stacks to preview, use cases to train, alert rules to compare, images to build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.delivery.git import git_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["ORDER", "Touched", "changed_files", "touched"]

ORDER: Final = ("bootstrap", "shared", "dev", "staging", "prod")
"""Every stack, in the order in which each builds on those before it."""

_WORKLOADS: Final = ("dev", "staging", "prod")
_NOTHING: Final[tuple[str, ...]] = ()
# The first pattern that fits decides; `{name}` in the answer is what the pattern found.
_STACK_RULES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r".*\.md", _NOTHING),
    (r"environments/local\.yaml", _NOTHING),
    (r"environments/(?P<name>dev|staging|prod)\.yaml", ("{name}",)),
    (r"environments/pulumi/Pulumi\.(?P<name>\w+)\.yaml", ("{name}",)),
    (r"environments/locks/development\.txt", ORDER),
    (r"environments/(locks|releases)/.*", _NOTHING),
    # Base, project, access, and whatever file comes beside them.
    (r"environments/[^/]+\.yaml", ORDER),
    (r"infra/bootstrap/.*", ("bootstrap",)),
    (r"infra/platform/.*", ("shared", *_WORKLOADS)),
    (r"infra/workload/.*", _WORKLOADS),
    (r"infra/.*", ORDER),
    (r"src/mlops/(settings/.*|naming\.py|yaml_source\.py)", ORDER),
)
_EVERY_USECASE: Final = re.compile(
    r"pipelines/(components|environments)/.*|pipelines/[^/]+\.py|src/mlops/(gate/.*|usecase\.py)"
    r"|environments/locks/(training|serving)\.txt"
)
_ONE_USECASE: Final = re.compile(r"(?:src/usecases|pipelines)/(?P<name>[^/]+)/.*")
_RULES: Final = re.compile(r"pipelines/[^/]+/monitor[^/]*\.yaml|src/modelwatch/.*\.py")
_RELEASES: Final = re.compile(r"environments/(releases/)?[^/]+\.yaml|src/mlops/promotion/.*\.py")
_IMAGES: Final = re.compile(
    r"environments/locks/(training|serving)\.txt|pipelines/environments/(?!.*\.md$).*"
)
_NO_COMMIT: Final = re.compile(r"0*")


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change touches.

    Parameters
    ----------
    files
        How many files differ; None when there was nothing to compare with, so that everything counts.
    stacks, usecases
        By name, in the order of deployment and of the alphabet.
    alert_rules
        Whether alert rules, or the code that evaluates them, differ.
    releases
        Whether release files differ, or the settings that they are held to.
    images
        Whether what images are built from differs.
    """

    files: int | None
    stacks: tuple[str, ...]
    usecases: tuple[str, ...]
    alert_rules: bool
    releases: bool
    images: bool

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {
            "files": self.files,
            "stacks": list(self.stacks),
            "usecases": list(self.usecases),
            "alert_rules": self.alert_rules,
            "releases": self.releases,
            "images": self.images,
        }


def touched(files: Sequence[str] | None, usecases: Iterable[str]) -> Touched:
    """Return what a list of changed files touches.

    Parameters
    ----------
    files
        Paths from the repository's root, with slashes; None for all of them.
    usecases
        The use cases that there are.

    Examples
    --------
    >>> touched(["environments/dev.yaml"], []).stacks
    ('dev',)
    """
    known = sorted(usecases)
    if files is None:
        return Touched(None, ORDER, tuple(known), alert_rules=True, releases=True, images=True)
    stacks = {stack for path in files for stack in _stacks(path)}
    return Touched(
        files=len(files),
        stacks=tuple(stack for stack in ORDER if stack in stacks),
        usecases=tuple(name for name in known if any(_trains(path, name) for path in files)),
        alert_rules=any(_RULES.fullmatch(path) for path in files),
        releases=any(_RELEASES.fullmatch(path) for path in files),
        images=any(_IMAGES.fullmatch(path) for path in files),
    )


def changed_files(base: str, root: Path) -> list[str] | None:
    """Return the paths that differ between where the work branched off `base` and the present commit.

    Parameters
    ----------
    base
        A branch, tag or commit. Zeros, which GitHub sends for a branch's first push, compare with nothing.

    Returns
    -------
    list of str or None
        None when there is nothing to compare with.

    Raises
    ------
    UsageError
        The revision is not in this clone.
    """
    if _NO_COMMIT.fullmatch(base):
        return None
    # Both names of a renamed file count: it left one place and came to another.
    told = git_output(
        root, base, "diff", "--name-only", "-z", "--no-renames", "--end-of-options", f"{base}...HEAD"
    )
    return [name for name in told.split("\0") if name]


def _stacks(path: str) -> tuple[str, ...]:
    for pattern, stacks in _STACK_RULES:
        found = re.fullmatch(pattern, path)
        if found:
            return tuple(stack.format(**found.groupdict()) for stack in stacks)
    return ()


def _trains(path: str, usecase: str) -> bool:
    if path.endswith(".md") or _RULES.fullmatch(path):
        return False
    one = _ONE_USECASE.fullmatch(path)
    return bool(_EVERY_USECASE.fullmatch(path)) or (one is not None and one["name"] == usecase)

"""What a change does to `environments/releases/`: which models it deploys where, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.delivery.git import git_output
from mlops.delivery.markdown import cell, code, table
from mlops.errors import ProjectError
from mlops.promotion.files import FOLDER, Releases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mlops.promotion.release import Release
    from mlops.settings.model import Environment

__all__ = ["ReleaseChange", "at_revision", "changes", "problems", "to_markdown"]


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """A use case's release that a change brings, replaces or takes back."""

    environment: str
    usecase: str
    before: Release | None
    after: Release | None

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {
            "environment": self.environment,
            "usecase": self.usecase,
            "before": self.before.digest if self.before else None,
            "after": self.after.digest if self.after else None,
        }


def at_revision(base: str, root: Path, folder: Path, environments: Sequence[str]) -> Releases:
    """Return the release files as a revision has them, written into `folder`.

    Raises
    ------
    UsageError
        The revision is not in this clone.
    """
    found = Releases(folder)
    git_output(root, base, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    for environment in environments:
        name = (FOLDER / f"{environment}.yaml").as_posix()
        if git_output(root, base, "ls-tree", "--name-only", "--end-of-options", base, "--", name):
            path = found.path(environment)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                git_output(root, base, "show", "--end-of-options", f"{base}:{name}"), encoding="utf-8"
            )
    return found


def changes(now: Releases, before: Releases | None, environments: Sequence[str]) -> list[ReleaseChange]:
    """Return the releases that differ, in the order of promotion; all of them without a `before`."""
    found = []
    for environment in environments:
        new = now.read(environment).releases
        old = before.read(environment).releases if before else {}
        for usecase in sorted({*old, *new}):
            was, becomes = old.get(usecase), new.get(usecase)
            if was is None or becomes is None or was.reference != becomes.reference:
                found.append(ReleaseChange(environment, usecase, was, becomes))
    return found


def problems(
    settings: Mapping[str, Environment],
    now: Releases,
    before: Releases | None,
    changed: Sequence[ReleaseChange],
) -> Iterator[ProjectError]:
    """Yield why releases may not be what they are; offline.

    Every release has to be this project's and to have been released in the environment before; a changed one
    already before this change, so that one pull request cannot take a model past an environment.

    Parameters
    ----------
    settings
        Of each environment in Azure.
    before
        The release files that the change starts from; None when there is nothing to compare with.
    """
    chain = next(iter(settings.values())).promotion
    for name in chain.chain[1:]:
        for usecase, release in now.read(name).releases.items():
            new = before is not None and any(
                (one.environment, one.usecase) == (name, usecase) for one in changed
            )
            try:
                now.require_own(settings[name], usecase, release)
                (before if new and before else now).require_proven(chain, name, usecase, release)
            except ProjectError as error:
                yield error


def to_markdown(changed: Sequence[ReleaseChange], found: Sequence[ProjectError]) -> str:
    """Return the comment's text: what is released where, what it was made from, and what forbids it."""
    lines = ["## Releases", ""]
    if not changed:
        lines += ["No release changes."]
    for one in changed:
        lines += [f"### {code(one.usecase)} in {code(one.environment)}", "", *_facts(one), ""]
    if found:
        lines += ["", "**These releases are refused:**", "", *[f"- {cell(error)}" for error in found]]
    return "\n".join(lines).rstrip("\n") + "\n"


def _facts(change: ReleaseChange) -> list[str]:
    release = change.after
    if release is None:
        return ["Taken back: what serves keeps serving, and nothing is deployed from now on."]
    made, origin = release.lineage, release.promoted
    rows = [
        ("digest", code(release.digest)),
        ("before", code(change.before.digest) if change.before else "nothing was released"),
        ("registry", code(release.reference)),
        ("promoted from", f"{code(origin.environment)} version {code(origin.version)} by {cell(origin.by)}"),
        ("gate", f"{release.gate.checks} checks passed on {release.gate.rows:,} held-out rows"),
        ("training job", code(made.training_job)),
        ("data", code(made.training_data)),
        ("environment", code(made.training_environment)),
        ("code", code(made.code)),
    ]
    return table(("", ""), rows)

"""What a change of the repository does to a stack: two rendered graphs, compared resource by resource."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from infra.engine.azure_types import azure_types
from infra.engine.property_path import Change, changes, matches, parse_path, restore
from infra.engine.providers import PROVIDER_PREFIX
from infra.engine.urn import STACK_TYPE
from infra.render import program_of, render
from mlops.errors import UsageError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.engine import ResourceState

__all__ = ["Kind", "ResourceChange", "StackDiff", "compare", "diff", "extract"]

Kind = Literal["replace", "delete", "update", "create"]

# Options that guard a resource are as much a change of it as its properties are.
_GUARDS = ("protect", "retain_on_delete")


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource that is not as it was.

    Parameters
    ----------
    changes
        Properties and guards that differ, with old and new value; secrets are still wrapped.
    reasons
        For each property that forces a replacement, why.
    protected
        A deployment that replaces or deletes it will be refused.
    former_name
        The URN that it had before, when an alias says that it is the same resource.
    """

    kind: Kind
    urn: str
    type: str
    name: str
    known_as: str = ""
    changes: tuple[Change, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    former_name: str = ""


@dataclass(frozen=True, slots=True)
class StackDiff:
    """Everything that changes in a stack, replacements first."""

    stack: str
    base: str
    changes: tuple[ResourceChange, ...]
    unchanged: int

    def of_kind(self, kind: Kind) -> tuple[ResourceChange, ...]:
        """Return the changes of one kind."""
        return tuple(one for one in self.changes if one.kind == kind)


def diff(stack: str, base: str, *, root: Path = ROOT) -> StackDiff:
    """Render a stack at a revision and in the working tree, and compare.

    Parameters
    ----------
    base
        A branch, tag or commit of the repository in `root`.

    Raises
    ------
    UsageError
        There is no such stack or no such revision.
    DeploymentFailedError
        One of the two cannot be rendered.
    """
    program = program_of(stack)
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as folder, ThreadPoolExecutor(1) as pool:
        checkout = Path(folder)
        extract(base, root, checkout)
        head = pool.submit(render, stack, root=root)
        exists = (checkout / program.folder / "Pulumi.yaml").is_file()
        old = render(stack, root=checkout).resources if exists else ()
        new = head.result().resources
    found, unchanged = compare(old, new)
    return StackDiff(stack, base, found, unchanged)


def extract(revision: str, root: Path, target: Path) -> None:
    """Write the files of a revision below `target`, without touching the repository's own checkout."""
    command = ["git", "-C", str(root), "archive", "--format=tar", "--end-of-options", revision]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise UsageError(
            "The base revision cannot be read.",
            where=str(root),
            got=revision,
            expected="a branch, tag or commit of this repository",
            next_step=f"git fetch origin {revision}",
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")


def compare(
    old: Iterable[ResourceState], new: Iterable[ResourceState]
) -> tuple[tuple[ResourceChange, ...], int]:
    """Compare two graphs of the same stack.

    Returns
    -------
    changes, unchanged
        What differs, replacements first and then by URN; and how many resources do not.
    """
    before = {one.urn: one for one in old if _is_deployed(one)}
    found = []
    unchanged = 0
    for one in new:
        if not _is_deployed(one):
            continue
        former = next((urn for urn in (one.urn, *one.aliases) if urn in before), None)
        if former is None:
            found.append(_described("create", one))
            continue
        change = _compared(before.pop(former), one)
        unchanged += change is None
        found += [change] if change else []
    found += [_described("delete", one) for one in before.values()]
    order: list[Kind] = ["replace", "delete", "update", "create"]
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), one.urn))), unchanged


def _is_deployed(resource: ResourceState) -> bool:
    """Return whether the cloud knows the resource: components and providers are Pulumi's alone."""
    hidden = (STACK_TYPE, PROVIDER_PREFIX)
    return resource.custom and not resource.external and not resource.type.startswith(hidden)


def _described(kind: Kind, one: ResourceState) -> ResourceChange:
    known_as = str(one.outputs.get("name", ""))
    guarded = kind == "delete" and one.protect
    return ResourceChange(kind, one.urn, one.type, one.name, known_as, protected=guarded)


def _compared(old: ResourceState, new: ResourceState) -> ResourceChange | None:
    inputs = dict(new.inputs)
    for text in new.ignore_changes:
        inputs = restore(inputs, old.inputs, parse_path(text))
    found = changes(old.inputs, inputs)
    guards = [
        Change((f"[{name.replace('_', ' ')}]",), getattr(old, name), getattr(new, name))
        for name in _GUARDS
        if getattr(old, name) != getattr(new, name)
    ]
    if not found and not guards and old.urn == new.urn:
        return None
    reasons = _reasons(new, found)
    return ResourceChange(
        kind="replace" if reasons else "update",
        urn=new.urn,
        type=new.type,
        name=new.name,
        known_as=str(new.outputs.get("name", "")),
        changes=(*found, *guards),
        reasons=reasons,
        protected=bool(reasons) and old.protect,
        former_name="" if old.urn == new.urn else old.urn,
    )


def _reasons(resource: ResourceState, found: Iterable[Change]) -> dict[str, str]:
    kind = azure_types().get(resource.type)
    reasons = {}
    for change in found:
        reason = kind.replacement_reason(change.path) if kind else None
        asked = any(matches(parse_path(text), change.path) for text in resource.replace_on_changes)
        if reason or asked:
            reasons[change.name] = reason or "the program asks for it (replaceOnChanges)"
    return reasons

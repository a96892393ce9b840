"""A stack's whole resource graph, rendered offline from the unmodified program."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.engine import masked, run
from infra.engine.project import load_project
from infra.engine.providers import PROVIDER_PREFIX
from infra.engine.urn import STACK_TYPE
from mlops.errors import UsageError, nearest
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from infra.engine import PolicyPack, ResourceState, Result

__all__ = ["STACKS", "StackProgram", "program_of", "render", "to_documents", "to_tree"]


@dataclass(frozen=True, slots=True)
class StackProgram:
    """Which program a stack runs, and which stacks' outputs it reads."""

    folder: str
    stack: str
    reads: tuple[str, ...] = ()


STACKS: Final[Mapping[str, StackProgram]] = {
    "bootstrap": StackProgram("infra/bootstrap", "bootstrap"),
    "shared": StackProgram("infra/platform", "shared"),
    "dev": StackProgram("infra/workload", "dev", ("shared",)),
    "staging": StackProgram("infra/workload", "staging", ("shared",)),
    "prod": StackProgram("infra/workload", "prod", ("shared",)),
}


def render(
    stack: str,
    *,
    root: Path = ROOT,
    config: Mapping[str, Any] | None = None,
    policy_packs: Sequence[PolicyPack] = (),
    collect_violations: bool = False,
) -> Result:
    """Run the program of a stack from nothing to everything, with the outputs of the stacks that it reads.

    Parameters
    ----------
    root
        The repository: programs, modules and settings are all taken from there.
    config
        Values that win over the configuration file of the stack itself.
    collect_violations
        Return also when a mandatory policy says no: see :attr:`Result.violations`.

    Raises
    ------
    UsageError
        There is no such stack.
    DeploymentFailedError
        A program failed, or a mandatory policy said no.
    """
    program = program_of(stack)
    # The stack starts while those that it reads are still running; it waits where it asks for them.
    with ThreadPoolExecutor(max_workers=len(program.reads) or 1) as pool:
        reads = {_full_name(name, root): pool.submit(render, name, root=root) for name in program.reads}
        result = run(
            root / program.folder,
            program.stack,
            operation="up",
            stack_references=_OutputsToCome(reads),
            config=config,
            policy_packs=policy_packs,
            python_path=(root, root / "src"),
            collect_violations=collect_violations,
        )
    refused = {str(one) for one in result.violations if one.level == "mandatory"}
    only_refused = all(one.message in refused for one in result.errors)
    return result if collect_violations and only_refused else result.require()


class _OutputsToCome(Mapping[str, Mapping[str, Any]]):
    """The outputs of stacks that are being rendered."""

    def __init__(self, results: Mapping[str, Future[Result]]) -> None:
        self._results = results

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self._results[name].result().outputs

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, name: object) -> bool:
        return name in self._results


def _full_name(stack: str, root: Path) -> str:
    program = program_of(stack)
    return f"organization/{load_project(root / program.folder, program.stack).name}/{program.stack}"


def program_of(stack: str) -> StackProgram:
    """Return the program that a stack runs.

    Raises
    ------
    UsageError
        There is no such stack.
    """
    if stack not in STACKS:
        close = nearest(stack, STACKS)
        raise UsageError(
            f"There is no stack {stack!r}.",
            got=stack,
            expected=f"one of {', '.join(STACKS)}",
            next_step=f"mlops infra render {close}" if close else None,
        )
    return STACKS[stack]


def to_documents(resources: Iterable[ResourceState]) -> list[dict[str, Any]]:
    """Return resources as JSON: inputs as the SDK sends them, in camel case, secrets masked."""
    return [
        {
            "urn": one.urn,
            "type": one.type,
            "name": one.name,
            "inputs": masked(dict(one.inputs)),
            "parent": one.parent,
            "protect": one.protect,
            "dependencies": sorted(one.needs() - {one.parent, one.provider.rpartition("::")[0]}),
            "id": one.id,
            "custom": one.custom,
            "retainOnDelete": one.retain_on_delete,
            "ignoreChanges": list(one.ignore_changes),
        }
        for one in resources
        if one.type != STACK_TYPE
    ]


def to_tree(result: Result) -> str:
    """Return the resources as a tree of components, for people.

    Each line has the type, the name that Azure knows the resource by, and what guards it.
    """
    children: dict[str, list[ResourceState]] = {}
    for one in result.resources:
        if not one.type.startswith(PROVIDER_PREFIX):
            children.setdefault(one.parent, []).append(one)
    roots = [one for one in result.resources if one.type == STACK_TYPE]
    lines = [f"{result.stack} ({result.project}, {_count(result.resources)})"]
    for root in roots:
        lines += _branches(root, children, "")
    return "\n".join(lines)


def _count(resources: Sequence[ResourceState]) -> str:
    number = sum(
        one.custom and not one.external and not one.type.startswith(PROVIDER_PREFIX) for one in resources
    )
    return f"{number} resource{'' if number == 1 else 's'}"


def _branches(
    parent: ResourceState, children: Mapping[str, Sequence[ResourceState]], indent: str
) -> list[str]:
    lines = []
    below = children.get(parent.urn, ())
    for position, one in enumerate(below):
        last = position == len(below) - 1
        lines.append(f"{indent}{'└── ' if last else '├── '}{_label(one)}")
        lines += _branches(one, children, indent + ("    " if last else "│   "))
    return lines


def _label(one: ResourceState) -> str:
    guards = ", ".join(
        word for word, on in (("protect", one.protect), ("retain", one.retain_on_delete)) if on and one.custom
    )
    known_as = one.outputs.get("name") if one.custom else None
    shown = f" = {known_as}" if known_as and known_as != one.name else ""
    return f"{one.type} {one.name}{shown}{f' [{guards}]' if guards else ''}"

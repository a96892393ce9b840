"""Small stacks: declared as goals without a process, or as programs in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import pytest

from infra.engine import PolicyPack, Result, run
from infra.engine.analyzer import PolicyPacks
from infra.engine.deployment import Deployment
from infra.engine.goal import Goal
from infra.engine.property_path import Path as PropertyPath
from infra.engine.providers import Providers
from infra.engine.state import ResourceState, Snapshot
from infra.engine.steps import Step, summary
from infra.engine.urn import make_urn

PREAMBLE = """
import pulumi

class Thing(pulumi.CustomResource):
    size: pulumi.Output[int]
    label: pulumi.Output[str]

    def __init__(self, name, opts=None, **props):
        super().__init__("test:index:Thing", name, {"size": None, "label": None, **props}, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Group", name, {}, opts)
"""


def urn(name: str, type_token: str = "test:index:Thing", parent: str = "") -> str:
    return make_urn("dev", "small", parent, type_token, name)


def thing(name: str, **options: Any) -> Goal:
    """Return a goal whose inputs are `inputs`, and whose dependencies are read from `uses`."""
    uses: Mapping[str, str] = options.pop("uses", {})
    inputs = options.pop("inputs", {"size": 1})
    by_property = {key: (urn(other),) for key, other in uses.items()}
    depends = tuple(urn(one) for one in options.pop("after", ()))
    return Goal(
        options.pop("type", "test:index:Thing"),
        name,
        custom=options.pop("custom", True),
        inputs=inputs,
        property_dependencies=by_property,
        dependencies=tuple(sorted({*depends, *(one for urns in by_property.values() for one in urns)})),
        **options,
    )


@dataclass
class Small:
    """A stack that is declared as goals; each deployment starts from what the last one left."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    forces: frozenset[str] = frozenset({"name"})

    def deploy(self, goals: Iterable[Goal], *, preview: bool = False, finish: bool = True) -> Deployment:
        def replaces(_type: str, path: PropertyPath) -> bool:
            return path[0] in self.forces

        deployment = Deployment(
            "dev",
            "small",
            self.snapshot,
            Providers({}, frozenset(), replaces),
            PolicyPacks((), collect=False),
            preview=preview,
        )
        try:
            for goal in goals:
                deployment.register(goal)
            if finish:
                deployment.finish()
        finally:
            if not preview:
                self.snapshot = deployment.snapshot()
        return deployment

    def destroy(self) -> Deployment:
        deployment = self.deploy((), finish=False)
        deployment.destroy()
        self.snapshot = deployment.snapshot()
        return deployment


def steps(deployment: Deployment) -> list[tuple[str, str]]:
    """Return operation and name of every step that is not about a default provider."""
    return [(one.operation, one.urn.rpartition("::")[2]) for one in _own(deployment.steps)]


def counted(deployment: Deployment) -> dict[str, int]:
    return summary(_own(deployment.steps))


def _own(found: Sequence[Step]) -> list[Step]:
    return [one for one in found if "::pulumi:providers:" not in one.urn]


@pytest.fixture
def small() -> Small:
    return Small()


@dataclass
class Program:
    """A program on disk and its state file."""

    root: Path
    state: Path

    def write(self, source: str, *, manifest: str = "", preamble: str = PREAMBLE) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "Pulumi.yaml").write_text(f"name: small\nruntime: python\n{dedent(manifest)}")
        (self.root / "__main__.py").write_text(preamble + dedent(source))

    def __call__(
        self, operation: Literal["preview", "up", "destroy"] = "up", *, keep: bool = True, **options: Any
    ) -> Result:
        state = self.state if keep else None
        return run(self.root, "dev", operation=operation, state=state, **options)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "program", tmp_path / "state" / "dev.json")


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[str], PolicyPack]:
    """Write a policy pack with these policies."""

    def write(policies: str, **config: Mapping[str, Any]) -> PolicyPack:
        folder = tmp_path / "pack"
        folder.mkdir()
        (folder / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 1.0.0\n")
        source = f"from pulumi_policy import *\n{dedent(policies)}\nPolicyPack('small', policies=POLICIES)\n"
        (folder / "__main__.py").write_text(source)
        return PolicyPack(folder, {name.replace("_", "-"): value for name, value in config.items()})

    return write


def by_name(resources: Iterable[ResourceState]) -> dict[str, ResourceState]:
    return {one.name: one for one in resources}

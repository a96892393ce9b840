"""What an operation on a stack did, or would do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from infra.engine.errors import DeploymentFailedError
from infra.engine.steps import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.engine.analyzer import Violation
    from infra.engine.state import ResourceState
    from infra.engine.steps import Diagnostic, Step

__all__ = ["OperationName", "Result"]

_DEFAULT_PROVIDER: Final = re.compile(r"::pulumi:providers:[^:]+::default(_|$)")

OperationName = Literal["preview", "up", "destroy"]


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation did, or would do.

    Parameters
    ----------
    resources
        The stack as the program declares it, each resource after what it depends on, in the same
        order every time. Secrets are wrapped: see :func:`infra.engine.properties.masked`.
    steps
        Every operation in the order in which it was taken.
    """

    operation: OperationName
    project: str
    stack: str
    resources: tuple[ResourceState, ...]
    outputs: Mapping[str, Any]
    steps: tuple[Step, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    violations: tuple[Violation, ...] = ()
    seconds: float = 0.0

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What made the operation fail."""
        return tuple(one for one in self.diagnostics if one.severity == "error")

    @property
    def failed(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.errors)

    @property
    def summary(self) -> dict[str, int]:
        """The number of resources by operation, without the providers that nobody asked for."""
        return summary(step for step in self.steps if not _DEFAULT_PROVIDER.search(step.urn))

    @property
    def changed(self) -> bool:
        """Whether anything but ``same`` and ``read`` was done."""
        return bool(set(self.summary) - {"same", "read"})

    def resource(self, name: str, type_token: str = "") -> ResourceState:
        """Return the only resource of this name (and type).

        Raises
        ------
        KeyError
            There is none, or more than one.
        """
        found = [one for one in self.resources if one.name == name and one.type.endswith(type_token)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} resources are called {name!r}")
        return found[0]

    def require(self) -> Result:
        """Return the result if the operation went well.

        Raises
        ------
        DeploymentFailedError
            With everything that went wrong.
        """
        if self.failed:
            raise DeploymentFailedError(
                f"The {self.operation} of the stack {self.stack!r} of {self.project!r} failed.",
                got="\n".join(str(one) for one in self.errors),
            )
        return self

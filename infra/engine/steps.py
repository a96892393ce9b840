"""What a deployment does to one resource, in Pulumi's words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from infra.engine.property_path import Change, Path, format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.engine.goal import Location

__all__ = ["Diagnostic", "Operation", "RefusedError", "Step", "summary"]

Operation = Literal[
    "same",
    "create",
    "update",
    "replace",
    "create-replacement",
    "delete-replaced",
    "delete",
    "read",
    "read-discard",
    "import",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation; a replacement is three, of which ``replace`` carries the reasons.

    Parameters
    ----------
    changes
        The properties that differ.
    reasons
        For each property that forces the replacement, why.
    retained
        The resource leaves the state and stays in the cloud.
    """

    operation: Operation
    urn: str
    changes: tuple[Change, ...] = ()
    reasons: Mapping[Path, str] = field(default_factory=dict)
    retained: bool = False

    @property
    def diff(self) -> tuple[str, ...]:
        """The paths that differ, as text."""
        return tuple(change.name for change in self.changes)

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """The paths that force the replacement, as text."""
        return tuple(format_path(path) for path in self.reasons)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that the program, the engine or a policy has to say."""

    severity: Literal["debug", "info", "warning", "error"]
    message: str
    urn: str = ""
    location: Location | None = None

    def __str__(self) -> str:
        place = f"{self.location}: " if self.location else ""
        return f"{self.severity}: {place}{self.message}"


class RefusedError(Exception):
    """The engine does not do what the program asked; the program sees the message."""


def summary(steps: Iterable[Step]) -> dict[str, int]:
    """Count the operations; a replacement counts once.

    Examples
    --------
    >>> summary([Step("create", "a"), Step("same", "b"), Step("create", "c")])
    {'create': 2, 'same': 1}
    """
    counted: Counter[Any] = Counter(
        step.operation for step in steps if step.operation not in ("create-replacement", "delete-replaced")
    )
    return dict(sorted(counted.items()))

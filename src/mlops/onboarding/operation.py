"""What a call to Azure or GitHub does, or would do: the unit that is printed, counted and tested."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LATER", "Action", "Operation", "Report", "changes_anything"]

Action = Literal["same", "create", "update", "replace", "delete", "keep", "unavailable"]

LATER: Final = "(known after --apply)"
"""What stands for an id that Azure has not given yet, in a dry run."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that bootstrap looks after.

    Parameters
    ----------
    action
        ``keep`` is left although it was asked to go, ``unavailable`` is not offered by the plan that
        is paid for.
    what
        The thing, as people call it.
    call
        Method and path of the request that makes it so; empty when nothing is sent.
    detail
        What differs, or why nothing is done.
    """

    action: Action
    what: str
    call: str = ""
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


if TYPE_CHECKING:
    Report = Callable[[Operation], None]


def changes_anything(operations: list[Operation]) -> bool:
    """Return whether any of them is more than a look."""
    return any(one.action in {"create", "update", "replace", "delete"} for one in operations)

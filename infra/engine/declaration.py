"""From what a program asks for to the state that it will have: options inherited, defaults filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from infra.engine.state import ResourceState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.engine.goal import Goal

__all__ = ["declared", "first_set", "named_aliases"]

_VERSIONED_TYPE: Final = re.compile(r"/v\d{8}(preview)?:")


def declared(
    goal: Goal, urn: str, parent: ResourceState | None, provider: str, former: Iterable[str] = ()
) -> ResourceState:
    """Return the state that a goal describes, before its provider has seen it.

    Parameters
    ----------
    former
        The URNs that the resource may have had.

    A child is protected and retained as its parent is, unless it says otherwise.
    """
    return ResourceState(
        urn=urn,
        type=goal.type,
        name=goal.name,
        custom=goal.custom,
        inputs=goal.inputs,
        parent=goal.parent,
        provider=provider,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        protect=first_set(goal.protect, parent.protect if parent else None),
        retain_on_delete=first_set(goal.retain_on_delete, parent.retain_on_delete if parent else None),
        delete_before_replace=bool(goal.delete_before_replace),
        deleted_with=goal.deleted_with or (parent.deleted_with if parent else ""),
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        additional_secret_outputs=goal.additional_secret_outputs,
        # The SDK of Azure lists each version of its API as a former type; those say nothing here.
        aliases=tuple(name for name in former if not _VERSIONED_TYPE.search(name)),
        replacement_trigger=goal.replacement_trigger,
    )


def first_set(*values: bool | None) -> bool:
    """Return the first value that was set; false when none was."""
    return next((value for value in values if value is not None), False)


def named_aliases(goal: Goal) -> tuple[str, ...]:
    """Return the URNs that a program itself names as former ones."""
    return tuple(alias.urn for alias in goal.aliases if alias.urn)

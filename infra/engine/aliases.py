"""Former names: under which URNs of the last deployment a resource may be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi.runtime.proto import alias_pb2

from infra.engine.urn import make_urn, parse_urn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.engine.goal import Goal

__all__ = ["Alias", "former_urns"]


@dataclass(frozen=True, slots=True)
class Alias:
    """A former URN, or the parts of it that were different; an empty part is as it is now."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False

    @classmethod
    def of(cls, message: alias_pb2.Alias) -> Alias:
        """Read an alias from the wire."""
        if message.WhichOneof("alias") == "urn":
            return cls(urn=message.urn)
        spec = message.spec
        return cls(
            name=spec.name,
            type=spec.type,
            stack=spec.stack,
            project=spec.project,
            parent=spec.parentUrn,
            no_parent=spec.noParent,
        )

    def message(self) -> alias_pb2.Alias:
        """Write the alias as the protocol has it."""
        if self.urn:
            return alias_pb2.Alias(urn=self.urn)
        spec = alias_pb2.Alias.Spec(name=self.name, type=self.type, stack=self.stack, project=self.project)
        if self.no_parent:
            spec.noParent = True
        else:
            spec.parentUrn = self.parent
        return alias_pb2.Alias(spec=spec)


def former_urns(goal: Goal, urn: str, parent_aliases: Iterable[str]) -> tuple[str, ...]:
    """Return the URNs that the resource may have had, its own aliases first.

    Parameters
    ----------
    parent_aliases
        Former URNs of its parent: a child moves with its parent, and a name that begins with the
        parent's name changed along with it.
    """
    found = list(_own(goal, urn))
    for parent_alias in parent_aliases:
        found.extend(_inherited(goal, urn, parent_alias))
    return tuple(dict.fromkeys(one for one in found if one != urn))


def _own(goal: Goal, urn: str) -> Iterator[str]:
    now = parse_urn(urn)
    for alias in goal.aliases:
        if alias.urn:
            yield alias.urn
            continue
        parent = "" if alias.no_parent else (alias.parent or goal.parent)
        yield make_urn(
            alias.stack or now.stack,
            alias.project or now.project,
            parent,
            alias.type or goal.type,
            alias.name or goal.name,
        )


def _inherited(goal: Goal, urn: str, parent_alias: str) -> Iterator[str]:
    now, before = parse_urn(urn), parse_urn(parent_alias)
    parent_name = parse_urn(goal.parent).name if goal.parent else ""
    own = (Alias(), *(one for one in goal.aliases if not (one.urn or one.parent or one.no_parent)))
    for alias in own:
        name = alias.name or goal.name
        if parent_name and name.startswith(parent_name):
            name = before.name + name.removeprefix(parent_name)
        yield make_urn(
            alias.stack or before.stack or now.stack,
            alias.project or before.project or now.project,
            parent_alias,
            alias.type or goal.type,
            name,
        )

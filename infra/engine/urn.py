"""Uniform resource names: ``urn:pulumi:<stack>::<project>::<parent types$type>::<name>``."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["STACK_TYPE", "Urn", "make_urn", "parse_urn"]

STACK_TYPE: Final = "pulumi:pulumi:Stack"


class Urn(NamedTuple):
    """The parts of a resource name."""

    stack: str
    project: str
    qualified_type: str
    name: str

    @property
    def type(self) -> str:
        """The type of the resource itself, without those of its parents."""
        return self.qualified_type.rpartition("$")[2]

    def __str__(self) -> str:
        return f"urn:pulumi:{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def parse_urn(urn: str) -> Urn:
    """Split a resource name; a resource's own name may contain ``::``."""
    prefix, project, qualified_type, name = urn.split("::", 3)
    return Urn(prefix.removeprefix("urn:pulumi:"), project, qualified_type, name)


def make_urn(stack: str, project: str, parent: str, type_token: str, name: str) -> str:
    """Return the URN of a resource below `parent` (empty for the stack and its own children)."""
    parent_type = parse_urn(parent).qualified_type if parent else STACK_TYPE
    qualified = type_token if parent_type == STACK_TYPE else f"{parent_type}${type_token}"
    return str(Urn(stack, project, qualified, name))

"""Facts of Azure's resource types: where each is kept, and which changes it cannot take in place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import yaml

from infra.engine.errors import EngineError
from infra.engine.property_path import Path, parse_path
from mlops.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AzureType", "azure_type", "azure_types"]

_GROUP: Final = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_VERSION_IN_TOKEN: Final = re.compile(r"/v\d{8}(preview)?:")


@dataclass(frozen=True, slots=True)
class AzureType:
    """One resource type of Azure Resource Manager as the SDK knows it.

    Parameters
    ----------
    path
        The template of the resource's ID, with the inputs that it is made of in braces.
    envelope
        The inputs that stand beside ``properties`` in the body of a request.
    renamed
        Inputs that are called otherwise in the body; a dotted name is nested.
    flattened
        Paths of nested objects that the SDK has flat, and the body has with ``properties`` of their own.
    spelled
        Names in the body of nested properties that are spelled otherwise there.
    replaces, immutable
        Properties that force a replacement by the provider's own list, and by Azure's refusal.
    """

    token: str
    path: str
    api_version: str
    envelope: frozenset[str]
    renamed: Mapping[str, str]
    flattened: frozenset[Path]
    spelled: Mapping[Path, str]
    replaces: tuple[Path, ...]
    immutable: tuple[Path, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The inputs that the resource's ID is made of, outermost first."""
        return tuple(name for name in re.findall(r"{(\w+)}", self.path) if name != "subscriptionId")

    @property
    def name_parameter(self) -> str:
        """The input that holds the resource's own name; empty when the name is fixed."""
        return self.path.rpartition("{")[2].removesuffix("}") if self.path.endswith("}") else ""

    @property
    def arm_type(self) -> str:
        """The type as templates write it, for example ``Microsoft.Storage/storageAccounts``."""
        if "/providers/" not in self.path:
            return "Microsoft.Resources/resourceGroups"
        namespace, *segments = self.path.rpartition("/providers/")[2].split("/")
        return "/".join((namespace, *segments[::2]))

    @property
    def has_location(self) -> bool:
        """Whether the resource lives in a region."""
        return "location" in self.envelope

    def replacement_reason(self, path: Path) -> str | None:
        """Say why a change at `path` needs another resource; None when it can be made in place."""
        if path and path[0] in self.parameters:
            return "it is part of the resource's ID"
        if any(path[: len(rule)] == rule for rule in self.replaces):
            return "the provider cannot change it in place"
        # The other direction: an object that is removed takes its immutable property along.
        if any(path[: len(rule)] == rule or rule[: len(path)] == path for rule in self.immutable):
            return "Azure refuses to change it in place"
        return None


@cache
def azure_types() -> Mapping[str, AzureType]:
    """Read the table of types, by token."""
    text = files("infra.engine").joinpath("azure_types.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(text, Loader=loader)  # noqa: S506 - the safe loader, in C where there is one
    return {
        token: AzureType(
            token=token,
            path=_full_path(entry["path"], entry.get("scope")),
            api_version=entry["api"],
            envelope=frozenset(entry["envelope"]),
            renamed=entry.get("renamed", {}),
            flattened=frozenset(parse_path(text) for text in entry.get("flattened", ())),
            spelled={parse_path(text): name for text, name in entry.get("spelled", {}).items()},
            replaces=tuple(parse_path(text) for text in entry.get("replaces", ())),
            immutable=tuple(parse_path(text) for text in entry.get("immutable", ())),
        )
        for token, entry in entries.items()
    }


def _full_path(path: str, scope: str | None) -> str:
    if path.startswith("/"):
        return path
    parent = _GROUP if scope is None else _GROUP.partition("/resourceGroups")[0]
    return f"{parent if scope in (None, 'subscription') else f'{{{scope}}}'}/providers/{path}"


def azure_type(token: str) -> AzureType:
    """Return what is known of a type; a version in the token (``storage/v20240101:``) is passed over.

    Raises
    ------
    EngineError
        The table does not have the type.
    """
    known = azure_types()
    plain = _VERSION_IN_TOKEN.sub(":", token)
    if plain not in known:
        close = nearest(plain, known)
        raise EngineError(
            f"The stand-in provider does not know the type {plain}.",
            where="infra/engine/azure_types.yaml",
            expected=f"for example {close}" if close else None,
            next_step="add where Azure keeps it, or correct the type",
        )
    return known[plain]

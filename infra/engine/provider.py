"""What the engine asks of a provider, and the plain one that stands in for packages nobody knows."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from infra.engine.errors import EngineError
from infra.engine.property_path import Change, Path, changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.engine.state import ResourceState

__all__ = ["Checked", "Diff", "PlainProvider", "Provider", "generated_guid", "random_name"]

_NAMESPACE: Final = uuid.UUID("8f6b3ef7-2b39-4f0e-9d4b-3a4f5a3f1b65")


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs with the provider's defaults, and what is wrong with them."""

    inputs: dict[str, Any]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between the deployed inputs and the new ones.

    Parameters
    ----------
    replace_reasons
        For each property path that forces a replacement, why.
    delete_before_replace
        The old resource must go first, for example since both would have the same name.
    """

    changes: tuple[Change, ...] = ()
    replace_reasons: Mapping[Path, str] = field(default_factory=dict)
    delete_before_replace: bool = False


class Provider(Protocol):
    """The operations of one package's resources; what is created, read or called comes without secrets."""

    def check(
        self,
        urn: str,
        type_token: str,
        inputs: dict[str, Any],
        old: ResourceState | None,
        *,
        replacing: bool = False,
    ) -> Checked:
        """Return the inputs with defaults and names filled in; a replacement gets a new name."""
        ...

    def diff(self, old: ResourceState, inputs: Mapping[str, Any]) -> Diff:
        """Return what a change from the deployed inputs to `inputs` means."""
        ...

    def create(self, type_token: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the ID and the outputs of a new resource."""
        ...

    def planned_outputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs that a preview can tell from inputs, which may hold unknowns."""
        ...

    def stable_outputs(self) -> frozenset[str]:
        """Return the outputs that an update in place never changes."""
        ...

    def read(
        self, type_token: str, resource_id: str, inputs: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Return the ID and the outputs of a resource that exists already."""
        ...

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a function."""
        ...


def random_name(name: str, seed: str) -> str:
    """Return `name` with eight hexadecimal digits, the same for the same `seed`."""
    return name + hashlib.sha256(seed.encode()).hexdigest()[:8]


def generated_guid(*seeds: str) -> str:
    """Return a GUID that is the same for the same seeds."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(seeds)))


class PlainProvider:
    """Resources whose outputs are their inputs: providers, and packages without a stand-in.

    Parameters
    ----------
    replaces
        Property paths that force a replacement; the old resource is deleted last.
    """

    def __init__(self, replaces: Callable[[Path], bool] = lambda _: False) -> None:
        self._replaces = replaces

    def check(
        self,
        urn: str,
        type_token: str,
        inputs: dict[str, Any],
        old: ResourceState | None,
        *,
        replacing: bool = False,
    ) -> Checked:
        """Accept everything."""
        del urn, type_token, old, replacing
        return Checked(inputs)

    def diff(self, old: ResourceState, inputs: Mapping[str, Any]) -> Diff:
        """Compare."""
        found = changes(old.inputs, inputs)
        reasons = {change.path: "it names the resource" for change in found if self._replaces(change.path)}
        return Diff(found, reasons)

    def create(self, type_token: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make up an ID."""
        return generated_guid(type_token, name), dict(inputs)

    def planned_outputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs."""
        return dict(inputs)

    def stable_outputs(self) -> frozenset[str]:
        """Nothing is known of them."""
        return frozenset()

    def read(
        self, type_token: str, resource_id: str, inputs: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Return what the program already knows."""
        del type_token
        return resource_id, dict(inputs)

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse: what a function returns cannot be made up."""
        del arguments
        raise EngineError(
            f"There is no stand-in for the function {token}.",
            where="infra/engine/provider.py",
            next_step="take the value from settings, or teach a stand-in provider the function",
        )

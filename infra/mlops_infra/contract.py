"""What stacks tell each other and continuous delivery: one versioned object of ids and names.

A reader refuses a version that it does not know, so a change of meaning fails before it does harm.
Nothing in it is a secret: whoever may read the state may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi

from mlops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTPUT", "VERSION", "PlatformContract", "export_contract"]

VERSION: Final = 1
OUTPUT: Final = "contract"
"""The name of the one stack output."""


def export_contract(kind: str, environment: str, content: Mapping[str, Any]) -> None:
    """Export a stack's contract."""
    pulumi.export(OUTPUT, {"version": VERSION, "kind": kind, "environment": environment, **content})


@dataclass(frozen=True, slots=True)
class PlatformContract:
    """What an environment takes from the stack `shared`."""

    resource_group: pulumi.Output[str]
    log_analytics_id: pulumi.Output[str]
    registry_id: pulumi.Output[str]
    action_group_ids: Mapping[str, pulumi.Output[str]]
    zone_ids: Mapping[str, pulumi.Output[str]]
    private_link_scope_id: pulumi.Output[str]

    @classmethod
    def read(cls, stack: str, *, owners: tuple[str, ...], zones: tuple[str, ...]) -> PlatformContract:
        """Read the contract of another stack.

        Parameters
        ----------
        stack
            Its name as ``organization/project/stack``.
        owners, zones
            The keys that must be in it; they come from the settings, so the graph does not depend on
            what happens to be deployed.
        """
        output = pulumi.StackReference(stack).require_output(OUTPUT)
        checked = output.apply(lambda contract: _checked(contract, stack))
        return cls(
            resource_group=checked.apply(lambda contract: str(contract["resourceGroup"])),
            log_analytics_id=checked.apply(lambda contract: str(contract["logAnalyticsId"])),
            registry_id=checked.apply(lambda contract: str(contract["registryId"])),
            action_group_ids=_each(checked, "actionGroupIds", owners),
            zone_ids=_each(checked, "privateZoneIds", zones),
            # Empty where there is none; an environment that is in one has it from the same settings.
            private_link_scope_id=checked.apply(lambda contract: contract.get("privateLinkScopeId") or ""),
        )


def _each(
    contract: pulumi.Output[dict[str, Any]], key: str, names: tuple[str, ...]
) -> dict[str, pulumi.Output[str]]:
    def value(name: str) -> pulumi.Output[str]:
        return contract.apply(lambda content: str(_member(content, key, name)))

    return {name: value(name) for name in names}


def _member(contract: dict[str, Any], key: str, name: str) -> object:
    if name not in contract[key]:
        raise SettingsError(
            f"The stack `shared` has no {name!r} in {key}.",
            got=", ".join(contract[key]) or "nothing",
            expected=name,
            next_step="run `pulumi up --stack shared` in infra/platform first",
        )
    return contract[key][name]


def _checked(contract: dict[str, Any], stack: str) -> dict[str, Any]:
    found = contract.get("version")
    if found != VERSION:
        raise SettingsError(
            f"The contract of {stack} has another version.",
            got=found,
            expected=VERSION,
            next_step="run `pulumi up` on that stack with this commit",
        )
    return contract

"""All checks, and which of them a stack has to pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from infra.policy import governance, images, machine_learning, monitoring, network, storage, vaults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from infra.policy.check import ResourceCheck, StackCheck
    from mlops.settings import Environment

__all__ = ["ALL_CHECKS", "RESOURCE_CHECKS", "STACK_CHECKS", "Level", "Waiver", "level_of", "waivers"]

RESOURCE_CHECKS: Final[tuple[ResourceCheck, ...]] = (
    *machine_learning.CHECKS,
    *storage.CHECKS,
    *vaults.CHECKS,
    *images.CHECKS,
    *monitoring.CHECKS,
    *network.CHECKS,
    *governance.CHECKS,
)
STACK_CHECKS: Final[tuple[StackCheck, ...]] = (
    *machine_learning.STACK_CHECKS,
    *storage.STACK_CHECKS,
    *monitoring.STACK_CHECKS,
    *network.STACK_CHECKS,
    *governance.STACK_CHECKS,
)
ALL_CHECKS: Final[tuple[ResourceCheck | StackCheck, ...]] = (*RESOURCE_CHECKS, *STACK_CHECKS)

Level = Literal["mandatory", "advisory"]


@dataclass(frozen=True, slots=True)
class Waiver:
    """A check that does not stop a deployment, until a date or by design."""

    check: str
    reason: str
    expires: date | None = None


# What bootstrap makes is there before any network or log workspace, and is reached by runners of GitHub.
_BEFORE_ANY_NETWORK: Final = (
    "diagnostics-everywhere",
    "storage-default-deny",
    "storage-private",
    "vault-default-deny",
    "vault-private",
)


def waivers(environment: Environment, stack: str, today: date) -> Mapping[str, Waiver]:
    """Return the checks that do not stop a stack for now, by id.

    An exception in the settings names a control; every check of that control is waived with it.
    """
    if stack == "bootstrap":
        reason = "It is there before any network and any log; Entra alone opens it, with no key."
        return {name: Waiver(name, reason) for name in _BEFORE_ANY_NETWORK}
    landing_zone = {}
    if not environment.platform.private_dns_zones:
        reason = "A policy of the landing zone writes the records: platform.private_dns_zones is off."
        landing_zone = {"network-endpoint-dns": Waiver("network-endpoint-dns", reason)}
    valid = {one.check: one for one in environment.exceptions if one.expires >= today}
    return landing_zone | {
        check.id: Waiver(check.id, valid[check.control].reason, valid[check.control].expires)
        for check in ALL_CHECKS
        if check.control in valid
    }


def level_of(check: ResourceCheck | StackCheck, profile: str, waived: Mapping[str, Waiver]) -> Level:
    """Return whether a check stops a deployment: in prod, unless it is waived."""
    return "mandatory" if profile == "prod" and check.id not in waived else "advisory"

"""All checks, and which of them a stack has to pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from infra.policy import governance, machine_learning, monitoring, network, secrets, storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from infra.policy.check import ResourceCheck, StackCheck
    from mlops.settings import Environment

__all__ = ["ALL_CHECKS", "RESOURCE_CHECKS", "STACK_CHECKS", "Level", "Waiver", "level_of", "waivers"]

RESOURCE_CHECKS: Final[tuple[ResourceCheck, ...]] = (
    *machine_learning.CHECKS,
    *storage.CHECKS,
    *secrets.CHECKS,
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
    """A check that does not stop a deployment for now."""

    check: str
    reason: str
    expires: date


def waivers(environment: Environment, today: date) -> Mapping[str, Waiver]:
    """Return the checks that the environment's exceptions waive, by id.

    An exception names a control of the settings; every check of that control is waived with it.
    """
    valid = {one.check: one for one in environment.exceptions if one.expires >= today}
    return {
        check.id: Waiver(check.id, valid[check.control].reason, valid[check.control].expires)
        for check in ALL_CHECKS
        if check.control in valid
    }


def level_of(check: ResourceCheck | StackCheck, profile: str, waived: Mapping[str, Waiver]) -> Level:
    """Return whether a check stops a deployment: in prod, unless it is waived."""
    return "mandatory" if profile == "prod" and check.id not in waived else "advisory"

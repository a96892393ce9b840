"""Where a component puts its resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pulumi

    from mlops.naming import Names

__all__ = ["Placement"]


@dataclass(frozen=True, slots=True)
class Placement:
    """A resource group of one environment, and how names in it are made.

    Parameters
    ----------
    names
        The environment's names.
    location
        The Azure region.
    resource_group
        The group's name; an output where this program creates the group, so that everything in it
        waits for it.
    subscription_id, tenant_id
        Where the group is.
    """

    names: Names
    location: str
    resource_group: pulumi.Input[str]
    subscription_id: str
    tenant_id: str

    @property
    def resource_group_id(self) -> str:
        """The group's ARM id, known before the group exists."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.names.resource_group}"

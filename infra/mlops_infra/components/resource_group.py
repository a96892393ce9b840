"""The resource group of a stack: made here, or already there because bootstrap made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native import resources

from infra.mlops_infra.placement import Placement

if TYPE_CHECKING:
    from mlops.naming import Names

__all__ = ["place_in_group"]


def place_in_group(
    names: Names,
    *,
    location: str,
    subscription_id: str,
    tenant_id: str,
    create: bool,
    protect: bool,
    opts: pulumi.ResourceOptions,
) -> Placement:
    """Return where a stack's resources go.

    Parameters
    ----------
    create
        False where the stack `bootstrap` made the group: then the identity that runs this program
        needs no right beyond the group.
    """
    group: pulumi.Input[str] = names.resource_group
    if create:
        group = resources.ResourceGroup(
            f"group-{names.environment}",
            resource_group_name=names.resource_group,
            location=location,
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(protect=protect, retain_on_delete=protect)
            ),
        ).name
    return Placement(names, location, group, subscription_id, tenant_id)

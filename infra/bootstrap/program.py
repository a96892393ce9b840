"""The stack `bootstrap`: run once by a person, before any other stack is run by a pipeline.

It makes the account for state, the key of its secrets, the resource groups, and for each stack the
identity that deploys it and the one that only looks. Nothing is stored in GitHub but ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.mlops_infra.access import assignments, load_access
from infra.mlops_infra.components.delivery import DeliveryIdentities, DeliveryIdentitiesArgs
from infra.mlops_infra.components.resource_group import place_in_group
from infra.mlops_infra.components.state import StateStore, StateStoreArgs
from infra.mlops_infra.contract import export_contract
from infra.mlops_infra.program import ProgramConfig, provider_for
from infra.mlops_infra.tags import register_tags, tags_of
from mlops.naming import Names
from mlops.settings.together import load_together

if TYPE_CHECKING:
    from infra.mlops_infra.access import AccessMatrix, Assignment
    from infra.mlops_infra.placement import Placement
    from mlops.settings import Environment

__all__ = ["build"]

STACK = "bootstrap"
_SHARED = "shared"


def build() -> None:
    """Declare state, key, resource groups and the identities of continuous delivery."""
    config = ProgramConfig.read()
    environments = {name: item.environment for name, item in load_together(config.root).items()}
    matrix = load_access(config.root)
    prod = environments["prod"]
    register_tags(tags_of(prod, STACK))
    place, opts = _group(STACK, prod, create=config.create_resource_group)
    state = StateStore("state", StateStoreArgs(place, "Z" in prod.storage.redundancy), opts)
    groups = {
        target: _group(target, environments.get(target, prod), create=True)[0]
        for target in (_SHARED, *environments)
    }
    identities = {
        target: DeliveryIdentities(
            f"delivery-{target}",
            DeliveryIdentitiesArgs(
                place=place,
                target=target,
                subject_prefix=config.subject_prefix,
                target_group_id=_group_id(groups[target]),
                target_subscription_id=groups[target].subscription_id,
                shared_group_id=_group_id(groups[_SHARED]),
                state_id=state.area.id,
                vault_id=state.secrets.id,
                roles=_roles(matrix, environments.get(target, prod)),
            ),
            opts,
        )
        for target in groups
    }
    export_contract(
        "bootstrap",
        STACK,
        {
            "backendUrl": state.backend_url,
            "secretsProvider": state.secrets_provider,
            "resourceGroups": {target: group.resource_group for target, group in groups.items()},
            "clientIds": {
                target: {"deploy": item.deploy.client_id, "plan": item.plan.client_id}
                for target, item in identities.items()
            },
        },
    )


def _group(stack: str, environment: Environment, *, create: bool) -> tuple[Placement, pulumi.ResourceOptions]:
    """Declare a stack's resource group, with a provider bound to the subscription that it is in."""
    azure = environment.azure
    subscription_id = azure.subscription_id
    if stack in {STACK, _SHARED}:
        subscription_id = environment.platform.subscription_id or subscription_id
    names = Names(environment.project.name, stack, subscription_id)
    opts = provider_for(names, subscription_id=subscription_id, tenant_id=azure.tenant_id)
    place = place_in_group(
        names,
        location=environment.project.location,
        subscription_id=subscription_id,
        tenant_id=azure.tenant_id,
        create=create,
        protect=True,
        opts=opts,
    )
    return place, opts


def _group_id(place: Placement) -> pulumi.Output[str]:
    """Return the group's id as an output of the group, so that a role on it waits for it."""
    return pulumi.Output.concat(
        f"/subscriptions/{place.subscription_id}/resourceGroups/", place.resource_group
    )


def _roles(matrix: AccessMatrix, environment: Environment) -> list[Assignment]:
    """Return what delivery gets on Azure; the other services of the matrix are GitHub's."""
    return [
        item
        for item in assignments(matrix, environment.profile)
        if item.identity == "deploy" and item.service not in {"repository", "packages"}
    ]

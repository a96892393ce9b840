"""One environment: the stacks `dev`, `staging` and `prod`.

The order is Azure's: identity, then its roles on storage, vault and registry, then the workspace that
checks them, then private endpoints and outbound rules, then computes, then endpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.mlops_infra.access import assignments, load_access
from infra.mlops_infra.components.resource_group import place_in_group
from infra.mlops_infra.contract import PlatformContract, export_contract
from infra.mlops_infra.program import ProgramConfig, provider_for
from infra.mlops_infra.tags import register_tags, tags_of
from infra.mlops_infra.zones import zones_for
from infra.workload.foundation import build_foundation
from infra.workload.machine_learning import build_machine_learning
from infra.workload.operations import build_operations
from infra.workload.scope import Scope
from mlops.errors import UsageError
from mlops.settings.together import STACKS, load_together

if TYPE_CHECKING:
    from mlops.settings import Environment

__all__ = ["build"]


def build() -> None:
    """Declare the environment that the stack is named after."""
    stack = pulumi.get_stack()
    if stack not in STACKS:
        raise UsageError(
            f"There is no environment {stack!r}.",
            got=stack,
            expected=f"a stack named {', '.join(STACKS)}",
            next_step="pulumi stack select dev",
        )
    config = ProgramConfig.read()
    # All of them: two environments that cannot exist side by side must not be found one at a time.
    together = load_together(config.root)
    environment, prod = together[stack].environment, together["prod"].environment
    access = assignments(load_access(config.root), environment.profile)
    register_tags(tags_of(environment, stack))
    azure = environment.azure
    opts = provider_for(environment.names, subscription_id=azure.subscription_id, tenant_id=azure.tenant_id)
    scope = Scope(
        environment=environment,
        place=place_in_group(
            environment.names,
            location=environment.project.location,
            subscription_id=azure.subscription_id,
            tenant_id=azure.tenant_id,
            create=config.create_resource_group,
            protect=environment.protection.protect,
            opts=opts,
        ),
        platform=PlatformContract.read(
            config.platform_stack,
            owners=tuple(environment.platform.owners),
            zones=_zones(environment),
        ),
        access=access,
        subject_prefix=config.subject_prefix,
        shared_subscription_id=prod.platform.subscription_id or prod.azure.subscription_id,
        opts=opts,
    )
    foundation = build_foundation(scope)
    machine_learning = build_machine_learning(scope, foundation)
    watched = build_operations(scope, foundation, machine_learning)
    export_contract("workload", stack, foundation.contract() | machine_learning.contract() | watched)


def _zones(environment: Environment) -> tuple[str, ...]:
    if not (environment.private and environment.platform.private_dns_zones):
        return ()
    return zones_for(monitor=environment.platform.private_link_scope)

"""The workspace, what it may reach, its computes and the shells of its endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.mlops_infra.components.access import Access, AccessArgs, SharedAccess, SharedAccessArgs
from infra.mlops_infra.components.compute import ComputePools, ComputePoolsArgs
from infra.mlops_infra.components.data_estate import DataEstate, DataEstateArgs
from infra.mlops_infra.components.endpoints import EndpointShells, EndpointShellsArgs
from infra.mlops_infra.components.outbound import OutboundRules, OutboundRulesArgs
from infra.mlops_infra.components.private_link import PrivateLink, PrivateLinkArgs
from infra.mlops_infra.components.workspace import MlWorkspace, MlWorkspaceArgs
from mlops.settings.network import ManagedNetwork

if TYPE_CHECKING:
    import pulumi

    from infra.workload.foundation import Foundation
    from infra.workload.scope import Scope

__all__ = ["MachineLearning", "build_machine_learning"]


@dataclass(frozen=True, slots=True)
class MachineLearning:
    """The workspace and what runs in it."""

    workspace: MlWorkspace
    pools: dict[str, ComputePools]
    endpoints: dict[str, EndpointShells]

    def contract(self) -> dict[str, Any]:
        """Return the names that continuous delivery deploys into."""
        return {
            "workspaceId": self.workspace.id,
            "workspaceName": self.workspace.name,
            "computes": {key: name for pool in self.pools.values() for key, name in pool.names.items()},
            "onlineEndpoints": {key: shell.online.name for key, shell in self.endpoints.items()},
            "batchEndpoints": {
                key: shell.batch.name for key, shell in self.endpoints.items() if shell.batch is not None
            },
        }


def build_machine_learning(scope: Scope, foundation: Foundation) -> MachineLearning:
    """Declare the workspace after the roles of its identity, and the rest after the workspace."""
    environment, place, opts = scope.environment, scope.place, scope.opts
    network = foundation.network
    training_subnet = network.subnet_ids.get("training") if network else None
    workspace = MlWorkspace(
        "workspace",
        MlWorkspaceArgs(
            place=place,
            workspace=environment.workspace,
            network=environment.network,
            protect=environment.protection.protect,
            identity_id=foundation.workspace_identity.id,
            storage_id=foundation.storage.id,
            key_vault_id=foundation.secrets.id,
            container_registry_id=foundation.images.id,
            application_insights_id=foundation.insights.id,
            log_analytics_id=scope.platform.log_analytics_id,
            image_build_compute=place.names.compute(environment.training.compute),
            subnet_id=training_subnet,
            customer_key=foundation.customer_key,
            after=foundation.identity_roles.grants,
        ),
        opts,
    )
    shared = _shared_access(scope, foundation)
    reachable = [
        *shared.grants,
        *_links(scope, foundation, workspace),
        *_outbound(scope, foundation, workspace, shared),
    ]
    roles = _people(scope, foundation, workspace)
    DataEstate(
        "data",
        DataEstateArgs(
            place=place,
            workspace_name=workspace.name,
            account_name=foundation.lake.name,
            containers=foundation.lake.containers,
            usecases=tuple(environment.endpoints),
            after=foundation.identity_roles.grants,
        ),
        opts,
    )
    # A hub's projects have computes and endpoints; a hub has none.
    if environment.workspace.kind == "hub":
        return MachineLearning(workspace, {}, {})
    after = [*reachable, *roles.grants]
    pools = _pools(scope, foundation, workspace, after)
    return MachineLearning(workspace, pools, _endpoints(scope, foundation, workspace, after))


def _links(scope: Scope, foundation: Foundation, workspace: MlWorkspace) -> list[pulumi.Resource]:
    network = foundation.network
    if network is None:
        return []
    targets: dict[str, tuple[pulumi.Input[str], tuple[str, ...]]] = {
        "workspace": (workspace.id, ("amlworkspace",)),
        "storage": (foundation.storage.id, ("blob", "file", "queue", "table")),
        "lake": (foundation.lake.id, ("blob", "dfs")),
        "vault": (foundation.secrets.id, ("vault",)),
        "images": (foundation.images.id, ("registry",)),
    }
    if scope.environment.platform.registry_public_network_access == "disabled":
        targets["registry"] = (scope.platform.registry_id, ("amlregistry",))
    if scope.in_private_link_scope:
        targets["monitor"] = (scope.platform.private_link_scope_id, ("azuremonitor",))
    links = [
        PrivateLink(
            f"link-{target}",
            PrivateLinkArgs(
                place=scope.place,
                target=target,
                target_id=target_id,
                group_ids=group_ids,
                subnet_id=network.subnet_ids["private_endpoints"],
                zone_ids=scope.platform.zone_ids,
            ),
            scope.opts,
        )
        for target, (target_id, group_ids) in targets.items()
    ]
    return [endpoint for link in links for endpoint in link.endpoints]


def _shared_access(scope: Scope, foundation: Foundation) -> SharedAccess:
    return SharedAccess(
        "shared-roles",
        SharedAccessArgs(
            place=scope.place,
            subscription_id=scope.shared_subscription_id,
            registry_id=scope.platform.registry_id,
            workspace_principal_id=foundation.workspace_identity.principal_id,
            serving_principal_id=foundation.serving_identity.principal_id,
            approves={word: target for word, (target, _) in _shared_targets(scope).items()},
        ),
        scope.opts,
    )


def _outbound(
    scope: Scope, foundation: Foundation, workspace: MlWorkspace, shared: SharedAccess
) -> list[pulumi.Resource]:
    network = scope.environment.network
    if not isinstance(network, ManagedNetwork):
        return []
    lake = foundation.lake.id
    targets = {"lake-blob": (lake, "blob"), "lake-dfs": (lake, "dfs"), **_shared_targets(scope)}
    rules = OutboundRules(
        "outbound",
        OutboundRulesArgs(
            place=scope.place,
            workspace_name=workspace.name,
            targets=targets,
            fqdns=network.approved_fqdns,
            after=[*foundation.identity_roles.grants, *shared.grants],
        ),
        scope.opts,
    )
    return [rules.last] if rules.last else []


def _shared_targets(scope: Scope) -> dict[str, tuple[pulumi.Input[str], str]]:
    """Return what of the shared stack the managed network has private endpoints to."""
    network = scope.environment.network
    targets: dict[str, tuple[pulumi.Input[str], str]] = {}
    if not isinstance(network, ManagedNetwork):
        return targets
    if network.isolation == "approved_outbound":
        targets["registry"] = (scope.platform.registry_id, "amlregistry")
    if scope.in_private_link_scope:
        targets["monitor"] = (scope.platform.private_link_scope_id, "azuremonitor")
    return targets


def _people(scope: Scope, foundation: Foundation, workspace: MlWorkspace) -> Access:
    group = {"group": scope.place.resource_group_id}
    return Access(
        "access",
        AccessArgs(
            place=scope.place,
            assignments=[item for item in scope.access if item.identity != "workspace"],
            # Log Analytics answers by what a reader may read: a role on this group shows this group's logs.
            scopes={
                **foundation.stores,
                "workspace": {"workspace": workspace.id},
                "log_analytics": group,
                "monitor": group,
            },
            identities={"monitor": foundation.monitor_identity.principal_id},
        ),
        scope.opts,
    )


def _pools(
    scope: Scope, foundation: Foundation, workspace: MlWorkspace, after: list[pulumi.Resource]
) -> dict[str, ComputePools]:
    network = foundation.network
    everything = scope.environment.compute
    # Monitors read data and write measurements; they do not get the workspace's own rights.
    parts = {
        "training": (everything.keys() - {"monitor"}, foundation.workspace_identity),
        "monitoring": (everything.keys() & {"monitor"}, foundation.monitor_identity),
    }
    return {
        part: ComputePools(
            f"{part}-compute",
            ComputePoolsArgs(
                place=scope.place,
                pools={key: everything[key] for key in sorted(keys)},
                workspace_name=workspace.name,
                identity_id=identity.id,
                private=scope.environment.private,
                subnet_id=network.subnet_ids.get("training") if network else None,
                after=after,
            ),
            scope.opts,
        )
        for part, (keys, identity) in parts.items()
        if keys
    }


def _endpoints(
    scope: Scope, foundation: Foundation, workspace: MlWorkspace, after: list[pulumi.Resource]
) -> dict[str, EndpointShells]:
    environment = scope.environment
    return {
        usecase: EndpointShells(
            usecase,
            EndpointShellsArgs(
                place=scope.place,
                usecase=usecase,
                endpoint=endpoint,
                serving=environment.serving,
                protect=environment.protection.protect,
                workspace_name=workspace.name,
                identity_id=foundation.serving_identity.id,
                log_analytics_id=scope.platform.log_analytics_id,
                after=[*after, *foundation.serving_roles.grants],
            ),
            scope.opts,
        )
        for usecase, endpoint in environment.endpoints.items()
    }

"""The network, identities and stores of an environment, and the roles of its identities on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.mlops_infra.components.access import Access, AccessArgs, ServingAccess, ServingAccessArgs
from infra.mlops_infra.components.encryption import CustomerKey, CustomerKeyArgs
from infra.mlops_infra.components.identity import Identity, IdentityArgs
from infra.mlops_infra.components.images import ImageRegistry, ImageRegistryArgs
from infra.mlops_infra.components.network import EnvironmentNetwork, EnvironmentNetworkArgs
from infra.mlops_infra.components.observability import ApplicationInsights, ApplicationInsightsArgs
from infra.mlops_infra.components.private_link import ZoneLinks, ZoneLinksArgs
from infra.mlops_infra.components.secrets import SecretStore, SecretStoreArgs
from infra.mlops_infra.components.storage import CONTAINERS, StorageArea, StorageAreaArgs
from mlops.settings.network import PublicNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from infra.workload.scope import Scope

__all__ = ["Foundation", "build_foundation"]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the workspace stands on.

    Parameters
    ----------
    stores
        The resources behind the services of the access matrix.
    """

    network: EnvironmentNetwork | None
    storage: StorageArea
    lake: StorageArea
    secrets: SecretStore
    customer_key: CustomerKey | None
    images: ImageRegistry
    insights: ApplicationInsights
    workspace_identity: Identity
    monitor_identity: Identity
    serving_identity: Identity
    identity_roles: Access
    serving_roles: ServingAccess
    stores: Mapping[str, Mapping[str, pulumi.Input[str]]]

    def contract(self) -> dict[str, Any]:
        """Return the ids and names that continuous delivery and monitors need."""
        return {
            "storageName": self.storage.name,
            "lakeName": self.lake.name,
            "keyVaultName": self.secrets.name,
            "containerRegistry": self.images.login_server,
            "applicationInsightsId": self.insights.id,
            "virtualNetworkId": self.network.id if self.network else None,
            "workspaceIdentityClientId": self.workspace_identity.client_id,
            "monitorIdentityClientId": self.monitor_identity.client_id,
            "servingIdentityId": self.serving_identity.id,
        }


def build_foundation(scope: Scope) -> Foundation:
    """Declare network, stores and identities."""
    environment, place, opts = scope.environment, scope.place, scope.opts
    logs = scope.platform.log_analytics_id
    protection = environment.protection
    subjects = (
        {"github": f"{scope.subject_prefix}:environment:{environment.name}"} if scope.subject_prefix else None
    )
    workspace = Identity("workspace-identity", IdentityArgs(place, "workspace"), opts)
    monitor = Identity("monitor-identity", IdentityArgs(place, "monitor", subjects), opts)
    serving = Identity("serving-identity", IdentityArgs(place, "serving"), opts)
    secrets = SecretStore(
        "vault",
        SecretStoreArgs(place, environment.private, scope.allowed_ip_ranges, protection, logs),
        opts,
    )
    key = None
    if environment.encryption.keys == "customer":
        key = CustomerKey("data-key", CustomerKeyArgs(place, secrets), opts)
    storage = _store("storage", scope, place.names.storage_account, key, lake=False)
    lake = _store("lake", scope, place.names.lake_account, key, lake=True)
    images = ImageRegistry(
        "images",
        ImageRegistryArgs(
            place=place,
            images=environment.images,
            private=environment.private,
            zone_redundant="Z" in environment.storage.redundancy,
            protection=protection,
            log_analytics_id=logs,
        ),
        opts,
    )
    insights = ApplicationInsights(
        "insights",
        ApplicationInsightsArgs(
            place=place,
            sampling_percent=environment.monitoring.sampling_percent,
            log_analytics_id=logs,
            retention_days=environment.platform.log_retention_days,
            closed=scope.in_private_link_scope,
        ),
        opts,
    )
    stores: dict[str, Mapping[str, pulumi.Input[str]]] = {
        "key_vault": {"vault": secrets.id},
        "container_registry": {"images": images.id},
        "storage": {"storage": storage.id, "lake": lake.id},
    }
    roles = Access(
        "identity-roles",
        AccessArgs(
            place=place,
            assignments=[item for item in scope.access if item.identity == "workspace"],
            scopes=stores,
            identities={"workspace": workspace.principal_id},
        ),
        opts,
    )
    serving_roles = ServingAccess(
        "serving-roles", ServingAccessArgs(place, serving.principal_id, images.id, storage.id), opts
    )
    return Foundation(
        network=_network(scope),
        storage=storage,
        lake=lake,
        secrets=secrets,
        customer_key=key,
        images=images,
        insights=insights,
        workspace_identity=workspace,
        monitor_identity=monitor,
        serving_identity=serving,
        identity_roles=roles,
        serving_roles=serving_roles,
        stores=stores,
    )


def _network(scope: Scope) -> EnvironmentNetwork | None:
    network = scope.environment.network
    if isinstance(network, PublicNetwork):
        return None
    own = EnvironmentNetwork("network", EnvironmentNetworkArgs(scope.place, network), scope.opts)
    if scope.platform.zone_ids:
        zones = tuple(scope.platform.zone_ids)
        args = ZoneLinksArgs(scope.place, scope.platform.resource_group, zones, own.id)
        ZoneLinks("zone-links", args, scope.opts)
    return own


def _store(name: str, scope: Scope, account_name: str, key: CustomerKey | None, *, lake: bool) -> StorageArea:
    environment = scope.environment
    return StorageArea(
        name,
        StorageAreaArgs(
            place=scope.place,
            account_name=account_name,
            hierarchical=lake,
            private=environment.private,
            allowed_ip_ranges=scope.allowed_ip_ranges,
            storage=environment.storage,
            protection=environment.protection,
            log_analytics_id=scope.platform.log_analytics_id,
            containers=CONTAINERS if lake else (),
            customer_key=key,
        ),
        scope.opts,
    )

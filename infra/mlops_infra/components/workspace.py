"""The Azure Machine Learning workspace of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import machinelearningservices

from infra.mlops_infra.components.diagnostics import send_diagnostics
from infra.mlops_infra.components.identity import user_assigned
from infra.mlops_infra.metrics import WORKSPACE
from mlops.settings.network import ManagedNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from infra.mlops_infra.components.encryption import CustomerKey
    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Workspace
    from mlops.settings.network import ByoNetwork, PublicNetwork

__all__ = ["MlWorkspace", "MlWorkspaceArgs"]

_KINDS: Final = MappingProxyType(
    {"default": "Default", "feature_store": "FeatureStore", "hub": "Hub", "project": "Project"}
)


@dataclass(frozen=True, slots=True)
class MlWorkspaceArgs:
    """One workspace and what it is attached to.

    Parameters
    ----------
    image_build_compute
        The cluster that builds images; a private registry cannot be reached by Azure's own builders.
    subnet_id
        Where serverless jobs run with the network profile byo.
    customer_key
        What the service encrypts what it knows of this workspace with; None means Azure's own key.
    after
        The role assignments of the identity: a workspace checks its access while it is created.
    """

    place: Placement
    workspace: Workspace
    network: PublicNetwork | ManagedNetwork | ByoNetwork
    protect: bool
    identity_id: pulumi.Input[str]
    storage_id: pulumi.Input[str]
    key_vault_id: pulumi.Input[str]
    container_registry_id: pulumi.Input[str]
    application_insights_id: pulumi.Input[str]
    log_analytics_id: pulumi.Input[str]
    image_build_compute: str
    subnet_id: pulumi.Input[str] | None
    customer_key: CustomerKey | None
    after: Sequence[pulumi.Resource]


class MlWorkspace(ComponentResource):
    """A workspace that uses its identity for everything and keys for nothing."""

    def __init__(self, name: str, args: MlWorkspaceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:ml:MlWorkspace", name, None, opts)
        private = args.network.profile != "public"
        key = args.customer_key
        self.workspace = machinelearningservices.Workspace(
            name,
            workspace_name=args.place.names.workspace,
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            kind=_KINDS[args.workspace.kind],
            friendly_name=args.place.names.workspace,
            sku={"name": "Basic", "tier": "Basic"},
            identity=user_assigned(args.identity_id, *([key.identity.id] if key else [])),
            primary_user_assigned_identity=args.identity_id,
            system_datastores_auth_mode="Identity",
            public_network_access="Disabled" if private else "Enabled",
            allow_public_access_when_behind_vnet=False,
            v1_legacy_mode=False,
            hbi_workspace=False,
            image_build_compute=args.image_build_compute if private else None,
            **_attached(args),
            **_networked(args),
            **_encrypted(key),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                retain_on_delete=args.protect,
                depends_on=[*args.after, *([key.may_use] if key else [])],
                # Rules are resources of their own: Azure returns them here too, and a refresh would
                # show them as drift.
                ignore_changes=["managedNetwork.outboundRules", "managedNetwork.status"],
            ),
        )
        self.id, self.name = self.workspace.id, self.workspace.name
        send_diagnostics(
            name,
            kind=WORKSPACE,
            resource_id=self.id,
            log_analytics_id=args.log_analytics_id,
            parent=self,
        )
        self.register_outputs({"id": self.id, "name": self.name})


def _attached(args: MlWorkspaceArgs) -> dict[str, Any]:
    """Return what a workspace of this kind is attached to; a project has its hub's."""
    if args.workspace.kind == "project":
        return {"hub_resource_id": args.workspace.hub_id}
    attached: dict[str, Any] = {
        "storage_account": args.storage_id,
        "key_vault": args.key_vault_id,
        "container_registry": args.container_registry_id,
        "application_insights": args.application_insights_id,
    }
    if args.workspace.kind == "feature_store":
        runtime = {"spark_runtime_version": args.workspace.spark_version}
        attached["feature_store_settings"] = {"compute_runtime": runtime}
    return attached


def _encrypted(key: CustomerKey | None) -> dict[str, Any]:
    if key is None:
        return {}
    # Otherwise Azure keeps what it encrypts in a database and a search service of yours, billed to you.
    return {"encryption": key.of_workspace(), "enable_service_side_cmk_encryption": True}


def _networked(args: MlWorkspaceArgs) -> dict[str, Any]:
    if args.workspace.kind == "project":
        return {}
    if not isinstance(args.network, ManagedNetwork):
        byo: dict[str, Any] = {"managed_network": {"isolation_mode": "Disabled"}}
        if args.subnet_id is not None:
            byo["serverless_compute_settings"] = {
                "serverless_compute_custom_subnet": args.subnet_id,
                "serverless_compute_no_public_ip": True,
            }
        return byo
    approved = args.network.isolation == "approved_outbound"
    managed: dict[str, Any] = {
        "isolation_mode": "AllowOnlyApprovedOutbound" if approved else "AllowInternetOutbound",
        # V2 cannot go back to V1, and this project has seen neither run.
        "managed_network_kind": "V1",
    }
    if approved:
        managed["firewall_sku"] = args.network.firewall_sku.title()
    return {
        "managed_network": managed,
        # Otherwise the first job or deployment waits for the network, and fails on its own timeout.
        "provision_network_now": True,
        "serverless_compute_settings": {"serverless_compute_no_public_ip": True},
    }

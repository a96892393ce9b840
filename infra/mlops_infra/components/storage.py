"""Storage accounts: the workspace's default one, and the lake that holds the data estate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_azure_native import authorization, storage

from infra.mlops_infra.components.diagnostics import send_diagnostics
from infra.mlops_infra.components.identity import user_assigned

if TYPE_CHECKING:
    from infra.mlops_infra.components.encryption import CustomerKey
    from infra.mlops_infra.placement import Placement
    from mlops.settings.infrastructure import Protection, Storage

__all__ = ["CONTAINERS", "StorageArea", "StorageAreaArgs"]

CONTAINERS: Final = ("raw", "curated", "features", "labels", "baselines", "inference")
"""The data estate, in the order data passes: inference is what deployments collect."""


@dataclass(frozen=True, slots=True)
class StorageAreaArgs:
    """One storage account.

    Parameters
    ----------
    hierarchical
        A lake (true), or flat as a workspace's default store must be (false).
    allowed_ip_ranges
        Addresses that may reach a public account; empty means any network, behind Entra tokens.
    customer_key
        What data is encrypted with; None means Azure's own key.
    log_analytics_id
        None before there is a log workspace: for the account that holds Pulumi's own state.
    """

    place: Placement
    account_name: str
    hierarchical: bool
    private: bool
    allowed_ip_ranges: tuple[str, ...]
    storage: Storage
    protection: Protection
    log_analytics_id: pulumi.Input[str] | None
    containers: tuple[str, ...] = ()
    customer_key: CustomerKey | None = None


class StorageArea(ComponentResource):
    """A storage account without keys: Entra tokens alone, TLS 1.2, soft deletes, lifecycle, logs."""

    def __init__(self, name: str, args: StorageAreaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:data:StorageArea", name, None, opts)
        self._keep = ResourceOptions(
            parent=self, protect=args.protection.protect, retain_on_delete=args.protection.protect
        )
        self.account = self._account(name, args)
        self.id, self.name = self.account.id, self.account.name
        blobs = self._services(name, args)
        self.containers = {
            container: storage.BlobContainer(
                f"{name}-{container}",
                account_name=self.account.name,
                container_name=container,
                public_access="None",
                resource_group_name=args.place.resource_group,
                opts=ResourceOptions.merge(self._keep, ResourceOptions(depends_on=[blobs])),
            )
            for container in args.containers
        }
        self._lifecycle(name, args)
        if args.log_analytics_id is not None:
            send_diagnostics(
                f"{name}-blobs",
                kind="Microsoft.Storage/storageAccounts/blobServices",
                resource_id=pulumi.Output.concat(self.id, "/blobServices/default"),
                log_analytics_id=args.log_analytics_id,
                parent=self,
            )
        if args.protection.lock:
            authorization.ManagementLockByScope(
                f"{name}-lock",
                lock_name="data",
                scope=self.id,
                level="CanNotDelete",
                notes="Holds data that nothing else can rebuild.",
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({"id": self.id, "name": self.name})

    def _account(self, name: str, args: StorageAreaArgs) -> storage.StorageAccount:
        # An address list needs the deny; without one a public account answers any network.
        closed = args.private or bool(args.allowed_ip_ranges)
        key = args.customer_key
        return storage.StorageAccount(
            name,
            account_name=args.account_name,
            resource_group_name=args.place.resource_group,
            location=args.place.location,
            kind="StorageV2",
            sku={"name": f"Standard_{args.storage.redundancy}"},
            access_tier="Hot",
            is_hns_enabled=args.hierarchical,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            allowed_copy_scope="AAD",
            is_local_user_enabled=False,
            is_sftp_enabled=False,
            enable_nfs_v3=False,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            public_network_access="Disabled" if args.private else "Enabled",
            network_rule_set={
                "default_action": "Deny" if closed else "Allow",
                "bypass": "AzureServices",
                "ip_rules": [
                    {"i_p_address_or_range": prefix.removesuffix("/32"), "action": "Allow"}
                    for prefix in args.allowed_ip_ranges
                ],
            },
            # Cannot be switched on later.
            encryption={
                "require_infrastructure_encryption": True,
                "services": {
                    service: {"enabled": True, "key_type": "Account"}
                    for service in ("blob", "file", "queue", "table")
                },
                **(key.of_storage() if key else {"key_source": "Microsoft.Storage"}),
            },
            identity=user_assigned(key.identity.id) if key else None,
            sas_policy={"sas_expiration_period": "1.00:00:00", "expiration_action": "Log"},
            opts=ResourceOptions.merge(
                self._keep, ResourceOptions(depends_on=[key.may_use] if key else None)
            ),
        )

    def _services(self, name: str, args: StorageAreaArgs) -> storage.BlobServiceProperties:
        group, days = args.place.resource_group, args.storage.soft_delete_days
        retention = {"enabled": True, "days": days}
        blobs = storage.BlobServiceProperties(
            f"{name}-blob-service",
            account_name=self.account.name,
            blob_services_name="default",
            resource_group_name=group,
            delete_retention_policy={**retention, "allow_permanent_delete": False},
            container_delete_retention_policy=retention,
            # Versions and the change feed do not exist in hierarchical accounts.
            is_versioning_enabled=not args.hierarchical,
            change_feed={"enabled": not args.hierarchical},
            opts=self._keep,
        )
        if not args.hierarchical:
            storage.FileServiceProperties(
                f"{name}-file-service",
                account_name=self.account.name,
                file_services_name="default",
                resource_group_name=group,
                share_delete_retention_policy=retention,
                protocol_settings={
                    "smb": {
                        "versions": "SMB3.1.1",
                        "authentication_methods": "Kerberos",
                        "kerberos_ticket_encryption": "AES-256",
                        "channel_encryption": "AES-256-GCM",
                    }
                },
                opts=self._keep,
            )
        return blobs

    def _lifecycle(self, name: str, args: StorageAreaArgs) -> None:
        lifecycle = args.storage.lifecycle
        cool: dict[str, Any] = {
            "tier_to_cool": {"days_after_modification_greater_than": lifecycle.cool_after_days}
        }
        if lifecycle.archive_after_days is not None:
            cool["tier_to_archive"] = {"days_after_modification_greater_than": lifecycle.archive_after_days}
        rules = [_rule("cool-what-is-old", cool, None)]
        if args.hierarchical:
            delete = {
                "delete": {"days_after_modification_greater_than": lifecycle.delete_collected_after_days}
            }
            rules.append(_rule("delete-collected", delete, "inference/"))
        else:
            rules.append(
                {
                    "name": "delete-old-versions",
                    "type": "Lifecycle",
                    "enabled": True,
                    "definition": {
                        "filters": {"blob_types": ["blockBlob"]},
                        "actions": {
                            "version": {
                                "delete": {
                                    "days_after_creation_greater_than": lifecycle.delete_collected_after_days
                                }
                            }
                        },
                    },
                }
            )
        storage.ManagementPolicy(
            f"{name}-lifecycle",
            account_name=self.account.name,
            management_policy_name="default",
            resource_group_name=args.place.resource_group,
            policy={"rules": rules},
            opts=ResourceOptions(parent=self),
        )


def _rule(name: str, base_blob: dict[str, Any], prefix: str | None) -> dict[str, Any]:
    filters: dict[str, Any] = {"blob_types": ["blockBlob"]}
    if prefix:
        filters["prefix_match"] = [prefix]
    definition = {"filters": filters, "actions": {"base_blob": base_blob}}
    return {"name": name, "type": "Lifecycle", "enabled": True, "definition": definition}

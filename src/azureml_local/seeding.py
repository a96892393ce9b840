"""What exists in an instance from its first start: workspace, datastores, computes, registry."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from azureml_local.arm.assets import storage_account_id
from azureml_local.arm.registries import fill_registry
from azureml_local.arm.workspaces import ARTIFACT_DATASTORE, DEFAULT_DATASTORE
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from azureml_local.config import Compute, InstanceConfig
    from azureml_local.plane import ControlPlane
    from azureml_local.store import ResourceStore

# Below the workspace's ARM id, as in the tracking address that Azure's workspaces carry.
TRACKING_PREFIX = "/mlflow/v1.0"


def seed(plane: ControlPlane) -> None:
    """Create what is missing; safe to repeat."""
    config, store = plane.config, plane.store
    with store.transaction():
        for workspace_id in config.workspace_ids:
            _seed_workspace(plane, workspace_id)
        for name, compute in config.computes.items():
            store.put(f"{config.workspace_id}/computes/{name}", _compute(config, compute))
        if store.get(config.registry_id) is None:
            body: dict[str, Any] = {
                "location": config.location,
                "tags": {},
                "identity": {"type": "SystemAssigned"},
                "properties": {"provisioningState": "Succeeded"},
            }
            fill_registry(plane.base_url, body)
            store.put(config.registry_id, body)


def datastore_container(
    store: ResourceStore, config: InstanceConfig, name: str, workspace: str | None
) -> str:
    """Return the container that a datastore stands for; of the workspace that runs jobs, if none is named."""
    named = (
        each for each in config.workspace_ids if each.rpartition("/")[2].lower() == (workspace or "").lower()
    )
    found = store.get(f"{next(named, config.workspace_id)}/datastores/{name}")
    if found is None:
        raise AzureError(400, "UserError", f"The datastore '{name}' was not found.", target="datastore")
    container: str = found.properties["containerName"]
    return container


def _seed_workspace(plane: ControlPlane, workspace_id: str) -> None:
    store = plane.store
    if store.get(workspace_id) is None:
        store.put(workspace_id, _workspace(plane, workspace_id))
    guid = store.require(workspace_id).properties["workspaceId"]
    first = workspace_id == plane.config.workspace_id
    containers = {
        # The names under which a new workspace finds its two default datastores on Azure.
        DEFAULT_DATASTORE: f"azureml-blobstore-{guid}",
        # One account stands for all workspaces' own, so only the first has the plain name.
        ARTIFACT_DATASTORE: "azureml" if first else f"azureml-{guid}",
    }
    for name, container in containers.items():
        plane.blobs.create_container(container)
        identifier = f"{workspace_id}/datastores/{name}"
        if store.get(identifier) is None:
            store.put(identifier, _datastore(plane, container, is_default=name == DEFAULT_DATASTORE))


def _workspace(plane: ControlPlane, workspace_id: str) -> dict[str, Any]:
    config, base = plane.config, plane.base_url
    group = f"{workspace_id.partition('/providers/')[0]}/providers"
    identity = {
        "type": "SystemAssigned",
        "principalId": plane.identity.secret.client_id,
        "tenantId": config.tenant_id,
    }
    return {
        "location": config.location,
        "kind": "Default",
        "tags": {},
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": identity,
        "properties": {
            "workspaceId": str(uuid.uuid4()),
            "tenantId": config.tenant_id,
            "friendlyName": workspace_id.rpartition("/")[2],
            "description": "",
            "storageAccount": storage_account_id(plane),
            "keyVault": f"{group}/Microsoft.KeyVault/vaults/local",
            "applicationInsights": f"{group}/Microsoft.Insights/components/local",
            "hbiWorkspace": False,
            "publicNetworkAccess": "Disabled",
            "discoveryUrl": f"{base}/discovery{workspace_id}",
            "mlFlowTrackingUri": f"azureml://{base.removeprefix('https://')}/mlflow/v1.0{workspace_id}",
            "provisioningState": "Succeeded",
        },
    }


def _datastore(plane: ControlPlane, container: str, *, is_default: bool) -> dict[str, Any]:
    return {
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": plane.blobs.account,
            "containerName": container,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": is_default,
            "tags": {},
            "properties": {},
            "resourceGroup": plane.config.resource_group,
            "subscriptionId": plane.config.subscription_id,
            "serviceDataAccessAuthIdentity": "None",
            "credentials": {"credentialsType": "AccountKey"},
        }
    }


def _compute(config: InstanceConfig, compute: Compute) -> dict[str, Any]:
    return {
        "location": config.location,
        "tags": {},
        "properties": {
            "computeType": "AmlCompute",
            "computeLocation": config.location,
            "provisioningState": "Succeeded",
            "isAttachedCompute": False,
            "disableLocalAuth": True,
            "properties": {
                "vmSize": compute.size,
                "vmPriority": "Dedicated",
                "osType": "Linux",
                "scaleSettings": {
                    "minNodeCount": 0,
                    "maxNodeCount": compute.max_instances,
                    "nodeIdleTimeBeforeScaleDown": "PT120S",
                },
                "allocationState": "Steady",
                "currentNodeCount": 0,
                "targetNodeCount": 0,
                "enableNodePublicIp": False,
            },
        },
    }

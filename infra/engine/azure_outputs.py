"""What Azure adds to a resource that it has created: the outputs that programs build on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.engine.provider import generated_guid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Created", "computed_outputs"]


@dataclass(frozen=True, slots=True)
class Created:
    """A resource as Azure has it. GUIDs are made up from the ID, so they stay the same."""

    id: str
    tenant_id: str
    inputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last part of the ID."""
        return self.id.rpartition("/")[2]

    @property
    def region(self) -> str:
        """Where the resource lives, as host names have it."""
        return str(self.inputs.get("location", "region")).replace(" ", "").lower()

    def guid(self, kind: str) -> str:
        """Return a GUID of this resource."""
        return generated_guid(kind, self.id)

    def with_properties(self, **computed: Any) -> dict[str, Any]:
        """Return the nested ``properties`` with computed ones added."""
        return {"properties": {**self.inputs.get("properties", {}), **computed}}


def computed_outputs(arm_type: str, created: Created) -> dict[str, Any]:
    """Return what Azure computes for a resource of this type, beside echoing its inputs."""
    compute = _COMPUTED.get(arm_type)
    return compute(created) if compute else {}


def _storage_account(account: Created) -> dict[str, Any]:
    services = ("blob", "dfs", "file", "queue", "table", "web")
    return {"primaryEndpoints": {one: f"https://{account.name}.{one}.core.windows.net/" for one in services}}


def _vault(vault: Created) -> dict[str, Any]:
    return vault.with_properties(vaultUri=f"https://{vault.name}.vault.azure.net/")


def _key(key: Created) -> dict[str, Any]:
    vault = key.id.split("/")[8]
    uri = f"https://{vault}.vault.azure.net/keys/{key.name}"
    return {"keyUri": uri, "keyUriWithVersion": f"{uri}/{key.guid('version').replace('-', '')}"}


def _user_assigned_identity(identity: Created) -> dict[str, Any]:
    return {
        "principalId": identity.guid("principal"),
        "clientId": identity.guid("app"),
        "tenantId": identity.tenant_id,
    }


def _application_insights(component: Created) -> dict[str, Any]:
    key = component.guid("instrumentation")
    return {
        "instrumentationKey": key,
        "connectionString": f"InstrumentationKey={key}",
        "appId": component.guid("app"),
    }


def _workspace(workspace: Created) -> dict[str, Any]:
    host = f"{workspace.region}.api.azureml.ms"
    return {
        "workspaceId": workspace.guid("workspace"),
        "discoveryUrl": f"https://{host}/discovery",
        "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{workspace.id}",
    }


def _ml_registry(registry: Created) -> dict[str, Any]:
    host = f"{registry.region}.api.azureml.ms"
    return {
        "discoveryUrl": f"https://{host}/registrymanagement/v1.0/registries/{registry.name}/discovery",
        "mlFlowRegistryUri": f"azureml://{host}/mlflow/v1.0{registry.id}",
    }


def _online_endpoint(endpoint: Created) -> dict[str, Any]:
    host = f"{endpoint.name}.{endpoint.region}.inference.ml.azure.com"
    return endpoint.with_properties(
        scoringUri=f"https://{host}/score", swaggerUri=f"https://{host}/swagger.json"
    )


def _batch_endpoint(endpoint: Created) -> dict[str, Any]:
    host = f"{endpoint.name}.{endpoint.region}.inference.ml.azure.com"
    return endpoint.with_properties(scoringUri=f"https://{host}/jobs")


def _collection_rule(rule: Created) -> dict[str, Any]:
    return {"immutableId": f"dcr-{rule.guid('rule').replace('-', '')}"}


def _collection_endpoint(endpoint: Created) -> dict[str, Any]:
    host = f"{endpoint.name}-{endpoint.guid('endpoint')[:4]}.{endpoint.region}-1"
    return {
        "immutableId": f"dce-{endpoint.guid('endpoint').replace('-', '')}",
        "logsIngestion": {"endpoint": f"https://{host}.ingest.monitor.azure.com"},
        "configurationAccess": {"endpoint": f"https://{host}.handler.control.monitor.azure.com"},
    }


_COMPUTED: Final[Mapping[str, Callable[[Created], dict[str, Any]]]] = {
    "Microsoft.ContainerRegistry/registries": lambda one: {"loginServer": f"{one.name.lower()}.azurecr.io"},
    "Microsoft.Dashboard/grafana": lambda one: one.with_properties(
        endpoint=f"https://{one.name}.grafana.azure.com"
    ),
    "Microsoft.Insights/components": _application_insights,
    "Microsoft.Insights/dataCollectionEndpoints": _collection_endpoint,
    "Microsoft.Insights/dataCollectionRules": _collection_rule,
    "Microsoft.KeyVault/vaults": _vault,
    "Microsoft.KeyVault/vaults/keys": _key,
    "Microsoft.MachineLearningServices/registries": _ml_registry,
    "Microsoft.MachineLearningServices/workspaces": _workspace,
    "Microsoft.MachineLearningServices/workspaces/batchEndpoints": _batch_endpoint,
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints": _online_endpoint,
    "Microsoft.ManagedIdentity/userAssignedIdentities": _user_assigned_identity,
    "Microsoft.OperationalInsights/workspaces": lambda one: {"customerId": one.guid("customer")},
    "Microsoft.Storage/storageAccounts": _storage_account,
}

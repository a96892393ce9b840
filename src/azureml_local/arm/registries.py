"""``registries``, and what their own data plane has beside ARM: discovery, uploads, imports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local.arm import names
from azureml_local.arm.assets import fill_container, pending_upload, registry_uri
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.errors import AzureError, bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

_WORKSPACE_ASSET = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<workspace>[^/]+)/(?P<plural>[^/]+)/(?P<name>[^/]+)"
    r"/versions/(?P<version>[^/]+)"
)


class Registries(LongRunningFamily):
    """Registries."""

    kind = "registries"
    shape = "Registry"
    can_delete = True
    # Schema 2025-12-01, registries.name.
    name_rule = names.REGISTRY

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"import": self._import}

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        fill_registry(self.plane.base_url, body)

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep the registry that the instance is configured with."""
        if resource.id.lower() == self.plane.config.registry_id.lower():
            raise AzureError(409, "Conflict", "The instance's own registry cannot be deleted.")

    def _import(self, call: Call) -> Answer:
        """Copy an asset of the workspace into the registry (what ``models.share`` sends)."""
        wanted = (call.body or {}).get("properties") or {}
        match = _WORKSPACE_ASSET.fullmatch(str(wanted.get("sourceAssetId", "")))
        if match is None:
            raise bad_request(
                f"'{wanted.get('sourceAssetId')}' does not name an asset of a workspace.",
                target="properties.sourceAssetId",
            )
        source = self._workspace_asset(match)
        name = wanted.get("destinationName") or match["name"]
        version = wanted.get("destinationVersion") or match["version"]
        target_id = f"{call.target.id}/{match['plural']}/{name}/versions/{version}"
        with self.store.transaction():
            if self.store.get(target_id) is not None:
                raise AzureError(
                    409,
                    "Conflict",
                    f"Version {version} of '{name}' already exists in the registry and is immutable.",
                )
            properties = source.properties | {"isArchived": False}
            self._copy_content(properties)
            self.store.put(
                target_id,
                {"id": registry_uri(target_id), "properties": properties},
            )
            container_id = f"{call.target.id}/{match['plural']}/{name}"
            container = self.store.get(container_id)
            body: dict[str, Any] = container.body if container else {"properties": {}}
            fill_container(body, self.store.children(f"{container_id}/versions"))
            self.store.put(container_id, body)
        # No content: the SDK then reads the asset, and takes any content for a request to upload.
        return Answer(200)

    def _workspace_asset(self, match: re.Match[str]) -> Resource:
        for workspace in self.store.of_type("workspaces"):
            if match["workspace"] in (workspace.properties["workspaceId"], workspace.name):
                return self.store.require(
                    f"{workspace.id}/{match['plural']}/{match['name']}/versions/{match['version']}"
                )
        raise AzureError(404, "ResourceNotFound", f"The workspace '{match['workspace']}' was not found.")

    def _copy_content(self, properties: dict[str, Any]) -> None:
        # A registry keeps its own copy, so that it outlives the workspace.
        for field in ("modelUri", "dataUri", "codeUri"):
            if properties.get(field):
                source = self.plane.blobs.locate(properties[field])
                upload = pending_upload(self.plane)["blobReferenceForConsumption"]["blobUri"]
                container = upload.rsplit("/", 1)[-1]
                leaf = source[1].rstrip("/").rsplit("/", 1)[-1] or "content"
                self.plane.blobs.copy(source, (container, leaf))
                properties[field] = self.plane.blobs.address(container, leaf)


class DataReferences:
    """Addresses with a signature for the content of a registry's assets: to upload to, to download from."""

    path = re.compile(
        r"(?P<registry>/subscriptions/.+/registries/[^/]+)/(?P<kind>tempdatarefs|datarefs)"
        r"/(?P<name>[^/]+)/versions/(?P<version>[^/]+)",
        re.IGNORECASE,
    )

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def handle(self, match: re.Match[str], body: dict[str, Any]) -> Answer:
        """Answer ``PUT …/tempdatarefs/…`` or ``POST …/datarefs/…``."""
        self._plane.store.require(match["registry"])
        if match["kind"].lower() == "tempdatarefs":
            name = match["registry"].rsplit("/", 1)[-1]
            asset_id = (
                body.get("assetId") or f"azureml://registries/{name}/{match['name']}/{match['version']}"
            )
            reference = {"assetId": asset_id, "temporaryDataReferenceType": "TemporaryBlobReference"}
            return Answer(200, reference | pending_upload(self._plane))
        uri = str(body.get("blobUri"))
        # The SDK opens the container that this address ends with, and looks for the path in it.
        container, _ = self._plane.blobs.locate(uri)
        sas_uri = self._plane.blobs.sas_url(container, permissions="rl")
        credential = {"credentialType": "SAS", "sasUri": sas_uri}
        return Answer(200, {"blobReferenceForConsumption": {"blobUri": uri, "credential": credential}})


def fill_registry(base_url: str, body: dict[str, Any]) -> None:
    """Set what the server sets on a registry."""
    properties = body["properties"]
    properties["discoveryUrl"] = f"{base_url}/registrymanagement/v1.0/registries"
    properties["mlFlowRegistryUri"] = f"{base_url}/mlflow/v1.0"
    properties.setdefault("publicNetworkAccess", "Enabled")
    properties.setdefault(
        "regionDetails", [{"location": body["location"], "acrDetails": [], "storageAccountDetails": []}]
    )

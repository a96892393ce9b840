"""Assets: code, environments, data, components, models; containers of immutable versions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from azureml_local.arm import names, references
from azureml_local.arm.family import Answer, Call, Family
from azureml_local.errors import AzureError, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

# What may change after a version exists (Azure ML: tags, description, archive state; properties grow).
_MUTABLE = {"description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting", "isAnonymous"}
_URIS = {"modelUri", "dataUri", "codeUri"}
_UPLOAD_HOURS = 12.0


class AssetContainers(Family):
    """``…/models`` and its like: what all versions of an asset share."""

    can_delete = True
    name_rule = names.RESOURCE

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a change of the data type."""
        kind = body["properties"].get("dataType")
        if existing and kind and existing.properties.get("dataType") not in (None, kind):
            raise bad_request(
                f"The data type of '{call.target.name}' is '{existing.properties['dataType']}' and cannot "
                "change.",
                target="properties.dataType",
            )

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        fill_container(body, self.store.children(f"{call.target.id}/versions"))

    @override
    def list_(self, call: Call) -> Answer:
        """Hide the container of anonymous assets, as the service does."""
        return super().list_(call)

    @override
    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Leave out what only anonymous versions live in."""
        return [resource for resource in resources if resource.name != "azureml_anonymous"]


class AssetVersions(Family):
    """``…/models/versions`` and its like."""

    container_shape: ClassVar[str]
    can_delete = True
    # Where a body names other assets or data: field -> whether it must exist here.
    references_to: ClassVar[tuple[str, ...]] = ()
    name_rule = names.ASSET_VERSION

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"startPendingUpload": self._start_pending_upload}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse bad asset names, dangling references and other content under a version that exists."""
        names.RESOURCE.check(call.target.names[-2])
        properties = body["properties"]
        for field in _URIS & properties.keys():
            written = references.job_output_uri(self.plane.store, self.plane.config, properties[field])
            properties[field] = self._kept_address(call, written)
        if existing is None:
            for field in self.references_to:
                reference = body["properties"].get(field)
                if reference:
                    references.require(self.store, self.plane.config, reference, f"properties.{field}")
            return
        _refuse_other_content(call, body["properties"], existing.properties)

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets, and make or refresh the container."""
        properties = body["properties"]
        old = existing.properties if existing else {}
        properties["tags"] = properties.get("tags") or {}
        properties["properties"] = {**old.get("properties", {}), **(properties.get("properties") or {})}
        properties["isArchived"] = bool(properties.get("isArchived"))
        properties["isAnonymous"] = bool(properties.get("isAnonymous") or old.get("isAnonymous"))
        properties["provisioningState"] = "Succeeded"
        self.fill_content(call, properties)
        if call.target.kind.startswith("registries/"):
            body["id"] = registry_uri(call.target.id)

    def fill_content(self, call: Call, properties: dict[str, Any]) -> None:
        """Set what the server sets for one kind of asset."""

    @override
    def written(self, call: Call, resource: Resource, existing: Resource | None) -> Answer:
        """Make or refresh the container, which a client never creates by itself."""
        container_id = resource.id.rsplit("/", 2)[0]
        with self.store.transaction():
            container = self.store.get(container_id)
            body: dict[str, Any] = container.body if container else {"properties": {}}
            if "dataType" in resource.properties:
                body["properties"].setdefault("dataType", resource.properties["dataType"])
            fill_container(body, self.store.children(f"{container_id}/versions"))
            self.store.put(container_id, body)
        return super().written(call, resource, existing)

    @override
    def require_parent(self, call: Call) -> None:
        """Ask for the workspace or registry alone: the container appears with its first version."""
        root = call.target.id.split(f"/{call.target.kind.split('/')[1]}/")[0]
        self.store.require(root)

    @override
    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Filter by the content hash that the SDK looks uploads up by, and by version."""
        wanted = {"hash_sha256": call.query.get("hash"), "hash_version": call.query.get("hashversion")}
        version = call.query.get("version")
        return [
            resource
            for resource in resources
            if all(
                value is None or resource.properties.get("properties", {}).get(key) == value
                for key, value in wanted.items()
            )
            and (version is None or resource.name == version)
        ]

    def _kept_address(self, call: Call, uri: str) -> str:
        """Return the form in which the service keeps where an asset's content is."""
        blobs = self.plane.blobs
        if call.target.kind.startswith("registries/") and uri.startswith(f"{blobs.storage_url}/"):
            return blobs.address(*blobs.locate(uri))
        return references.long_datastore_uri(uri, "/".join(call.target.id.split("/")[:9]))

    def _start_pending_upload(self, call: Call) -> Answer:
        self.require_parent(call)
        return Answer(200, pending_upload(self.plane))


def pending_upload(plane: ControlPlane) -> dict[str, Any]:
    """Return where a client may upload an asset: a container of its own, as on Azure."""
    container = str(uuid.uuid4())
    plane.blobs.create_container(container)
    return {
        "pendingUploadId": str(uuid.uuid4()),
        "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": {
            "blobUri": plane.blobs.url(container),
            "storageAccountArmId": storage_account_id(plane),
            "credential": {
                "credentialType": "SAS",
                "sasUri": plane.blobs.sas_url(container, hours=_UPLOAD_HOURS),
            },
        },
    }


def storage_account_id(plane: ControlPlane) -> str:
    """Return the ARM id of the storage account."""
    config = plane.config
    return (
        f"/subscriptions/{config.subscription_id}/resourceGroups/{config.resource_group}"
        f"/providers/Microsoft.Storage/storageAccounts/{plane.blobs.account}"
    )


def registry_uri(resource_id: str) -> str:
    """Return the id by which a registry's own answers name an asset.

    Examples
    --------
    >>> registry_uri("/subscriptions/s/resourceGroups/r/providers/P/registries/x/models/m/versions/1")
    'azureml://registries/x/models/m/versions/1'
    """
    return f"azureml://registries/{resource_id.split('/registries/', 1)[1]}"


def fill_container(body: dict[str, Any], versions: Iterable[Resource]) -> None:
    """Set the latest and the next version of a container."""
    properties = body["properties"]
    names = [version.name for version in versions]
    numbers = [int(name) for name in names if name.isdigit()]
    properties["tags"] = properties.get("tags") or {}
    properties["properties"] = properties.get("properties") or {}
    properties["isArchived"] = bool(properties.get("isArchived"))
    properties["latestVersion"] = names[-1] if names else None
    properties["nextVersion"] = str(max(numbers, default=0) + 1)
    properties["provisioningState"] = "Succeeded"


def _refuse_other_content(call: Call, new: dict[str, Any], old: dict[str, Any]) -> None:
    changed = sorted(
        key for key in new.keys() - _MUTABLE if new[key] not in (None, {}, []) and new[key] != old.get(key)
    )
    lost = [
        key
        for key, value in (old.get("properties") or {}).items()
        if key in (new.get("properties") or {}) and new["properties"][key] != value
    ]
    if changed or lost:
        fields = ", ".join([*changed, *(f"properties.{key}" for key in lost)])
        name, version = call.target.names[-2:]
        raise AzureError(
            409,
            "Conflict",
            f"Version {version} of '{name}' already exists and is immutable: {fields} cannot change. "
            "Register the new content under another version.",
            target=f"properties.{(changed or lost)[0]}",
        )

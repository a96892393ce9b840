"""Assets: code, environments, data, components, models; containers of immutable versions."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from azureml_local.arm import references
from azureml_local.arm.family import Answer, Call, Family
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

# What may change after a version exists (Azure ML: tags, description, archive state; properties grow).
_MUTABLE = {"description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting", "isAnonymous"}
_UPLOAD_HOURS = 12.0


class AssetContainers(Family):
    """``…/models`` and its like: what all versions of an asset share."""

    versions_kind: ClassVar[str]
    can_delete = True

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a change of the data type."""
        kind = body["properties"].get("dataType")
        if existing and kind and existing.properties.get("dataType") not in (None, kind):
            raise AzureError(
                400,
                "UserError",
                f"The data type of '{call.target.name}' is '{existing.properties['dataType']}' and cannot change.",
                target="properties.dataType",
            )

    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        fill_container(call, body, self.store.children(f"{call.target.id}/versions"))

    def list_(self, call: Call) -> Answer:
        """Hide the container of anonymous assets, as the service does."""
        return super().list_(call)

    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Leave out what only anonymous versions live in."""
        return [resource for resource in resources if resource.name != "azureml_anonymous"]


class AssetVersions(Family):
    """``…/models/versions`` and its like."""

    container_shape: ClassVar[str]
    can_delete = True
    # Where a body names other assets or data: field -> whether it must exist here.
    references_to: ClassVar[tuple[str, ...]] = ()
    name_pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
    name_rule = "a version begins with a letter or digit; letters, digits, '.', '-' and '_' follow"

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"startPendingUpload": self._start_pending_upload}

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse bad asset names, dangling references and other content under a version that exists."""
        self._check_asset_name(call.target.names[-2])
        if existing is None:
            for field in self.references_to:
                reference = body["properties"].get(field)
                if reference:
                    references.require(self.store, self.plane.config, reference, f"properties.{field}")
            return
        _refuse_other_content(call, body["properties"], existing.properties)

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

    def written(self, call: Call, resource: Resource, existing: Resource | None) -> Answer:
        """Make or refresh the container, which a client never creates by itself."""
        container_id = resource.id.rsplit("/", 2)[0]
        with self.store.transaction():
            container = self.store.get(container_id)
            body: dict[str, Any] = container.body if container else {"properties": {}}
            if "dataType" in resource.properties:
                body["properties"].setdefault("dataType", resource.properties["dataType"])
            fill_container(call, body, self.store.children(f"{container_id}/versions"))
            self.store.put(container_id, body)
        return super().written(call, resource, existing)

    def require_parent(self, call: Call) -> None:
        """Ask for the workspace or registry alone: the container appears with its first version."""
        root = call.target.id.split(f"/{call.target.kind.split('/')[1]}/")[0]
        self.store.require(root)

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

    def _check_asset_name(self, name: str) -> None:
        # Registry names are stricter in the published schema than what the service takes for workspaces.
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}", name):
            raise AzureError(
                400,
                "UserError",
                f"The asset name '{name}' is invalid: it begins with a letter or digit; letters, digits, '.', "
                "'-' and '_' follow, at most 255 in all.",
                target="name",
            )

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


def fill_container(call: Call, body: dict[str, Any], versions: Iterable[Resource]) -> None:
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
            f"Version {version} of '{name}' already exists and is immutable: {fields} cannot change. Register "
            "the new content under another version.",
            target=f"properties.{(changed or lost)[0]}",
        )


class CodeVersions(AssetVersions):
    """Code snapshots."""

    shape = "CodeVersion"
    container_shape = "CodeContainer"


class EnvironmentVersions(AssetVersions):
    """Environments: an image, a build context or a conda file."""

    shape = "EnvironmentVersion"
    container_shape = "EnvironmentContainer"

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse an environment without anything to build from."""
        super().check(call, body, existing)
        properties = body["properties"]
        if existing is None and not any(properties.get(key) for key in ("image", "build")):
            raise AzureError(
                400,
                "UserError",
                "An environment needs an image or a build context.",
                target="properties.image",
            )

    def fill_content(self, call: Call, properties: dict[str, Any]) -> None:
        """Set the origin."""
        properties["environmentType"] = "UserCreated"
        properties.setdefault("osType", "Linux")


class DataVersions(AssetVersions):
    """Data: a file, a folder or an MLTable."""

    shape = "DataVersionBase"
    container_shape = "DataContainer"

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a version whose type is not that of the versions before."""
        super().check(call, body, existing)
        container = self.store.get(call.target.id.rsplit("/", 2)[0])
        known = container.properties.get("dataType") if container else None
        given = body["properties"]["dataType"]
        if known and known != given:
            raise AzureError(
                400,
                "UserError",
                f"The data asset '{call.target.names[-2]}' holds '{known}'; a version of it cannot be '{given}'.",
                target="properties.dataType",
            )


class ComponentVersions(AssetVersions):
    """Components: what a pipeline node runs."""

    shape = "ComponentVersion"
    container_shape = "ComponentContainer"

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a component whose code or environment does not exist."""
        super().check(call, body, existing)
        specification = body["properties"].get("componentSpec")
        if not isinstance(specification, dict):
            raise AzureError(
                400, "UserError", "A component needs a specification.", target="properties.componentSpec"
            )
        for key in ("code", "environment"):
            reference = specification.get(key)
            if isinstance(reference, str) and "/" in reference and not reference.startswith(("http", "git")):
                references.require(
                    self.store, self.plane.config, reference, f"properties.componentSpec.{key}"
                )

    def fill_content(self, call: Call, properties: dict[str, Any]) -> None:
        """Name the component after its resource."""
        name, version = call.target.names[-2:]
        properties["componentSpec"] = properties["componentSpec"] | (
            {} if name == "azureml_anonymous" else {"name": name, "version": version}
        )


class ModelVersions(AssetVersions):
    """Models."""

    shape = "ModelVersion"
    container_shape = "ModelContainer"
    # Azure/azureml-examples#2725: models alone take no other versions.
    name_pattern = re.compile(r"[1-9][0-9]*")
    name_rule = "the version of a model is a positive integer"

    def fill_content(self, call: Call, properties: dict[str, Any]) -> None:
        """Set what a reader relies on."""
        properties["flavors"] = properties.get("flavors") or {}
        properties.setdefault("modelType", "custom_model")


_VERSIONS: dict[str, type[AssetVersions]] = {
    "codes": CodeVersions,
    "components": ComponentVersions,
    "data": DataVersions,
    "environments": EnvironmentVersions,
    "models": ModelVersions,
}


def families(plane: ControlPlane) -> list[Family]:
    """Return the asset types of workspaces and registries."""
    made: list[Family] = []
    for root in ("workspaces", "registries"):
        for plural, versions in _VERSIONS.items():
            kind = f"{root}/{plural}"
            container = type(
                f"{plural.title()}Containers",
                (AssetContainers,),
                {"kind": kind, "shape": versions.container_shape},
            )
            made += [
                container(plane),
                type(versions.__name__, (versions,), {"kind": f"{kind}/versions"})(plane),
            ]
    return made

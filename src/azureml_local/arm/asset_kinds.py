"""The five asset types, and what is special about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local.arm import names, references
from azureml_local.arm.assets import AssetContainers, AssetVersions
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.arm.family import Call, Family
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource


class CodeVersions(AssetVersions):
    """Code snapshots."""

    shape = "CodeVersion"
    container_shape = "CodeContainer"


class EnvironmentVersions(AssetVersions):
    """Environments: an image, a build context or a conda file."""

    shape = "EnvironmentVersion"
    container_shape = "EnvironmentContainer"

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse an environment without anything to build from."""
        super().check(call, body, existing)
        properties = body["properties"]
        if existing is None and not any(properties.get(key) for key in ("image", "build")):
            raise bad_request(
                "An environment needs an image or a build context.",
                target="properties.image",
            )

    @override
    def fill_content(self, call: Call, properties: dict[str, Any]) -> None:
        """Set the origin."""
        properties["environmentType"] = "UserCreated"
        properties.setdefault("osType", "Linux")


class DataVersions(AssetVersions):
    """Data: a file, a folder or an MLTable."""

    shape = "DataVersionBase"
    container_shape = "DataContainer"

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a version whose type is not that of the versions before."""
        super().check(call, body, existing)
        container = self.store.get(call.target.id.rsplit("/", 2)[0])
        known = container.properties.get("dataType") if container else None
        given = body["properties"]["dataType"]
        if known and known != given:
            raise bad_request(
                f"The data asset '{call.target.names[-2]}' holds '{known}'; a version of it cannot be "
                f"'{given}'.",
                target="properties.dataType",
            )


class ComponentVersions(AssetVersions):
    """Components: what a pipeline node runs."""

    shape = "ComponentVersion"
    container_shape = "ComponentContainer"

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a component whose code or environment does not exist."""
        super().check(call, body, existing)
        specification = body["properties"].get("componentSpec")
        if not isinstance(specification, dict):
            raise bad_request("A component needs a specification.", target="properties.componentSpec")
        for key in ("code", "environment"):
            reference = specification.get(key)
            if isinstance(reference, str) and "/" in reference and not reference.startswith(("http", "git")):
                references.require(
                    self.store, self.plane.config, reference, f"properties.componentSpec.{key}"
                )

    @override
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
    name_rule = names.MODEL_VERSION

    @override
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

"""What reaches Azure Resource Manager: bodies of requests, and a whole stack as a template.

The SDK has most resources flat; in Azure most properties are below ``properties``, sometimes again
inside nested objects, and some have other names. Tools that judge templates need Azure's form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.engine import masked
from infra.engine.azure_types import AzureType, azure_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.engine import ResourceState
    from infra.engine.property_path import Path

__all__ = ["to_body", "to_template"]

_SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_ENVELOPE_ONLY: Final = {"Microsoft.ManagedIdentity/userAssignedIdentities"}
# What stands beside `properties` in a nested object that has them.
_NESTED_ENVELOPE: Final = {
    "endpointType",
    "id",
    "inputSchemaMappingType",
    "location",
    "name",
    "sku",
    "tags",
    "type",
    "zones",
}


def to_body(resource: ResourceState) -> dict[str, Any]:
    """Return a resource as a template has it: type, name, version of the API, envelope, properties.

    Secrets are masked.
    """
    kind = azure_type(resource.type)
    inputs = masked(dict(resource.inputs))
    body: dict[str, Any] = {
        "type": kind.arm_type,
        "apiVersion": kind.api_version,
        "name": _template_name(kind, inputs),
    }
    if kind.parameters and "/resourceGroups/" not in kind.path and kind.path.startswith("{"):
        body["scope"] = inputs[kind.parameters[0]]
    properties: dict[str, Any] = {}
    for name, value in inputs.items():
        if name in kind.parameters:
            continue
        converted = _nested(kind, value, (name,))
        if name == "identity":
            body["identity"] = _identity(converted)
        elif name in kind.envelope or name == "properties":
            body[name] = converted
        else:
            _place(properties, kind.renamed.get(name, name), converted)
    properties = {**body.get("properties", {}), **properties}
    # Azure wants the key even where it has nothing to say, but for what is an envelope alone.
    return {**body, "properties": properties} if properties or kind.arm_type not in _ENVELOPE_ONLY else body


def to_template(resources: Iterable[ResourceState]) -> dict[str, Any]:
    """Return all resources of Azure as one template, for tools that read templates."""
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [
            to_body(one) for one in resources if one.type.startswith("azure-native:") and not one.external
        ],
    }


def _template_name(kind: AzureType, inputs: Mapping[str, Any]) -> str:
    """Return the names that the ID is made of, without the fixed ones and those of the scope."""
    relative = kind.path.rpartition("/providers/")[2] if "/providers/" in kind.path else kind.path
    segments = relative.split("/")[2::2] if "/providers/" in kind.path else [relative.rpartition("/")[2]]
    return "/".join(str(inputs.get(one.strip("{}"), one)) if "{" in one else one for one in segments)


def _nested(kind: AzureType, value: Any, path: Path) -> Any:
    if isinstance(value, list):
        return [_nested(kind, item, (*path, "*")) for item in value]
    if not isinstance(value, dict):
        return value
    # In a mapping from free keys to objects, a pattern has a star where the key is.
    found = {
        kind.spelled.get((*path, name), name): _nested(kind, item, _known(kind, path, name))
        for name, item in value.items()
    }
    if path not in kind.flattened:
        return found
    outside = {name: item for name, item in found.items() if name in _NESTED_ENVELOPE}
    inside = {name: item for name, item in found.items() if name not in _NESTED_ENVELOPE}
    return outside | ({"properties": inside} if inside else {})


def _known(kind: AzureType, path: Path, name: str) -> Path:
    starred = (*path, "*")
    return starred if starred in kind.flattened else (*path, name)


def _place(properties: dict[str, Any], target: str, value: Any) -> None:
    *outer, last = target.split(".")
    for name in outer:
        properties = properties.setdefault(name, {})
    properties[last] = value


def _identity(identity: Any) -> Any:
    """Return an identity as Azure has it: assigned identities as keys, where the SDK has a list."""
    assigned = identity.get("userAssignedIdentities") if isinstance(identity, dict) else None
    if not isinstance(assigned, list):
        return identity
    return {**identity, "userAssignedIdentities": {one: {} for one in assigned}}

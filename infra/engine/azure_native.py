"""The stand-in for the provider of Azure: names, IDs, computed outputs, and what forces a replacement.

It follows the rules of the real provider where they decide what a plan looks like: the name of a
resource that is given none, the location that it takes from its resource group, the comparison of
inputs alone, and that a resource with a name of its own is deleted before its replacement is made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from infra.engine.azure_outputs import Created, computed_outputs
from infra.engine.azure_types import AzureType, azure_type, azure_types
from infra.engine.errors import EngineError
from infra.engine.properties import UNKNOWN, Secret, Unknown, contains_unknown
from infra.engine.property_path import changes
from infra.engine.provider import Checked, Diff, generated_guid, random_name
from infra.engine.urn import parse_urn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.engine.state import ResourceState

__all__ = ["AzureNativeProvider"]

# Names that end up in URLs are random wherever they stand in the path; GUIDs where Azure wants them.
_ALWAYS_RANDOM: Final = {"endpointName", "customDomainName"}
_GUIDS: Final = {"roleAssignmentName", "roleDefinitionId"}
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUFFIX: Final = re.compile(r"[0-9a-f]{8}")


class AzureNativeProvider:
    """The resources of ``azure-native`` in one subscription."""

    def __init__(self, subscription_id: str, tenant_id: str, location: str | None) -> None:
        self._subscription_id = subscription_id
        self._tenant_id = tenant_id
        self._location = location
        self._group_locations: dict[Any, str] = {}

    def check(
        self,
        urn: str,
        type_token: str,
        inputs: dict[str, Any],
        old: ResourceState | None,
        *,
        replacing: bool = False,
    ) -> Checked:
        """Fill in the name and the location; refuse a resource whose ID cannot be made."""
        kind = azure_type(type_token)
        parameter = kind.name_parameter
        checked = dict(inputs)
        if parameter and not checked.get(parameter):
            previous = (old.inputs if old and not replacing else {}).get(parameter)
            seed = f"{urn} {old.id if old else ''}"
            checked[parameter] = previous or _default_name(kind, parse_urn(urn).name, seed)
        if kind.has_location and "location" not in checked:
            location = self._group_locations.get(checked.get("resourceGroupName"), self._location)
            checked |= {"location": location} if location else {}
        if kind.arm_type == "Microsoft.Resources/resourceGroups" and "location" in checked:
            self._group_locations[checked["resourceGroupName"]] = checked["location"]
        missing = [name for name in kind.parameters if checked.get(name) in (None, "")]
        return Checked(checked, tuple(f"the required property {name!r} is missing" for name in missing))

    def diff(self, old: ResourceState, inputs: Mapping[str, Any]) -> Diff:
        """Compare inputs; properties that are part of the ID or immutable force a replacement."""
        kind = azure_type(old.type)
        found = changes(old.inputs, inputs)
        reasons = {change.path: kind.replacement_reason(change.path) for change in found}
        forcing = {path: reason for path, reason in reasons.items() if reason}
        random = _is_random(kind) and _looks_generated(str(old.inputs.get(kind.name_parameter)), old.name)
        return Diff(found, forcing, delete_before_replace=bool(forcing) and not random)

    def create(self, type_token: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the ID that Azure Resource Manager would give, and the outputs programs build on."""
        del name
        kind = azure_type(type_token)
        resource_id = self._resource_id(kind, inputs)
        return resource_id, self._outputs(kind, resource_id, inputs)

    def planned_outputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs in the form of outputs: assigned identities as a map, unknown if one of them is."""
        identity = inputs.get("identity")
        if not isinstance(identity, dict) or not isinstance(identity.get("userAssignedIdentities"), list):
            return dict(inputs)
        assigned = identity["userAssignedIdentities"]
        known = UNKNOWN if contains_unknown(assigned) else dict.fromkeys(assigned, UNKNOWN)
        return {**inputs, "identity": {**identity, "userAssignedIdentities": known}}

    def stable_outputs(self) -> frozenset[str]:
        """Return what the real provider keeps known while it previews an update."""
        return frozenset({"name", "location"})

    def read(
        self, type_token: str, resource_id: str, inputs: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Return what an existing resource would answer; its ID carries all that it is named by."""
        return resource_id, self._outputs(azure_type(type_token), resource_id, inputs)

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer who is logged in, and what a resource that exists is called."""
        module, _, function = token.rpartition(":")
        if function in ("getClientConfig", "getClientToken"):
            client = generated_guid("client", self._subscription_id)
            return {
                "clientId": client,
                "objectId": client,
                "subscriptionId": self._subscription_id,
                "tenantId": self._tenant_id,
                **({"token": Secret("stand-in")} if function == "getClientToken" else {}),
            }
        name = function.removeprefix("get")
        resource_type = f"{module}:{name}"
        if function == name or resource_type not in azure_types():
            raise EngineError(
                f"There is no stand-in for the function {token}.",
                where="infra/engine/azure_native.py",
                next_step="read the value from the resource that the program declares",
            )
        kind = azure_type(resource_type)
        resource_id = self._resource_id(kind, arguments)
        return {"id": resource_id, **self._outputs(kind, resource_id, arguments)}

    def _resource_id(self, kind: AzureType, inputs: Mapping[str, Any]) -> str:
        values = {name: str(inputs[name]) for name in kind.parameters}
        path = kind.path.format(subscriptionId=self._subscription_id, **values)
        return path if path.startswith("/") else f"/{path}"

    def _outputs(self, kind: AzureType, resource_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = {name: value for name, value in inputs.items() if name not in kind.parameters}
        created = Created(resource_id, self._tenant_id, inputs)
        outputs |= {"name": created.name, "type": kind.arm_type, "azureApiVersion": kind.api_version}
        if isinstance(inputs.get("identity"), dict):
            outputs["identity"] = self._identity(resource_id, inputs["identity"])
        return outputs | computed_outputs(kind.arm_type, created)

    def _identity(self, resource_id: str, identity: Mapping[str, Any]) -> dict[str, Any]:
        result = {**identity, "tenantId": self._tenant_id}
        if "SystemAssigned" in str(identity.get("type")):
            result["principalId"] = generated_guid("principal", resource_id)
        assigned = identity.get("userAssignedIdentities")
        if isinstance(
            assigned, list
        ):  # a list of IDs on the way in, a map from ID to identity on the way out
            result["userAssignedIdentities"] = {
                one: {"principalId": generated_guid("principal", one), "clientId": generated_guid("app", one)}
                for one in assigned
                if not isinstance(one, Unknown)
            }
        return result


def _default_name(kind: AzureType, name: str, seed: str) -> str:
    if kind.name_parameter in _GUIDS:
        return generated_guid(seed)
    return random_name(name, seed) if _is_random(kind) else name


def _looks_generated(value: str, name: str) -> bool:
    rest = value.removeprefix(name)
    return bool(_GUID.fullmatch(value)) or (rest != value and bool(_SUFFIX.fullmatch(rest)))


def _is_random(kind: AzureType) -> bool:
    """Return whether a name that is left out gets a random part: for all but children of resources."""
    below_provider = kind.path.lower().rpartition("microsoft.")[2]
    top_level = "/providers/" not in kind.path or below_provider.count("{") == 1
    return top_level or kind.name_parameter in _ALWAYS_RANDOM | _GUIDS

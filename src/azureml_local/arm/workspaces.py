"""The workspace and what it comes with: datastores and computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local.arm import names
from azureml_local.arm.family import Answer, Call, Family
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

DEFAULT_DATASTORE = "workspaceblobstore"
ARTIFACT_DATASTORE = "workspaceartifactstore"
_SECRET_HOURS = 12.0


class Workspaces(Family):
    """``workspaces``: made when the instance is made; read-only after."""

    kind = "workspaces"

    @override
    def list_(self, call: Call) -> Answer:
        """Return the workspaces of the resource group."""
        return Answer(200, {"value": [resource.body for resource in self.store.children(call.target.id)]})


class Datastores(Family):
    """``workspaces/datastores``."""

    kind = "workspaces/datastores"
    shape = "Datastore"
    can_delete = True
    name_rule = names.DATASTORE

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"listSecrets": self._list_secrets}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse kinds and accounts that have no stand-in here."""
        properties = body["properties"]
        if properties["datastoreType"] != "AzureBlob":
            raise bad_request(
                f"Datastores of type '{properties['datastoreType']}' are not supported by the embedded "
                "control plane; it has blob storage alone.",
                target="properties.datastoreType",
            )
        if properties.get("accountName") != self.plane.blobs.account:
            raise bad_request(
                f"The storage account '{properties.get('accountName')}' was not found; there is "
                f"'{self.plane.blobs.account}'.",
                target="properties.accountName",
            )

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Keep the default flag and hide the secrets."""
        properties = body["properties"]
        properties["isDefault"] = bool(existing and existing.properties.get("isDefault"))
        properties["credentials"] = {"credentialsType": properties["credentials"]["credentialsType"]}
        self.plane.blobs.create_container(properties["containerName"])

    @override
    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Filter by ``isDefault`` and ``names``."""
        names = {name.strip() for name in call.query.get("names", "").split(",") if name.strip()}
        default = call.query.get("isdefault", "").lower() == "true"
        return [
            resource
            for resource in resources
            if (not default or resource.properties.get("isDefault")) and (not names or resource.name in names)
        ]

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep the default datastore."""
        if resource.properties.get("isDefault"):
            raise bad_request("The default datastore cannot be deleted.", target="name")

    def _list_secrets(self, call: Call) -> Answer:
        resource = self.store.require(call.target.id)
        token = self.plane.blobs.sas_token(resource.properties["containerName"], hours=_SECRET_HOURS)
        # An account key would do on Azure as well; a signature is what expirable secrets are.
        return Answer(200, {"secretsType": "Sas", "sasToken": token})


class Computes(Family):
    """``workspaces/computes``: from the configuration; read-only."""

    kind = "workspaces/computes"

    @override
    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Filter by type."""
        wanted = call.query.get("computetype", "").lower()
        return [r for r in resources if not wanted or r.properties["computeType"].lower() == wanted]

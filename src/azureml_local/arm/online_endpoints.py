"""``workspaces/onlineEndpoints``: address, credentials and the split of traffic."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local import shapes
from azureml_local.arm import names
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.arm.traffic import check_traffic
from azureml_local.errors import AzureError, bad_request
from azureml_local.identity import TOKEN_SECONDS

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource


class OnlineEndpoints(LongRunningFamily):
    """Online endpoints: address, credentials and the split of traffic."""

    kind = "workspaces/onlineEndpoints"
    shape = "OnlineEndpoint"
    patch_shape = "PartialMinimalTrackedResourceWithIdentity"
    can_delete = True
    # Azure ML, limits of online endpoints: 3-32 characters, letters, digits and hyphens.
    name_rule = names.ENDPOINT

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {
            "listKeys": self._list_keys,
            "regenerateKeys": self._regenerate_keys,
            "token": self._token,
        }

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse impossible traffic and a change of what cannot change."""
        properties = body["properties"]
        for workspace_id in self.plane.config.workspace_ids:
            taken = f"{workspace_id}/onlineEndpoints/{call.target.name}"
            if taken.lower() != call.target.id.lower() and self.store.get(taken) is not None:
                raise bad_request(
                    f"An endpoint '{call.target.name}' exists in another workspace of this region.",
                    target="name",
                )
        if existing is not None:
            for field in ("authMode", "compute"):
                old, new = existing.properties.get(field), properties.get(field)
                if new is not None and old is not None and new != old:
                    raise bad_request(
                        f"The {field} of endpoint '{call.target.name}' is '{old}' and cannot change to "
                        f"'{new}'.",
                        target=f"properties.{field}",
                    )
            location = existing.body["location"]
            if body["location"].lower() != location.lower():
                raise AzureError(
                    409,
                    "InvalidResourceLocation",
                    f"The resource '{call.target.name}' already exists in location '{location}'. A resource "
                    "with the same name cannot be created in another.",
                    target="location",
                )
        deployments = {r.name for r in self.store.children(f"{call.target.id}/deployments")}
        check_traffic(properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}, deployments)

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        properties = body["properties"]
        base = f"{self.plane.base_url}/endpoints/{call.target.name}"
        self._take_keys(call.target.id, properties.pop("keys", None))
        properties["scoringUri"] = f"{base}/score"
        properties["swaggerUri"] = f"{base}/swagger.json"
        properties["traffic"] = properties.get("traffic") or {}
        properties["mirrorTraffic"] = properties.get("mirrorTraffic") or {}
        properties["publicNetworkAccess"] = properties.get("publicNetworkAccess") or "Enabled"
        properties["properties"] = properties.get("properties") or {}
        body["tags"] = body.get("tags") or {}
        body.setdefault("kind", "Managed")
        body["identity"] = _identity(self.plane, body.get("identity"))

    @override
    async def create(self, resource_id: str) -> None:
        """Let the router see the endpoint as it is now."""
        await asyncio.to_thread(self.plane.endpoints.refresh, resource_id)

    @override
    async def remove(self, resource_id: str) -> None:
        """Take down the deployments with the endpoint."""
        for deployment in self.store.children(f"{resource_id}/deployments"):
            await self.plane.endpoints.remove(deployment.id)
        self.plane.endpoints.credentials.forget(resource_id)
        self.store.delete(resource_id)
        await asyncio.to_thread(self.plane.endpoints.refresh, resource_id)

    def _take_keys(self, endpoint_id: str, keys: dict[str, str] | None) -> None:
        # A caller may bring its own keys when it creates the endpoint; no answer shows them.
        if keys:
            self.plane.endpoints.credentials.set_keys(
                endpoint_id, primary=keys.get("primaryKey"), secondary=keys.get("secondaryKey")
            )

    def _list_keys(self, call: Call) -> Answer:
        endpoint = self.store.require(call.target.id)
        _require_mode(endpoint, "Key")
        keys = self.plane.endpoints.credentials.keys(endpoint.id)
        return Answer(200, {"primaryKey": keys.primary, "secondaryKey": keys.secondary})

    def _regenerate_keys(self, call: Call) -> Answer:
        endpoint = self.store.require(call.target.id)
        _require_mode(endpoint, "Key")
        body = shapes.read("RegenerateEndpointKeysRequest", call.body)
        self.plane.endpoints.credentials.regenerate(endpoint.id, body["keyType"], body.get("keyValue"))
        self.plane.endpoints.refresh(endpoint.id)
        return Answer(200)

    def _token(self, call: Call) -> Answer:
        endpoint = self.store.require(call.target.id)
        if endpoint.properties["authMode"] == "Key":
            raise _wrong_mode(endpoint, "tokens")
        if endpoint.properties["authMode"] == "AADToken":
            now = int(time.time())
            return Answer(
                200,
                {
                    "accessToken": self.plane.identity.issue(self.plane.base_url),
                    "tokenType": "Bearer",
                    "expiryTimeUtc": now + TOKEN_SECONDS,
                    "refreshAfterTimeUtc": now + TOKEN_SECONDS // 2,
                },
            )
        token = self.plane.endpoints.credentials.issue_token(endpoint.id)
        return Answer(
            200,
            {
                "accessToken": token.access_token,
                "tokenType": "Bearer",
                "expiryTimeUtc": token.expires_at,
                "refreshAfterTimeUtc": token.refresh_after,
            },
        )


def _identity(plane: ControlPlane, given: dict[str, Any] | None) -> dict[str, Any]:
    identity = dict(given or {"type": "SystemAssigned"})
    if "SystemAssigned" in identity.get("type", ""):
        identity["principalId"] = plane.identity.secret.client_id
        identity["tenantId"] = plane.config.tenant_id
    return identity


def _require_mode(endpoint: Resource, mode: str) -> None:
    if endpoint.properties["authMode"] != mode:
        raise _wrong_mode(endpoint, "keys")


def _wrong_mode(endpoint: Resource, what: str) -> AzureError:
    mode = endpoint.properties["authMode"]
    return bad_request(
        f"The endpoint '{endpoint.name}' has no {what}: its authentication mode is '{mode}'.", "authMode"
    )

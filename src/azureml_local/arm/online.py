"""``workspaces/onlineEndpoints`` and their deployments."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from azureml_local import shapes
from azureml_local.arm import references
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.arm.ranges import check_deployment
from azureml_local.errors import AzureError
from azureml_local.identity import TOKEN_SECONDS

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

MIRROR_LIMIT = 50


class OnlineEndpoints(LongRunningFamily):
    """Online endpoints: address, credentials and the split of traffic."""

    kind = "workspaces/onlineEndpoints"
    shape = "OnlineEndpoint"
    patch_shape = "PartialMinimalTrackedResourceWithIdentity"
    can_delete = True
    # Azure ML, limits of online endpoints: 3-32 characters, letters, digits and hyphens.
    name_pattern = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{1,30})[a-zA-Z0-9]")
    name_rule = "3 to 32 characters; it begins with a letter, letters, digits and '-' follow, and it does not end in '-'"

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {
            "listKeys": self._list_keys,
            "regenerateKeys": self._regenerate_keys,
            "token": self._token,
        }

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse impossible traffic and a change of what cannot change."""
        properties = body["properties"]
        if existing is not None:
            for field in ("authMode", "compute"):
                old, new = existing.properties.get(field), properties.get(field)
                if new is not None and old is not None and new != old:
                    raise AzureError(
                        400,
                        "UserError",
                        f"The {field} of endpoint '{call.target.name}' is '{old}' and cannot change to '{new}'.",
                        target=f"properties.{field}",
                    )
            if body.get("location", "").lower() != existing.body["location"].lower():
                raise AzureError(
                    409,
                    "InvalidResourceLocation",
                    f"The resource '{call.target.name}' already exists in location '{existing.body['location']}'. "
                    "A resource with the same name cannot be created in another.",
                    target="location",
                )
        deployments = {r.name for r in self.store.children(f"{call.target.id}/deployments")}
        check_traffic(properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}, deployments)

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

    async def create(self, resource_id: str) -> None:
        """Let the router see the endpoint as it is now."""
        await asyncio.to_thread(self.plane.endpoints.refresh, resource_id)

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


def check_traffic(traffic: dict[str, int], mirror: dict[str, int], deployments: set[str]) -> None:
    """Hold both splits to the service's rules.

    Live traffic names deployments that exist and sums to 0 or 100. Mirrored traffic goes to one deployment
    that exists, has no live traffic, and takes at most half (Azure ML, safe rollout, limitations of mirroring).
    """
    lower = {name.lower() for name in deployments}
    for field, split in (("traffic", traffic), ("mirrorTraffic", mirror)):
        for name, percent in split.items():
            target = f"properties.{field}.{name}"
            if name.lower() not in lower:
                known = ", ".join(sorted(deployments)) or "none"
                raise _bad(
                    f"The {field} names the deployment '{name}', which does not exist. Known: {known}.",
                    target,
                )
            if not 0 <= percent <= 100:
                raise _bad(f"The {field} of '{name}' is {percent}; expected 0 to 100.", target)
    total = sum(traffic.values())
    if total not in (0, 100):
        raise _bad(f"The traffic percentages sum to {total}; the sum must be 0 or 100.", "properties.traffic")
    _check_mirror(traffic, {name: percent for name, percent in mirror.items() if percent})


def _check_mirror(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    target = "properties.mirrorTraffic"
    if len(mirror) > 1:
        raise _bad(f"Traffic can be mirrored to one deployment; got {', '.join(mirror)}.", target)
    for name, percent in mirror.items():
        if percent > MIRROR_LIMIT:
            raise _bad(
                f"The mirrored percentage of '{name}' is {percent}; at most {MIRROR_LIMIT} is allowed.",
                target,
            )
        if traffic.get(name):
            raise _bad(
                f"'{name}' receives {traffic[name]} % of the live traffic and cannot receive a mirror.",
                target,
            )


class OnlineDeployments(LongRunningFamily):
    """Managed online deployments."""

    kind = "workspaces/onlineEndpoints/deployments"
    shape = "OnlineDeployment"
    patch_shape = "PartialMinimalTrackedResourceWithSku"
    can_delete = True
    name_pattern = OnlineEndpoints.name_pattern
    name_rule = OnlineEndpoints.name_rule

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"getLogs": self._get_logs, "skus": self._skus}

    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse values out of range and references to what does not exist."""
        properties = body["properties"]
        if properties["endpointComputeType"] != "Managed":
            raise _bad(
                f"Deployments on '{properties['endpointComputeType']}' are not supported by the embedded control plane.",
                "properties.endpointComputeType",
            )
        check_deployment(body)
        for field, reference in (
            ("model", properties.get("model")),
            ("environmentId", properties.get("environmentId")),
            ("codeConfiguration.codeId", (properties.get("codeConfiguration") or {}).get("codeId")),
        ):
            if reference:
                references.require(self.store, self.plane.config, reference, f"properties.{field}")
        for name, collection in ((properties.get("dataCollector") or {}).get("collections") or {}).items():
            if collection.get("dataId"):
                target = f"properties.dataCollector.collections.{name}.dataId"
                references.require(self.store, self.plane.config, collection["dataId"], target)

    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        properties = body["properties"]
        properties["scaleSettings"] = properties.get("scaleSettings") or {"scaleType": "Default"}
        properties["environmentVariables"] = properties.get("environmentVariables") or {}
        properties["properties"] = properties.get("properties") or {}
        properties["instanceType"] = properties.get("instanceType") or "Standard_F4s_v2"
        properties["appInsightsEnabled"] = bool(properties.get("appInsightsEnabled"))
        properties["egressPublicNetworkAccess"] = properties.get("egressPublicNetworkAccess") or "Enabled"
        body["sku"] = body.get("sku") or {"name": "Default", "capacity": 1}
        body["tags"] = body.get("tags") or {}
        body.setdefault("kind", "Managed")

    async def create(self, resource_id: str) -> None:
        """Start the server and wait until it is ready."""
        await self.plane.endpoints.deploy(resource_id)
        await asyncio.to_thread(self.plane.endpoints.refresh, endpoint_id(resource_id))

    async def remove(self, resource_id: str) -> None:
        """Stop the server."""
        await self.plane.endpoints.remove(resource_id)
        self.store.delete(resource_id)
        await asyncio.to_thread(self.plane.endpoints.refresh, endpoint_id(resource_id))

    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep a deployment that receives traffic."""
        endpoint = self.store.require(endpoint_id(resource.id))
        for field in ("traffic", "mirrorTraffic"):
            percent = endpoint.properties.get(field, {}).get(resource.name)
            if percent:
                raise _bad(
                    f"The deployment '{resource.name}' receives {percent} % of the endpoint's {field}; "
                    "set it to 0 before you delete the deployment.",
                    f"properties.{field}.{resource.name}",
                )

    def deleted(self, call: Call, resource: Resource) -> Answer:
        """Take the deployment out of the endpoint's splits, then begin to delete it."""

        def forget(body: dict[str, Any]) -> None:
            for field in ("traffic", "mirrorTraffic"):
                body["properties"].get(field, {}).pop(resource.name, None)

        self.store.update(endpoint_id(resource.id), forget)
        return super().deleted(call, resource)

    def _get_logs(self, call: Call) -> Answer:
        resource = self.store.require(call.target.id)
        body = shapes.read("DeploymentLogsRequest", call.body or {})
        container = {"StorageInitializer": "storage-initializer", "InferenceServer": "inference-server"}
        kind = container.get(body.get("containerType") or "InferenceServer", "inference-server")
        return Answer(
            200, {"content": self.plane.endpoints.logs(resource.id, body.get("tail") or 5000, kind)}
        )

    def _skus(self, call: Call) -> Answer:
        self.store.require(call.target.id)
        sku = {
            "resourceType": "Microsoft.MachineLearning.Services/endpoints/deployments",
            "sku": {"name": "Default"},
            "capacity": {"minimum": 1, "maximum": 20, "default": 1, "scaleType": "Manual"},
        }
        return Answer(200, {"value": [sku]})


def endpoint_id(deployment_id: str) -> str:
    """Return the id of the endpoint that a deployment belongs to."""
    return deployment_id.rsplit("/", 2)[0]


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
    return _bad(
        f"The endpoint '{endpoint.name}' has no {what}: its authentication mode is '{mode}'.", "authMode"
    )


def _bad(message: str, target: str) -> AzureError:
    return AzureError(400, "BadRequest", message, target=target)

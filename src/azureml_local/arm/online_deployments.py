"""``workspaces/onlineEndpoints/deployments``: managed online deployments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local import shapes
from azureml_local.arm import names, references
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.arm.ranges import check_deployment
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource


class OnlineDeployments(LongRunningFamily):
    """Managed online deployments."""

    kind = "workspaces/onlineEndpoints/deployments"
    shape = "OnlineDeployment"
    patch_shape = "PartialMinimalTrackedResourceWithSku"
    can_delete = True
    name_rule = names.ENDPOINT

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"getLogs": self._get_logs, "skus": self._skus}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse values out of range and references to what does not exist."""
        properties = body["properties"]
        if properties["endpointComputeType"] != "Managed":
            raise bad_request(
                f"Deployments on '{properties['endpointComputeType']}' are not supported by the embedded "
                "control plane.",
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

    @override
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

    @override
    async def create(self, resource_id: str) -> None:
        """Start the server and wait until it is ready."""
        await self.plane.endpoints.deploy(resource_id)
        await asyncio.to_thread(self.plane.endpoints.refresh, endpoint_id(resource_id))

    @override
    async def remove(self, resource_id: str) -> None:
        """Stop the server."""
        await self.plane.endpoints.remove(resource_id)
        self.store.delete(resource_id)
        await asyncio.to_thread(self.plane.endpoints.refresh, endpoint_id(resource_id))

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep a deployment that receives traffic."""
        endpoint = self.store.require(endpoint_id(resource.id))
        for field in ("traffic", "mirrorTraffic"):
            percent = endpoint.properties.get(field, {}).get(resource.name)
            if percent:
                raise bad_request(
                    f"The deployment '{resource.name}' receives {percent} % of the endpoint's {field}; "
                    "set it to 0 before you delete the deployment.",
                    f"properties.{field}.{resource.name}",
                )

    @override
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

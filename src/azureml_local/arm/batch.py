"""``workspaces/batchEndpoints`` and their deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local.arm import names, references
from azureml_local.arm.batch_invocations import invocations
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.arm.online_deployments import endpoint_id
from azureml_local.arm.ranges import check_batch_deployment
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource


class BatchEndpoints(LongRunningFamily):
    """Batch endpoints: a stable name in front of batch deployments."""

    kind = "workspaces/batchEndpoints"
    shape = "BatchEndpoint"
    patch_shape = "PartialMinimalTrackedResourceWithIdentity"
    can_delete = True
    name_rule = names.ENDPOINT

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"listKeys": self._list_keys, "jobs": self._jobs}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse a default deployment that does not exist."""
        name = (body["properties"].get("defaults") or {}).get("deploymentName")
        if name and self.store.get(f"{call.target.id}/deployments/{name}") is None:
            raise bad_request(
                f"The default deployment '{name}' does not exist.",
                target="properties.defaults.deploymentName",
            )

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        properties = body["properties"]
        properties.pop("keys", None)
        properties["defaults"] = properties.get("defaults") or {"deploymentName": None}
        properties["scoringUri"] = f"{self.plane.base_url}/batch/{call.target.name}/jobs"
        properties["properties"] = properties.get("properties") or {}
        body["tags"] = body.get("tags") or {}

    def _list_keys(self, call: Call) -> Answer:
        self.store.require(call.target.id)
        # Batch endpoints authenticate with Microsoft Entra tokens alone.
        raise bad_request("Batch endpoints have no keys.", target="authMode")

    def _jobs(self, call: Call) -> Answer:
        return Answer(200, {"value": invocations(self.plane, self.store.require(call.target.id))})


class BatchDeployments(LongRunningFamily):
    """Batch deployments: a model or pipeline component with its compute."""

    kind = "workspaces/batchEndpoints/deployments"
    shape = "BatchDeployment"
    patch_shape = "PartialBatchDeploymentPartialMinimalTrackedResourceWithProperties"
    can_delete = True
    name_rule = names.ENDPOINT

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse values out of range and references to what does not exist."""
        check_batch_deployment(body)
        properties = body["properties"]
        for field, reference in (
            ("model.assetId", (properties.get("model") or {}).get("assetId")),
            ("environmentId", properties.get("environmentId")),
            ("compute", properties.get("compute")),
            ("codeConfiguration.codeId", (properties.get("codeConfiguration") or {}).get("codeId")),
        ):
            if reference:
                references.require(self.store, self.plane.config, reference, f"properties.{field}")

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        properties = body["properties"]
        properties["properties"] = properties.get("properties") or {}
        properties["environmentVariables"] = properties.get("environmentVariables") or {}
        body["tags"] = body.get("tags") or {}

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep the deployment that invocations go to by default."""
        endpoint = self.store.require(endpoint_id(resource.id))
        if (endpoint.properties.get("defaults") or {}).get("deploymentName") == resource.name:
            raise bad_request(
                f"'{resource.name}' is the default deployment of the endpoint; choose another one first.",
                target="properties.defaults.deploymentName",
            )

"""Run history and discovery: what the SDK asks for when it streams a job, lists its children or downloads."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from azureml_local.arm.references import long_datastore_uri
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

_WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
_RUN_TYPES = {"Command": "azureml.scriptrun", "Pipeline": "azureml.PipelineRun"}
_MODEL_TYPES = {"custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"}
_CHANGES = {"hidden": "isArchived", "displayName": "displayName", "description": "description"}


class RunHistory:
    """Read-only views of the job resources."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def add_routes(self, application: web.Application) -> None:
        """Serve the paths of the run history, data set and model services that the SDK uses."""
        router = application.router
        for prefix in ("/history/v1.0", "/history/v1.0/mferp"):
            runs = f"{prefix}{_WORKSPACE}/runs/{{run}}"
            router.add_get(runs, self._json(self._run))
            router.add_get(f"{runs}/details", self._json(self._details))
            router.add_get(f"{runs}/children", self._json(self._children))
        run = f"/history/v1.0{_WORKSPACE}/experiments/{{experiment}}/runs/{{run}}"
        router.add_patch(run, self._json(self._change))
        router.add_post(f"/history/v1.0{_WORKSPACE}/rundata", self._json(self._run_data))
        router.add_post(
            f"/data/v1.0{_WORKSPACE}/dataversion/batchGetResolvedUris", self._json(self._data_uris)
        )
        router.add_post(
            f"/modelregistry/v1.0{_WORKSPACE}/models/batchGetResolvedUris", self._json(self._model_uris)
        )
        router.add_get("/joblogs/{run}/{name:.+}", self._log)
        router.add_get(f"/discovery{_WORKSPACE}", self._discovery)
        router.add_get("/registrymanagement/v1.0/registries/{registry}/discovery", self._registry)

    def _json(self, view: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            body = await request.json() if request.can_read_body else {}
            return web.json_response(await asyncio.to_thread(view, request, body))

        return handle

    def _job(self, request: web.Request, name: str | None = None) -> Resource:
        info = request.match_info
        run = name or info["run"]
        workspace = (
            f"/subscriptions/{info['subscription']}/resourceGroups/{info['group']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{info['workspace']}"
        )
        self._plane.store.require(workspace)
        found = self._plane.store.get(f"{workspace}/jobs/{run}")
        if found is None:
            raise AzureError(404, "UserError", f"Run {run} was not found.")
        return found

    def _run(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        return _run_of(self._job(request))

    def _details(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request)
        names = self._plane.jobs.log_files(job.id)
        return _run_of(job) | {
            "logFiles": {name: self._log_url(job.name, name) for name in sorted(names)},
            "runDefinition": {},
        }

    def _children(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        parent = self._job(request)
        jobs = self._plane.store.children(parent.id.rsplit("/", 1)[0])
        return {"value": [_run_of(job) for job in jobs if _parent(job) == parent.name]}

    def _change(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        # The SDK hides and shows a run here before it puts the job resource itself.
        changes = {name: body[key] for key, name in _CHANGES.items() if body.get(key) is not None}
        job = self._plane.store.update(self._job(request).id, lambda job: job["properties"].update(changes))
        return _run_of(job)

    def _run_data(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request, str(body.get("runId")))
        return {"runMetadata": _run_of(job), "runDefinition": None, "jobSpecification": None}

    def _data_uris(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"values": self._uris(request, body, lambda output: {"uri": output["uri"]})}

    def _model_uris(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"values": self._uris(request, body, lambda output: {"path": output["uri"]})}

    def _uris(self, request: web.Request, body: dict[str, Any], shape: Any) -> dict[str, Any]:
        values = {}
        for asset_id in body.get("values") or []:
            _, _, _, job_name, output_name = str(asset_id).removeprefix("azureml:").split("/", 4)
            output = (self._job(request, job_name).properties.get("outputs") or {}).get(output_name)
            if output:
                values[asset_id] = shape(
                    output | {"uri": long_datastore_uri(output["uri"], self._plane.config.workspace_id)}
                )
        return values

    def _log_url(self, run: str, name: str) -> str:
        return f"{self._plane.base_url}/joblogs/{run}/{quote(name)}?sig={self._signature(run, name)}"

    def _signature(self, run: str, name: str) -> str:
        key = self._plane.identity.secret.signing_key.encode()
        return hmac.new(key, f"log {run} {name}".encode(), hashlib.sha256).hexdigest()

    async def _log(self, request: web.Request) -> web.StreamResponse:
        # The SDK fetches logs without a token, as it fetches blobs by signature on Azure.
        run, name = request.match_info["run"], request.match_info["name"]
        if not hmac.compare_digest(self._signature(run, name), request.query.get("sig", "")):
            raise AzureError(403, "AuthenticationFailed", "The signature of the log's address is not valid.")
        job_id = f"{self._plane.config.workspace_id}/jobs/{run}"
        path = (await asyncio.to_thread(self._plane.jobs.log_files, job_id)).get(name)
        if path is None or not path.is_file():
            raise AzureError(404, "UserError", f"The log '{name}' of run '{run}' was not found.")
        # Whole and at once: the file grows while it is read, and a response must keep its announced length.
        text = await asyncio.to_thread(path.read_text, encoding="utf-8", errors="replace")
        return web.Response(text=text)

    async def _discovery(self, _request: web.Request) -> web.Response:
        base = self._plane.base_url
        services = ("api", "history", "experimentation", "modelmanagement", "catalog", "hyperdrive", "studio")
        return web.json_response(dict.fromkeys(services, base))

    async def _registry(self, request: web.Request) -> web.Response:
        config, name = self._plane.config, request.match_info["registry"]
        root = config.registry_id.rsplit("/", 1)[0]
        registry = await asyncio.to_thread(self._plane.store.get, f"{root}/{name}")
        if registry is None:
            raise AzureError(404, "RegistryNotFound", f"The registry '{name}' was not found.")
        base = self._plane.base_url
        return web.json_response(
            {
                "registryName": registry.name,
                "primaryRegion": config.location,
                "primaryRegionResourceProviderUri": f"{base}/",
                "registryFqdns": {config.location: {"registryFqdn": base}},
                "resourceGroup": config.resource_group,
                "subscriptionId": config.subscription_id,
            }
        )


def _parent(job: Resource) -> str | None:
    properties = job.properties
    parent = properties.get("parentJobName") or (properties.get("properties") or {}).get(
        "azureml.parentRunId"
    )
    return str(parent) if parent else None


def _run_of(job: Resource) -> dict[str, Any]:
    properties = job.properties
    outputs = {
        name: {
            "assetId": f"azureml://jobs/{job.name}/{name}",
            "type": _MODEL_TYPES.get(output["jobOutputType"], output["jobOutputType"]),
        }
        for name, output in (properties.get("outputs") or {}).items()
        if output and output.get("uri")
    }
    error = properties.get("error")
    return {
        "runId": job.name,
        "rootRunId": _parent(job) or job.name,
        "parentRunId": _parent(job),
        "displayName": properties.get("displayName"),
        "status": properties["status"],
        "runType": _RUN_TYPES.get(properties["jobType"], properties["jobType"]),
        "experimentId": properties.get("experimentName"),
        "createdUtc": job.created_at,
        "startTimeUtc": properties.get("startTimeUtc"),
        "endTimeUtc": properties.get("endTimeUtc"),
        "properties": properties.get("properties") or {},
        "tags": properties.get("tags") or {},
        "description": properties.get("description"),
        "outputs": outputs,
        "error": {"error": error} if error else None,
        "warnings": [],
    }

"""Invoking batch endpoints: an address of its own that starts jobs, and their list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from azureml_local.errors import AzureError, bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

# Tag by which an invocation finds its endpoint again.
_ENDPOINT_TAG = "azureml.batchendpoint"
# This service's version of 2020 writes the types of inputs in its own way.
_INPUT_TYPES = {"UriFile": "uri_file", "UriFolder": "uri_folder", "MLTable": "mltable"}


class BatchInvocations:
    """What the scoring address of a batch endpoint answers; the gate has verified the token."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def add_routes(self, application: web.Application) -> None:
        """Serve ``/batch/<endpoint>/jobs``."""
        application.router.add_post("/batch/{endpoint}/jobs", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        deployment = request.headers.get("azureml-model-deployment")
        job = await asyncio.to_thread(self.invoke, request.match_info["endpoint"], deployment, body)
        return web.json_response(presented(job), status=201)

    def invoke(self, endpoint_name: str, deployment_name: str | None, body: dict[str, Any]) -> Resource:
        """Start a job.

        Parameters
        ----------
        endpoint_name
            Name of the batch endpoint.
        deployment_name
            Deployment to run, or None for the default one.
        body
            ``{"properties": {"inputData": {name: {"jobInputType", "uri"}}, "outputData": …}}``.

        Raises
        ------
        AzureError
            There is no such endpoint or deployment, or the input is not one.
        """
        store, config = self._plane.store, self._plane.config
        endpoint = store.require(f"{config.workspace_id}/batchEndpoints/{endpoint_name}")
        name = deployment_name or (endpoint.properties.get("defaults") or {}).get("deploymentName")
        if not name:
            raise bad_request(f"The batch endpoint '{endpoint.name}' has no default deployment.", "defaults")
        deployment = store.get(f"{endpoint.id}/deployments/{name}")
        if deployment is None:
            raise AzureError(
                404,
                "ResourceNotFound",
                f"The deployment '{name}' of endpoint '{endpoint.name}' was not found.",
            )
        given = body.get("properties") or {}
        outputs = list((given.get("outputData") or {}).values())
        job = self._plane.jobs.invoke_batch(
            deployment.id,
            {key: _input(value) for key, value in (given.get("inputData") or {}).items()},
            output_uri=outputs[0].get("uri") if outputs else None,
        )
        return store.update(
            job.id, lambda stored: stored["properties"]["tags"].update({_ENDPOINT_TAG: endpoint.name})
        )


def _input(given: dict[str, Any]) -> dict[str, Any]:
    kind = str(given.get("jobInputType"))
    return given | {"jobInputType": _INPUT_TYPES.get(kind, kind)}


def invocations(plane: ControlPlane, endpoint: Resource) -> list[dict[str, Any]]:
    """Return the jobs that an endpoint started, newest first."""
    jobs = plane.store.children(f"{plane.config.workspace_id}/jobs")
    return [
        presented(job) for job in reversed(jobs) if job.properties["tags"].get(_ENDPOINT_TAG) == endpoint.name
    ]


def presented(job: Resource) -> dict[str, Any]:
    """Return the part of a job that the batch service shows."""
    return {
        "id": job.id,
        "name": job.name,
        "type": job.body["type"],
        "properties": {"status": job.properties["status"], "tags": job.properties["tags"]},
    }

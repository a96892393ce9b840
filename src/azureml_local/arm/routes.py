"""The one door to Azure Resource Manager: parses the path, checks the api-version, finds the family."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from azureml_local import api_versions
from azureml_local.arm import (
    asset_kinds,
    batch,
    jobs,
    online_deployments,
    online_endpoints,
    registries,
    schedules,
    target,
    workspaces,
)
from azureml_local.arm.family import Answer, Call, Family
from azureml_local.errors import AzureError, bad_request
from azureml_local.store import PROVIDER

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane

_OPERATION = re.compile(
    rf"/subscriptions/[^/]+/providers/{re.escape(PROVIDER)}/locations/[^/]+"
    r"/(?P<view>mfeOperationsStatus|mfeOperationResults)/(?P<id>[^/]+)",
    re.IGNORECASE,
)
_JSON_LIMIT = 16 * 1024 * 1024
# A further workspace holds assets and online endpoints: what runs jobs finds everything in the first one.
_FIRST_WORKSPACE_ALONE = frozenset(
    {
        "workspaces/jobs",
        "workspaces/schedules",
        "workspaces/batchEndpoints",
        "workspaces/batchEndpoints/deployments",
    }
)
_FAMILIES = (
    workspaces.Workspaces,
    workspaces.Datastores,
    workspaces.Computes,
    jobs.Jobs,
    online_endpoints.OnlineEndpoints,
    online_deployments.OnlineDeployments,
    batch.BatchEndpoints,
    batch.BatchDeployments,
    schedules.Schedules,
    registries.Registries,
)


class ResourceManager:
    """Routes every ARM request to the family of its resource type."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        made: list[Family] = [family(plane) for family in _FAMILIES]
        made += asset_kinds.families(plane)
        self._references = registries.DataReferences(plane)
        self._families = {family.kind: family for family in made}
        self._actions = sorted({action for family in made for action in family.actions})

    def add_routes(self, application: web.Application) -> None:
        """Serve ARM and the registries' own address for the same resources."""
        application.router.add_route("*", "/subscriptions/{tail:.*}", self._handle)
        application.router.add_route("*", f"{target.REGISTRY_DATA_PLANE}/{{tail:.*}}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        raw = await request.content.read(_JSON_LIMIT + 1)
        while len(raw) <= _JSON_LIMIT and not request.content.at_eof():
            raw += await request.content.read(_JSON_LIMIT)
        if len(raw) > _JSON_LIMIT:
            raise AzureError(413, "RequestContentTooLarge", "The request content exceeds the limit of 16 MB.")
        answer = await asyncio.to_thread(self._answer, request, raw)
        return _response(answer)

    def _answer(self, request: web.Request, raw: bytes) -> Answer:
        path = request.path.rstrip("/")
        query = {name.lower(): value for name, value in request.query.items()}
        operation = _OPERATION.fullmatch(path)
        if operation:
            api_versions.check(query.get("api-version"), "workspaces", location=self._plane.config.location)
            return self._operation(operation["view"], operation["id"], path)
        reference = self._references.path.fullmatch(path.removeprefix(target.REGISTRY_DATA_PLANE))
        if reference:
            return self._references.handle(reference, _parsed(raw) or {})
        found = target.parse(path, self._families, self._actions)
        api_versions.check(
            query.get("api-version"),
            found.kind,
            location=self._plane.config.location,
            data_plane=found.data_plane,
        )
        self._require_scope(found)
        call = Call(
            method=request.method,
            target=found,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=_parsed(raw),
            url=f"{self._plane.base_url}{request.path}",
        )
        return self._families[found.kind].handle(call)

    def _require_scope(self, found: target.Target) -> None:
        config = self._plane.config
        if found.subscription_id.lower() != config.subscription_id.lower():
            raise AzureError(
                404, "SubscriptionNotFound", f"The subscription '{found.subscription_id}' could not be found."
            )
        groups = {each.split("/")[4].lower() for each in config.workspace_ids}
        if found.resource_group.lower() not in groups:
            raise AzureError(
                404, "ResourceGroupNotFound", f"Resource group '{found.resource_group}' could not be found."
            )
        below_root = found.kind.count("/") > 0
        if below_root:
            root = self._plane.store.require("/".join(found.id.split("/")[:9])).id
            if found.kind in _FIRST_WORKSPACE_ALONE and root.lower() != config.workspace_id.lower():
                raise bad_request(
                    f"'{found.kind}' are supported in this instance's workspace '{config.workspace}' alone."
                )

    def _operation(self, view: str, operation_id: str, path: str) -> Answer:
        operation = self._plane.operations.require(operation_id)
        headers = {"x-ms-retry-after-ms": "100"}
        if view.lower() == "mfeoperationsstatus":
            return Answer(200, operation.body(path), headers)
        if operation.status == "InProgress":
            return Answer(202, None, headers | {"Location": f"{self._plane.base_url}{path}"})
        if operation.error is not None:
            error = operation.error
            raise AzureError(
                409, error["code"], error["message"], target=error["target"], details=error["details"]
            )
        resource = self._plane.store.get(operation.resource_id)
        if resource is None:
            return Answer(204)
        return Answer(200, self._families[operation.kind].present(resource))


def _parsed(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        raise AzureError(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: '{error}'.",
        ) from error


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)

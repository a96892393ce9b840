"""``workspaces/jobs``: what the SDK sends as a command or pipeline job, handed to the job service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from azureml_local.arm import names
from azureml_local.arm.family import Answer, Call, Family
from azureml_local.arm.ranges import check_job
from azureml_local.errors import AzureError, bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

TERMINAL = {"Completed", "Failed", "Canceled", "NotResponding"}
_RUNNABLE = {"Command", "Pipeline"}
# What a PUT on a job that exists may change.
_MUTABLE = {
    "description",
    "displayName",
    "tags",
    "properties",
    "isArchived",
    "services",
    "notificationSetting",
}
_SERVER = {"status", "outputs", "parentJobName"}


class Jobs(Family):
    """Jobs."""

    kind = "workspaces/jobs"
    shape = "JobBase"
    can_delete = True
    name_rule = names.RESOURCE

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.actions = {"cancel": self._cancel}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse what does not run here, what cannot change, and what the job service refuses."""
        properties = body["properties"]
        if properties["jobType"] not in _RUNNABLE:
            raise bad_request(
                f"Jobs of type '{properties['jobType']}' do not run on the embedded control plane; command "
                "and pipeline jobs do.",
                target="properties.jobType",
            )
        if existing is not None:
            _refuse_changes(call, properties, existing.properties)
            return
        check_job(body)
        self.plane.jobs.check(call.target.id, body)

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets, and keep what it set before."""
        if existing is not None:
            changes = {key: value for key, value in body["properties"].items() if key in _MUTABLE}
            body["properties"] = existing.properties | changes
            return
        properties = body["properties"]
        name = call.target.name
        properties["status"] = "NotStarted"
        properties["tags"] = properties.get("tags") or {}
        properties["properties"] = properties.get("properties") or {}
        properties["displayName"] = properties.get("displayName") or name
        properties["experimentName"] = properties.get("experimentName") or "Default"
        properties["isArchived"] = bool(properties.get("isArchived"))
        properties["services"] = {
            "Tracking": _service("Tracking", f"{self.plane.base_url}/mlflow/v1.0{call.target.parent_id}?"),
            "Studio": _service("Studio", f"{self.plane.base_url}/studio/runs/{name}"),
            **(properties.get("services") or {}),
        }

    @override
    def written(self, call: Call, resource: Resource, existing: Resource | None) -> Answer:
        """Hand a new job to the job service."""
        if existing is None:
            self.plane.jobs.submit(resource.id)
        return super().written(call, resource, existing)

    @override
    def chosen(self, call: Call, resources: list[Resource]) -> list[Resource]:
        """Filter by type and tag; the children of pipelines are listed by run history alone."""
        kind, tag = call.query.get("jobtype", "").lower(), call.query.get("tag")
        newest_first = [
            resource
            for resource in reversed(resources)
            if not resource.properties.get("parentJobName")
            and (not kind or resource.properties["jobType"].lower() == kind)
            and (tag is None or _tagged(resource, tag))
        ]
        scheduled = call.query.get("scheduleid")
        if scheduled is None:
            return newest_first
        return [r for r in newest_first if r.properties["properties"].get("ScheduleId") == scheduled]

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep a job that has not ended."""
        if resource.properties["status"] not in TERMINAL:
            raise AzureError(
                409,
                "Conflict",
                f"The job '{resource.name}' is '{resource.properties['status']}': cancel it first.",
            )

    def _cancel(self, call: Call) -> Answer:
        resource = self.store.require(call.target.id)
        if resource.properties["status"] in TERMINAL:
            raise bad_request(
                f"The job '{resource.name}' is in the terminal state '{resource.properties['status']}' and "
                "cannot be canceled.",
            )
        self.plane.jobs.cancel(resource.id)
        return Answer(200)


def _service(kind: str, endpoint: str) -> dict[str, Any]:
    return {"jobServiceType": kind, "endpoint": endpoint, "port": None, "status": None, "errorMessage": None}


def _tagged(resource: Resource, tag: str) -> bool:
    name, separator, value = tag.partition("=")
    tags = resource.properties["tags"]
    return name in tags and (not separator or tags[name] == value)


def _refuse_changes(call: Call, new: dict[str, Any], old: dict[str, Any]) -> None:
    changed = sorted(
        key
        for key in new.keys() - _MUTABLE - _SERVER
        if new[key] not in (None, {}, []) and new[key] != old.get(key)
    )
    if changed:
        raise AzureError(
            409,
            "Conflict",
            f"A job named '{call.target.name}' already exists and its {', '.join(changed)} cannot change; "
            "only description, displayName, tags and isArchived can. Use another name for a new job.",
            target=f"properties.{changed[0]}",
        )

"""``workspaces/schedules``: job schedules and monitors, kept and checked; nothing fires by itself here."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from typing_extensions import override

from azureml_local import shapes
from azureml_local.arm import listing, names, references
from azureml_local.arm.family import Answer, Call, LongRunningFamily
from azureml_local.arm.jobs import Jobs
from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from azureml_local.plane import ControlPlane
    from azureml_local.store import Resource

# NCrontab's five fields with their bounds (Azure ML, cron expressions of schedules).
_CRON = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_CRON_PART = re.compile(r"(\*|\d+(-\d+)?)(/\d+)?")
_VIEWS = {"enabledonly": True, "disabledonly": False, "all": None}
# Azure ML, recurrence triggers: the interval is at least 1.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Schedules(LongRunningFamily):
    """Schedules."""

    kind = "workspaces/schedules"
    shape = "Schedule"
    can_delete = True
    name_rule = names.RESOURCE

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._jobs = Jobs(plane)
        self.actions = {"trigger": self._trigger}

    @override
    def check(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Refuse bad triggers and monitors of what does not exist."""
        problems: list[shapes.Problem] = []
        properties = body["properties"]
        _check_trigger(properties["trigger"], problems)
        action = properties["action"]
        if action["actionType"] == "CreateMonitor":
            self._check_monitor(action["monitorDefinition"], problems)
        if problems:
            raise shapes.invalid(problems)

    @override
    def fill(self, call: Call, body: dict[str, Any], existing: Resource | None) -> None:
        """Set what the server sets."""
        properties = body["properties"]
        old = existing.properties if existing else {}
        enabled = properties.get("isEnabled", old.get("isEnabled", True))
        properties["isEnabled"] = enabled is None or bool(enabled)
        properties["tags"] = properties.get("tags") or {}
        properties["properties"] = properties.get("properties") or {}

    @override
    def refuse_delete(self, call: Call, resource: Resource) -> None:
        """Keep a schedule that is enabled (Azure ML, schedule pipeline jobs)."""
        if resource.properties["isEnabled"]:
            raise bad_request(f"The schedule '{resource.name}' is enabled: disable it before you delete it.")

    @override
    def list_(self, call: Call) -> Answer:
        """Filter by what is enabled; schedules have a view of their own and no archive."""
        view = call.query.get("listviewtype", "All")
        if view.lower() not in _VIEWS:
            raise bad_request(f"The value '{view}' is not valid for ListViewType.", target="listViewType")
        wanted = _VIEWS[view.lower()]
        schedules = self.store.children(call.target.id)
        chosen = [r for r in schedules if wanted is None or r.properties["isEnabled"] is wanted]
        query = {name: value for name, value in call.query.items() if name != "listviewtype"}
        return Answer(200, listing.page(chosen, query, call.url, self.present))

    def _trigger(self, call: Call) -> Answer:
        """Run a job schedule now, as its trigger would."""
        schedule = self.store.require(call.target.id)
        action = schedule.properties["action"]
        if action["actionType"] != "CreateJob":
            raise bad_request(
                f"The schedule '{schedule.name}' is a monitor; monitors do not run on the embedded control "
                "plane.",
                "properties.action",
            )
        name = f"{schedule.name}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
        definition = action["jobDefinition"]
        properties = {**(definition.get("properties") or {}), "ScheduleId": schedule.name}
        job = replace(
            call.target,
            id=f"{call.target.parent_id}/jobs/{name}",
            kind=Jobs.kind,
            names=(call.target.names[0], name),
            name=name,
            action="",
        )
        body = {"properties": definition | {"properties": properties}}
        self._jobs.put(replace(call, method="PUT", target=job, body=body))
        return Answer(200, {"submissionId": name, "scheduleActionType": "CreateJob"})

    def _check_monitor(self, definition: dict[str, Any], problems: list[shapes.Problem]) -> None:
        where = "properties.action.monitorDefinition"
        deployment = (definition.get("monitoringTarget") or {}).get("deploymentId")
        if deployment:
            # The SDK writes azureml:<endpoint>:<deployment>, ARM ids come from elsewhere.
            references.require(
                self.store,
                self.plane.config,
                self._deployment_id(deployment),
                f"{where}.monitoringTarget.deploymentId",
            )
        problems += [
            shapes.problem(
                "InvalidValue", f"'{email}' is not an e-mail address.", f"{where}.alertNotificationSettings"
            )
            for email in _emails(definition)
            if not _EMAIL.fullmatch(email)
        ]
        if not definition.get("signals"):
            problems.append(
                shapes.problem("RequiredMember", "A monitor needs at least one signal.", f"{where}.signals")
            )

    def _deployment_id(self, reference: str) -> str:
        parts = reference.removeprefix("azureml:").split(":")
        if len(parts) != 2:
            return reference
        endpoint, deployment = parts
        return f"{self.plane.config.workspace_id}/onlineEndpoints/{endpoint}/deployments/{deployment}"


def _emails(definition: dict[str, Any]) -> list[str]:
    # Plural in the latest version, singular in the one that the SDK sends.
    for outer, inner in (
        ("alertNotificationSettings", "emailNotificationSettings"),
        ("alertNotificationSetting", "emailNotificationSetting"),
    ):
        settings = (definition.get(outer) or {}).get(inner) or {}
        if settings.get("emails"):
            return list(settings["emails"])
    return []


def _check_trigger(trigger: dict[str, Any], problems: list[shapes.Problem]) -> None:
    where = "properties.trigger"
    zone = trigger.get("timeZone") or "UTC"
    if not _is_time_zone(zone):
        problems.append(shapes.problem("InvalidValue", f"'{zone}' is not a time zone.", f"{where}.timeZone"))
    if trigger["triggerType"] == "Cron":
        error = cron_error(trigger["expression"])
        if error:
            problems.append(shapes.problem("InvalidValue", error, f"{where}.expression"))
        return
    if trigger["interval"] < 1:
        problems.append(
            shapes.problem("OutOfRange", "The interval of a recurrence is at least 1.", f"{where}.interval")
        )


def cron_error(expression: str) -> str | None:
    """Return what is wrong with a cron expression of five fields, or None.

    Examples
    --------
    >>> cron_error("0 3 * * 1-5")
    >>> cron_error("0 25 * * *")
    "The hour of the cron expression '0 25 * * *' is '25'; expected 0 to 23."
    """
    fields = expression.split()
    if len(fields) != len(_CRON):
        return f"The cron expression '{expression}' has {len(fields)} fields; expected {len(_CRON)}."
    for text, (name, low, high) in zip(fields, _CRON, strict=True):
        for part in text.split(","):
            numbers = [int(number) for number in re.findall(r"\d+", part.split("/")[0])]
            if not _CRON_PART.fullmatch(part) or any(not low <= number <= high for number in numbers):
                return (
                    f"The {name} of the cron expression '{expression}' is '{text}'; expected {low} to {high}."
                )
    return None


def _is_time_zone(name: str) -> bool:
    # Azure takes Windows names ("W. Europe Standard Time"); those are words with blanks.
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return bool(re.fullmatch(r"[A-Za-z0-9.+\-() ]+ Time", name))
    return True

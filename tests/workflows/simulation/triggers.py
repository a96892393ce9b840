"""Does an event start a workflow, and with which inputs?"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tests.workflows.definitions import triggers_of
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.workflows.simulation.scenario import Scenario

__all__ = ["call_inputs", "dispatch_inputs", "started"]

_DEFAULT_TYPES = {"pull_request": ["opened", "synchronize", "reopened"]}


def started(workflow: dict[str, Any], scenario: Scenario) -> None:
    """Raise unless the event starts the workflow."""
    triggers = triggers_of(workflow)
    filters = triggers.get(scenario.event)
    if filters is None:
        raise RefusedError(f"{scenario.event} starts nothing here")
    if scenario.event == "schedule":
        crons = [one["cron"] for one in filters]
        if scenario.payload.get("schedule") not in crons:
            raise RefusedError(f"no schedule {scenario.payload.get('schedule')}")
        return
    types = filters.get("types") or _DEFAULT_TYPES.get(scenario.event)
    action = scenario.payload.get("action")
    if types and action not in types:
        raise RefusedError(f"{scenario.event} of the type {action} starts nothing here")
    for kind, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/")):
        wanted = filters.get(kind)
        if wanted and scenario.event == "push":
            name = scenario.ref.removeprefix(prefix)
            if not (scenario.ref.startswith(prefix) and any(fnmatchcase(name, one) for one in wanted)):
                raise RefusedError(f"a push to {scenario.ref} starts nothing here")
    paths = filters.get("paths")
    if paths and not any(fnmatchcase(file, one) for file in scenario.files for one in paths):
        raise RefusedError(f"a change of {', '.join(scenario.files)} starts nothing here")


def dispatch_inputs(workflow: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Return the inputs of a dispatch after the checks that GitHub makes."""
    if scenario.event != "workflow_dispatch":
        return {}
    declared: Mapping[str, Any] = triggers_of(workflow)["workflow_dispatch"].get("inputs") or {}
    unknown = set(scenario.inputs) - set(declared)
    if unknown:
        raise RefusedError(f"unexpected inputs: {sorted(unknown)}")
    values: dict[str, Any] = {}
    for name, one in declared.items():
        value = scenario.inputs.get(name, one.get("default", ""))
        if one.get("required") and value == "":
            raise RefusedError(f"the input {name} is required")
        if one.get("type") == "choice" and value not in one["options"]:
            raise RefusedError(f"the input {name} must be one of {one['options']}, not {value!r}")
        values[name] = value == "true" if one.get("type") == "boolean" else value
    return values


def call_inputs(workflow: dict[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the inputs of a called workflow after the checks that GitHub makes."""
    declared: Mapping[str, Any] = (triggers_of(workflow).get("workflow_call") or {}).get("inputs") or {}
    unknown = set(given) - set(declared)
    missing = {name for name, one in declared.items() if one.get("required")} - set(given)
    if unknown or missing:
        raise RefusedError(f"{where}: unknown inputs {sorted(unknown)}, missing inputs {sorted(missing)}")
    return {name: given.get(name, one.get("default", "")) for name, one in declared.items()}

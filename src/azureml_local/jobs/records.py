"""Job resources while they run: statuses, times, errors, outputs, and the children of pipelines."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from azureml_local.jobs.bindings import Literal
from azureml_local.jobs.components import FILE_TYPE
from azureml_local.store import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azureml_local.jobs.graph import Data, Node
    from azureml_local.store import Resource, ResourceStore

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELED: Final = "Canceled"
TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELED, "NotResponding"})
_CANCEL_REQUESTED: Final = "CancelRequested"


def default_output(run: str, output: str, kind: str) -> str:
    """Return where an output goes when nobody says."""
    path = f"azureml://datastores/workspaceblobstore/paths/azureml/{run}/{output}"
    return path if kind == FILE_TYPE else f"{path}/"


def expand(uri: str, run: str, output: str) -> str:
    """Return the address of an output, with the names that the service fills in."""
    known = {"name": run, "output_name": output, "default_datastore": "workspaceblobstore"}
    for name, value in known.items():
        uri = uri.replace(f"${{{{{name}}}}}", value)
    return uri


def error_body(code: str, message: str, details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return an error as run history has it."""
    return {
        "code": code,
        "severity": None,
        "message": message,
        "messageFormat": "",
        "messageParameters": {},
        "target": None,
        "details": details or [],
        "innerError": None,
    }


class Records:
    """Changes to the resources of jobs; a job that has ended changes no more."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    def get(self, job_id: str) -> Resource:
        """Return the resource of a job."""
        return self._store.require(job_id)

    def request_cancel(self, job_id: str) -> None:
        """Set ``CancelRequested`` unless the job has ended."""
        self._change(job_id, {"status": _CANCEL_REQUESTED})

    def progress(self, job_id: str, status: str, **fields: Any) -> None:
        """Set the status of a job that has not ended, and more of its properties."""

        def mutate(properties: dict[str, Any]) -> None:
            if properties["status"] != _CANCEL_REQUESTED:
                properties["status"] = status
            if status in {"Preparing", "Running"}:
                properties.setdefault("startTimeUtc", timestamp())
            properties.update(fields)

        self._mutate(job_id, mutate)

    def end(self, job_id: str, status: str, error: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Set the last status of a job."""
        changes = {"status": status, "endTimeUtc": timestamp(), **fields}
        self._change(job_id, changes | ({"error": dict(error)} if error else {}))

    def reuse(self, job_id: str, run: str, outputs: Mapping[str, Any]) -> None:
        """Note that a node was not run, since another run did the same."""

        def mutate(properties: dict[str, Any]) -> None:
            properties["properties"] |= {"azureml.isreused": "true", "azureml.reusedrunid": run}
            properties["outputs"] = dict(outputs)

        self._mutate(job_id, mutate)

    def create_child(self, parent: Resource, node: Node, base_url: str) -> str:
        """Create the resource of a node, or set an interrupted one back to its beginning; return its id."""
        # The same name each time: a restarted control plane finds the children of before.
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{parent.id.lower()}/{parent.created_at}/{node.name}"))
        child_id = f"{parent.id.rsplit('/', 1)[0]}/{name}"
        existing = self._store.get(child_id)
        if existing is None or existing.properties["status"] != COMPLETED:
            self._store.put(child_id, {"properties": _child(parent, node, f"{base_url}/studio/runs/{name}")})
        return child_id

    def _change(self, job_id: str, changes: Mapping[str, Any]) -> None:
        self._mutate(job_id, lambda properties: properties.update(changes))

    def _mutate(self, job_id: str, mutate: Any) -> None:
        def change(body: dict[str, Any]) -> None:
            if body["properties"]["status"] not in TERMINAL:
                mutate(body["properties"])

        self._store.update(job_id, change)


class ExecutionLog:
    """The log of a pipeline that `jobs.stream` prints: one line for each thing that happens to a node."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, text: str) -> None:
        """Append a line."""
        with self._lock, self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"[{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z] {text}\n")


def inputs_body(inputs: Mapping[str, Literal | Data]) -> dict[str, Any]:
    """Return resolved inputs as a job resource has them."""
    return {
        name: {"jobInputType": "literal", "value": value.text}
        if isinstance(value, Literal)
        else {"jobInputType": value.type, "uri": value.uri, "mode": value.mode}
        for name, value in inputs.items()
    }


def outputs_body(node: Node, uris: Mapping[str, str]) -> dict[str, Any]:
    """Return the outputs of a node as a job resource has them."""
    return {
        name: {"jobOutputType": kind, "uri": uris[name], "mode": "ReadWriteMount"}
        for name, kind in node.component.outputs.items()
    }


def _child(parent: Resource, node: Node, studio: str) -> dict[str, Any]:
    properties, component = parent.properties, node.component
    return {
        "jobType": "Command",
        "parentJobName": parent.name,
        "displayName": node.display_name or node.name,
        "experimentName": properties.get("experimentName"),
        "status": "NotStarted",
        "command": component.command,
        "codeId": component.code_id.removeprefix("azureml:") if component.code_id else None,
        "environmentId": component.environment_id.removeprefix("azureml:"),
        "computeId": node.compute_id or (properties.get("settings") or {}).get("default_compute"),
        "environmentVariables": {**component.environment_variables, **node.environment_variables},
        "inputs": {},
        "outputs": {},
        "isArchived": False,
        "tags": {},
        "properties": {
            "azureml.runsource": "azureml.StepRun",
            "azureml.nodeid": node.name,
            "azureml.pipelinerunid": parent.name,
        },
        "services": {"Studio": {"jobServiceType": "Studio", "endpoint": studio}},
    }

"""Running one node: inputs in, the command as a process, outputs out."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azureml_local import processes
from azureml_local.errors import AzureError
from azureml_local.jobs import bindings, cache, files, records
from azureml_local.jobs.assets import artifacts_uri
from azureml_local.jobs.bindings import Literal
from azureml_local.jobs.components import FILE_TYPE
from azureml_local.jobs.graph import Data
from azureml_local.jobs.stopping import Reason, Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azureml_local.jobs.graph import Node
    from azureml_local.jobs.services import Services

_logger = logging.getLogger(__name__)
STANDARD_LOG: Final = "user_logs/std_log.txt"
_POLL_SECONDS: Final = 0.2
_GRACE_SECONDS: Final = 3.0
_TAIL_CHARACTERS: Final = 3000


@dataclass(frozen=True, slots=True)
class Task:
    """One node that is about to run; `job_id` is the resource that shows it."""

    job_id: str
    root: str
    experiment: str
    node: Node
    inputs: Mapping[str, Literal | Data]
    outputs: Mapping[str, str]
    stop: Stop
    reusable: bool = False
    force: bool = False

    @property
    def run(self) -> str:
        """Name of the run."""
        return self.job_id.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Result:
    """How a node ended; `outputs` are the addresses of what it wrote."""

    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    reused: bool = False


def execute(task: Task, services: Services) -> Result:
    """Run a node to its end and record how it ended; what goes wrong is in the result, not raised.

    A stop of the control plane leaves the record as it is, for the next start to take up.
    """
    try:
        result = _run(task, services)
    except StoppedError as stopped:
        if stopped.reason is Reason.SHUTDOWN:
            return Result("Interrupted")
        code = "JobTimeout" if stopped.reason is Reason.TIMED_OUT else "Canceled"
        result = Result(records.CANCELED, error=records.error_body(code, str(stopped)))
    except AzureError as error:
        result = Result(records.FAILED, error=records.error_body(error.code, error.message))
    except OSError as error:
        result = Result(records.FAILED, error=records.error_body("SystemError", str(error)))
    except Exception as error:
        # The thread's edge: without an end in the record the job would seem to run for ever.
        _logger.exception("node %s of job %s", task.node.name, task.root)
        message = f"The control plane failed: {type(error).__name__}: {error}"
        result = Result(records.FAILED, error=records.error_body("SystemError", message))
    store_logs(task.run, services)
    services.tracking.end_run(task.run, MLFLOW_STATUS[result.status])
    services.records.end(task.job_id, result.status, result.error)
    return result


MLFLOW_STATUS: Final = {
    records.COMPLETED: "FINISHED",
    records.FAILED: "FAILED",
    records.CANCELED: "KILLED",
}


def store_logs(run: str, services: Services) -> None:
    """Keep the logs of a run where `jobs.download` finds them; a full store loses the copy alone."""
    folder = services.logs / run
    if folder.is_dir():
        try:
            services.blobs.upload(folder, *services.blobs.locate(artifacts_uri(run)))
        except AzureError as error:
            _logger.warning("the logs of %s are not stored: %s", run, error)


def _run(task: Task, services: Services) -> Result:
    node, component = task.node, task.node.component
    shutil.rmtree(services.logs / task.run, ignore_errors=True)
    name = node.display_name or node.name
    parent = None if task.run == task.root else task.root
    experiment_id = services.tracking.create_run(task.run, task.experiment, name, parent=parent)
    task.stop.check()
    services.records.progress(
        task.job_id,
        "Preparing",
        inputs=records.inputs_body(task.inputs),
        outputs=records.outputs_body(node, task.outputs),
    )
    environment = services.assets.environment(component.environment_id, "environment")
    runtime = services.runtimes.require(*environment)
    sources = {
        name: services.assets.data(value.uri, value.type, f"inputs.{name}")
        for name, value in task.inputs.items()
        if not isinstance(value, Literal) and value.mode != "Direct"
    }
    identity = ""
    if task.reusable and component.is_deterministic:
        identity = _identity(task, services, environment, sources)
        known = None if task.force else services.cache.find(identity)
        if known is not None:
            return _reuse(task, services, *known)
    folder = services.work / task.run
    shutil.rmtree(folder, ignore_errors=True)
    try:
        command = _prepare(task, services, folder, sources)
        environ = services.environ(task, runtime, folder, experiment_id)
        _run_command(task, services, folder, command, environ)
        services.records.progress(task.job_id, "Finalizing")
        _store_outputs(task, services, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if identity:
        services.cache.keep(identity, task.run, task.outputs)
    return Result(records.COMPLETED, task.outputs)


def _identity(
    task: Task, services: Services, environment: tuple[str, str], sources: Mapping[str, Path]
) -> str:
    code_id = task.node.component.code_id
    literals = {name: value for name, value in task.inputs.items() if name not in sources}
    return cache.key(
        task.node,
        environment=environment,
        code=services.hashes.of(services.assets.code(code_id)) if code_id else "",
        inputs={name: services.hashes.of(path) for name, path in sources.items()}
        | {name: value.text if isinstance(value, Literal) else value.uri for name, value in literals.items()},
    )


def _reuse(task: Task, services: Services, run: str, outputs: Mapping[str, str]) -> Result:
    """Take the outputs of a run that did the same; what the pipeline hands out is copied to its place."""
    kept = dict(outputs)
    for name, target in task.node.outputs.items():
        if target.parent or target.uri:
            source, place = services.blobs.locate(outputs[name]), services.blobs.locate(task.outputs[name])
            if source != place:
                services.blobs.remove_tree(*place)
                services.blobs.copy(source, place)
            kept[name] = task.outputs[name]
    services.records.reuse(task.job_id, run, records.outputs_body(task.node, kept))
    return Result(records.COMPLETED, kept, reused=True)


def _prepare(task: Task, services: Services, folder: Path, sources: Mapping[str, Path]) -> str:
    """Lay out the folder of a node and return its command."""
    component = task.node.component
    for name in ("code", "inputs", "outputs", "home", "tmp"):
        (folder / name).mkdir(parents=True)
    if component.code_id:
        code = services.assets.code(component.code_id)
        files.copy(code, folder / "code" / (code.name if code.is_file() else ""), read_only=False)
    literals, paths = {}, {}
    for name, value in task.inputs.items():
        if name in sources:
            # A file keeps its name, by whose ending code may know what it is.
            path = folder / "inputs" / name / (sources[name].name if sources[name].is_file() else "")
            writable = isinstance(value, Data) and value.mode == "Download"
            files.copy(sources[name], path, read_only=not writable)
            paths[f"inputs.{name}"] = str(path)
        else:
            literals[f"inputs.{name}"] = value.text if isinstance(value, Literal) else value.uri
    for name, kind in component.outputs.items():
        path = folder / "outputs" / name
        if kind != FILE_TYPE:
            path.mkdir()
        paths[f"outputs.{name}"] = str(path)
    return bindings.render(component.command, literals=literals, paths=paths)


def _run_command(
    task: Task, services: Services, folder: Path, command: str, environ: Mapping[str, str]
) -> None:
    task.stop.check()
    log = services.logs / task.run / STANDARD_LOG
    process = processes.spawn(["/bin/bash", "-c", command], cwd=folder / "code", env=environ, log=log)
    services.records.progress(task.job_id, "Running")
    code = _wait(process, task.stop, task.node.timeout)
    if code != 0:
        how = f"exited with status code {code}" if code > 0 else f"was ended by signal {-code}"
        raise AzureError(
            400,
            "UserError",
            f"Execution failed. User process {how}. Please check log file '{STANDARD_LOG}' for error "
            f"details. Error: {_tail(log)}",
        )


def _wait(process: subprocess.Popen[bytes], stop: Stop, timeout: float | None) -> int:
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                stop.check()
                if deadline is not None and time.monotonic() > deadline:
                    raise StoppedError(Reason.TIMED_OUT) from None
    finally:
        if process.poll() is None:
            processes.terminate(process, grace=_GRACE_SECONDS)


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:].strip()


def _store_outputs(task: Task, services: Services, folder: Path) -> None:
    log = services.logs / task.run / STANDARD_LOG
    written = {name: folder / "outputs" / name for name in task.node.component.outputs}
    for name, path in written.items():
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            raise AzureError(
                400,
                "UserError",
                f"The output '{name}' was declared and not written: the command ended with status code 0, "
                f"but there is nothing at ${{{{outputs.{name}}}}}. Log: {_tail(log)}",
            )
        kind = task.node.component.outputs[name]
        if path.is_dir() == (kind == FILE_TYPE):
            found = "folder" if path.is_dir() else "file"
            message = f"The output '{name}' of type '{kind}' is a {found}."
            raise AzureError(400, "UserError", message)
    for name, path in written.items():
        place = services.blobs.locate(task.outputs[name])
        if task.node.outputs[name].uri is None:
            # What an interrupted run left there; a place that the user named may hold other things.
            services.blobs.remove_tree(*place)
        services.blobs.upload(path, *place, move=True)

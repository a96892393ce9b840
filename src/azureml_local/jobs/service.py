"""The job service: takes jobs, runs each from a thread of its own, and takes up what a crash interrupted."""

from __future__ import annotations

import logging
import shutil
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from azureml_local.errors import AzureError, bad_request
from azureml_local.jobs import batch, records
from azureml_local.jobs import graph as graphs
from azureml_local.jobs import node as nodes
from azureml_local.jobs.assets import Assets
from azureml_local.jobs.cache import NodeCache
from azureml_local.jobs.files import ContentHashes
from azureml_local.jobs.graph import Data
from azureml_local.jobs.pipeline import EXECUTION_LOG, GraphRun
from azureml_local.jobs.records import ExecutionLog, Records
from azureml_local.jobs.runtimes import Runtimes
from azureml_local.jobs.services import Services
from azureml_local.jobs.stopping import Reason, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from azureml_local.blobs import BlobStore
    from azureml_local.config import InstanceConfig
    from azureml_local.jobs.graph import Graph
    from azureml_local.store import Resource, ResourceStore
    from azureml_local.tracking import Tracking

_logger = logging.getLogger(__name__)


class JobService:
    """Runs the command and pipeline jobs of an instance.

    Parameters
    ----------
    store, blobs, tracking, config
        The instance's own.
    base_url
        Address of the control plane.
    token
        Issues a bearer token for a node's calls to the tracking service.
    """

    def __init__(
        self,
        *,
        store: ResourceStore,
        blobs: BlobStore,
        tracking: Tracking,
        config: InstanceConfig,
        base_url: str,
        token: Callable[[], str],
    ) -> None:
        self._store = store
        self._services = Services(
            config=config,
            base_url=base_url,
            token=token,
            blobs=blobs,
            tracking=tracking,
            records=Records(store),
            assets=Assets(store, blobs, config),
            runtimes=Runtimes(config.runtimes),
            cache=NodeCache(store, blobs),
            hashes=ContentHashes(),
        )
        self._slots = ThreadPoolExecutor(config.job_slots, thread_name_prefix="node")
        self._running: dict[str, tuple[threading.Thread, Stop]] = {}
        self._lock = threading.Lock()
        self._closing = False

    def check(self, job_id: str, body: Mapping[str, Any]) -> None:
        """Refuse a job that could not run, before anything of it is stored.

        Raises
        ------
        AzureError
            400 for a cycle, an unbound required input, a wrong literal, or a missing reference.
        """
        properties = body["properties"]
        graph = self._graph(job_id.rsplit("/", 1)[-1], properties)
        for node in graph.nodes:
            where = f"properties.jobs.{node.name}" if properties["jobType"] == "Pipeline" else "properties"
            self._services.assets.check(node.component, where)
            for name, value in node.inputs.items():
                if isinstance(value, Data):
                    self._services.assets.locate(value.uri, value.type, f"{where}.inputs.{name}")
        for name, given in graph.inputs.items():
            if isinstance(given, Data):
                self._services.assets.locate(given.uri, given.type, f"properties.inputs.{name}")

    def submit(self, job_id: str) -> None:
        """Start a job whose resource is stored; returns at once."""
        stop = Stop()
        thread = threading.Thread(
            target=self._run, args=(job_id, stop), name=f"job {job_id.rsplit('/', 1)[-1]}"
        )
        with self._lock:
            if self._closing:
                return  # the next start recovers it
            self._running[job_id.lower()] = (thread, stop)
        thread.start()

    def invoke_batch(
        self, deployment_id: str, inputs: Mapping[str, Mapping[str, Any]], *, output_uri: str | None = None
    ) -> Resource:
        """Run a batch deployment over an input folder, and return the job; see :func:`batch.job_body`."""
        config = self._services.config
        body = batch.job_body(self._store, config, deployment_id, inputs, output_uri)
        job_id = f"{config.workspace_id}/jobs/batchjob-{uuid.uuid4()}"
        self.check(job_id, body)
        studio = f"{self._services.base_url}/studio/runs/{job_id.rsplit('/', 1)[-1]}"
        services = {"Studio": {"jobServiceType": "Studio", "endpoint": studio}}
        body["properties"] |= {"status": "NotStarted", "services": services}
        job = self._store.put(job_id, body)
        self.submit(job.id)
        return job

    def cancel(self, job_id: str) -> None:
        """Ask a job to end; its processes are killed and its status becomes ``Canceled`` shortly after."""
        parent = self._services.records.get(job_id).properties.get("parentJobName")
        if parent:
            raise bad_request(f"A node of a pipeline ends with its pipeline: cancel the job '{parent}'.")
        self._services.records.request_cancel(job_id)
        with self._lock:
            running = self._running.get(job_id.lower())
        if running is not None:
            running[1].set(Reason.CANCELED)

    def recover(self) -> None:
        """Take up the jobs that were running when the control plane ended; finished nodes stay finished."""
        shutil.rmtree(self._services.work, ignore_errors=True)
        for job in self._store.of_type("workspaces/jobs"):
            if job.properties["status"] in records.TERMINAL or job.properties.get("parentJobName"):
                continue
            if job.properties["status"] == "CancelRequested":
                self._end_canceled(job)
            else:
                self.submit(job.id)

    def close(self) -> None:
        """End all processes and threads; unfinished jobs keep their status, for :meth:`recover`."""
        with self._lock:
            self._closing = True
            running = list(self._running.values())
        for _, stop in running:
            stop.set(Reason.SHUTDOWN)
        for thread, _ in running:
            thread.join()
        self._slots.shutdown()

    def wait(self, job_id: str, timeout: float | None = None) -> str:
        """Wait until a job of this service has ended, and return its status."""
        with self._lock:
            running = self._running.get(job_id.lower())
        if running is not None:
            running[0].join(timeout)
        return str(self._services.records.get(job_id).properties["status"])

    def log_files(self, job_id: str) -> dict[str, Path]:
        """Return the log files of a job, or of a node, by the names under which run history serves them."""
        folder = self._services.logs / job_id.rsplit("/", 1)[-1]
        return {
            file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()
        }

    def _graph(self, name: str, properties: Mapping[str, Any]) -> Graph:
        if properties["jobType"] == "Pipeline":
            return graphs.pipeline_job(properties, self._services.assets.component)
        return graphs.command_job(name, properties)

    def _run(self, job_id: str, stop: Stop) -> None:
        job = self._services.records.get(job_id)
        try:
            graph = self._graph(job.name, job.properties)
            outputs = {
                name: records.expand(target.uri, job.name, name)
                if target.uri
                else records.default_output(job.name, name, target.type)
                for name, target in graph.outputs.items()
            }
            if job.properties["jobType"] == "Pipeline":
                self._run_pipeline(job, graph, outputs, stop)
            else:
                self._run_command(job, graph, outputs, stop)
        except AzureError as error:
            self._services.records.end(job_id, records.FAILED, records.error_body(error.code, error.message))
        except Exception as error:
            # The thread's edge, as in `nodes.execute`.
            _logger.exception("job %s", job_id)
            message = f"The control plane failed: {type(error).__name__}: {error}"
            self._services.records.end(job_id, records.FAILED, records.error_body("SystemError", message))
        finally:
            with self._lock:
                self._running.pop(job_id.lower(), None)

    def _run_command(self, job: Resource, graph: Graph, outputs: Mapping[str, str], stop: Stop) -> None:
        (node,) = graph.nodes
        GraphRun(
            job=job,
            graph=graph,
            job_ids={node.name: job.id},
            outputs=outputs,
            services=self._services,
            slots=self._slots,
            stop=stop,
        ).run()

    def _run_pipeline(self, job: Resource, graph: Graph, outputs: Mapping[str, str], stop: Stop) -> None:
        services = self._services
        log = ExecutionLog(services.logs / job.name / EXECUTION_LOG)
        experiment = job.properties.get("experimentName") or "Default"
        services.tracking.create_run(job.name, experiment, job.properties.get("displayName") or job.name)
        stored = {
            name: {
                **(job.properties["outputs"][name] or {}),
                "jobOutputType": target.type,
                "uri": outputs[name],
            }
            for name, target in graph.outputs.items()
        }
        services.records.progress(job.id, "Preparing", outputs=stored)
        job_ids = {
            node.name: services.records.create_child(job, node, services.base_url) for node in graph.nodes
        }
        services.records.progress(job.id, "Running")
        run = GraphRun(job, graph, job_ids, outputs, services, self._slots, stop, log)
        run.run()
        if stop.reason is Reason.SHUTDOWN:
            return
        services.records.progress(job.id, "Finalizing")
        status, error = _outcome(run)
        log.write(f"The pipeline is {status}.")
        nodes.store_logs(job.name, services)
        services.tracking.end_run(job.name, nodes.MLFLOW_STATUS[status])
        services.records.end(job.id, status, error)

    def _end_canceled(self, job: Resource) -> None:
        for other in self._store.children(job.id.rsplit("/", 1)[0]):
            if other.properties.get("parentJobName") == job.name:
                self._services.records.end(other.id, records.CANCELED)
        self._services.records.end(job.id, records.CANCELED)


def _outcome(run: GraphRun) -> tuple[str, dict[str, Any] | None]:
    """Return the status of a pipeline, and what went wrong, in the service's words."""
    failed = run.failed()
    if failed:
        names = ", ".join(f"/{name}" for name in failed)
        details = [
            records.error_body(result.error["code"], f"{name}: {result.error['message']}")
            for name, result in failed.items()
            if result.error
        ]
        message = f"Pipeline has failed child jobs. Failed nodes: {names}. " + "\n".join(
            detail["message"] for detail in details
        )
        return records.FAILED, records.error_body("UserError", message, details)
    if all(result.status == records.COMPLETED for result in run.results.values()):
        return records.COMPLETED, None
    if run.stop.reason is Reason.TIMED_OUT:
        return records.CANCELED, records.error_body("JobTimeout", run.stop.reason.value)
    return records.CANCELED, None

"""Running a graph: nodes start when what they read is there, and the job ends when none can start."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azureml_local.errors import AzureError
from azureml_local.jobs import graph as graphs
from azureml_local.jobs import node as nodes
from azureml_local.jobs import records
from azureml_local.jobs.bindings import Literal, NodeOutput, ParentInput, Template
from azureml_local.jobs.graph import Data
from azureml_local.jobs.node import Result, Task
from azureml_local.jobs.stopping import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor, Future

    from azureml_local.jobs.graph import Graph, Node
    from azureml_local.jobs.services import Services
    from azureml_local.jobs.stopping import Stop
    from azureml_local.store import Resource

_POLL_SECONDS: Final = 0.2
EXECUTION_LOG: Final = "logs/azureml/executionlogs.txt"


def resolve_inputs(
    node: Node,
    pipeline_inputs: Mapping[str, Literal | Data],
    results: Mapping[str, Result],
    nodes_by_name: Any,
) -> dict[str, Literal | Data]:
    """Return what a node's inputs are, once everything that it reads from has ended.

    An optional input without a value is left out.
    """
    resolved: dict[str, Literal | Data] = {}
    for port in node.component.inputs.values():
        value = node.inputs.get(port.name)
        if isinstance(value, ParentInput):
            value = pipeline_inputs.get(value.name)
        match value:
            case None:
                if port.default is not None:
                    resolved[port.name] = Literal(port.default)
            case Template():
                resolved[port.name] = Literal(value.fill(graphs.literal_values(pipeline_inputs)))
            case NodeOutput(source, output):
                kind = nodes_by_name[source].component.outputs[output]
                resolved[port.name] = Data(results[source].outputs[output], kind)
            case Literal() | Data():
                resolved[port.name] = value
    return resolved


@dataclass(slots=True)
class GraphRun:
    """The execution of one job's graph; `job_ids` says which resource shows which node.

    For a command job the graph is one node, shown by the job itself.
    """

    job: Resource
    graph: Graph
    job_ids: Mapping[str, str]
    outputs: Mapping[str, str]
    services: Services
    slots: Executor
    stop: Stop
    log: records.ExecutionLog | None = None
    results: dict[str, Result] = field(default_factory=dict)

    def run(self) -> None:
        """Run all nodes that can run; `results` tells how each ended."""
        by_name = {node.name: node for node in self.graph.nodes}
        waiting = dict(by_name)
        running: dict[Future[Result], Node] = {}
        deadline = None if self.graph.timeout is None else time.monotonic() + self.graph.timeout
        for name in list(waiting):
            if self._finished_before(waiting[name]):
                del waiting[name]
        while True:
            for node in self._ready(waiting):
                del waiting[node.name]
                running[self._start(node, by_name)] = node
            if not running:
                break
            done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._ended(running.pop(future), future.result())
            if deadline is not None and time.monotonic() > deadline:
                self.stop.set(Reason.TIMED_OUT)
            if self.stop.reason is not None:
                self._withdraw(running)
        if self.stop.reason is not Reason.SHUTDOWN:
            for node in waiting.values():
                self._never_ran(node)

    def failed(self) -> dict[str, Result]:
        """Return the nodes that went wrong by themselves."""
        return {
            name: result
            for name, result in self.results.items()
            if result.status == records.FAILED or (result.error and result.error["code"] == "JobTimeout")
        }

    def _ready(self, waiting: Mapping[str, Node]) -> list[Node]:
        if self.stop.reason is not None:
            return []
        completed = {name for name, result in self.results.items() if result.status == records.COMPLETED}
        return [node for node in waiting.values() if node.upstream <= completed]

    def _start(self, node: Node, by_name: Mapping[str, Node]) -> Future[Result]:
        run = self.job_ids[node.name].rsplit("/", 1)[-1]
        is_node_of_pipeline = self.log is not None
        task = Task(
            job_id=self.job_ids[node.name],
            root=self.job.name,
            experiment=self.job.properties.get("experimentName") or "Default",
            node=node,
            inputs=resolve_inputs(node, self.graph.inputs, self.results, by_name),
            outputs=self._addresses(node, run),
            stop=self.stop,
            # The service reuses nodes of pipelines, never command jobs.
            reusable=is_node_of_pipeline,
            force=self.graph.force_rerun,
        )
        self.services.records.progress(task.job_id, "Queued")
        self._say(f"Submitting 1 runs, first five are: {node.name}:{run}")
        return self.slots.submit(nodes.execute, task, self.services)

    def _addresses(self, node: Node, run: str) -> dict[str, str]:
        addresses = {}
        for name, target in node.outputs.items():
            if target.parent is not None:
                addresses[name] = self.outputs[target.parent]
            elif target.uri is not None:
                addresses[name] = records.expand(target.uri, run, name)
            else:
                addresses[name] = records.default_output(run, name, target.type)
        return addresses

    def _finished_before(self, node: Node) -> bool:
        """Take over a node that had finished when the control plane was killed."""
        if self.log is None:
            return False
        properties = self.services.records.get(self.job_ids[node.name]).properties
        outputs = {name: output["uri"] for name, output in (properties.get("outputs") or {}).items()}
        if properties["status"] != records.COMPLETED or not self._stored(outputs):
            return False
        self.results[node.name] = Result(records.COMPLETED, outputs)
        self._say(f"Run of {node.name} had completed before the restart.")
        return True

    def _stored(self, outputs: Mapping[str, str]) -> bool:
        try:
            return all(self.services.blobs.resolve(uri).exists() for uri in outputs.values())
        except AzureError:
            return False

    def _withdraw(self, running: dict[Future[Result], Node]) -> None:
        """Take back what waits for a slot."""
        for future in [future for future in running if future.cancel()]:
            node = running.pop(future)
            if self.stop.reason is not Reason.SHUTDOWN:
                self._never_ran(node)

    def _ended(self, node: Node, result: Result) -> None:
        self.results[node.name] = result
        run = self.job_ids[node.name].rsplit("/", 1)[-1]
        note = " (reused)" if result.reused else ""
        self._say(f"Completing processing run id {run}: {node.name} {result.status}{note}.")
        if result.error:
            self._say(f"{node.name}: {result.error['message']}")
        if node.name in self.failed() and not self.graph.continue_on_failure:
            self.stop.set(Reason.FAILED_NODE)

    def _never_ran(self, node: Node) -> None:
        self.results[node.name] = Result(records.CANCELED)
        self.services.records.end(self.job_ids[node.name], records.CANCELED)
        self._say(f"Run of {node.name} was not started.")

    def _say(self, text: str) -> None:
        if self.log is not None:
            self.log.write(text)

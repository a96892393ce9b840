"""From the REST body of a job to a typed graph: what the service reads, checked as it checks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azureml_local.errors import bad_request
from azureml_local.jobs import bindings, components
from azureml_local.jobs.bindings import Binding, Literal, NodeOutput, ParentInput, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from azureml_local.jobs.components import Component, InputPort


@dataclass(frozen=True, slots=True)
class Data:
    """Data from outside the job: an asset, a datastore path, or an output of another job."""

    uri: str
    type: str
    mode: str = "ReadOnlyMount"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an output goes: to an output of the pipeline, to a given path, or to the default place."""

    type: str
    uri: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One command with everything that it runs on."""

    name: str
    component: Component
    inputs: Mapping[str, Binding | Data] = field(default_factory=dict)
    outputs: Mapping[str, Target] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    display_name: str = ""
    compute_id: str | None = None

    @property
    def upstream(self) -> frozenset[str]:
        """Nodes whose outputs this one reads."""
        return frozenset(value.node for value in self.inputs.values() if isinstance(value, NodeOutput))


@dataclass(frozen=True, slots=True)
class Graph:
    """A job: its nodes in an order in which they can run, and its own inputs and outputs."""

    nodes: tuple[Node, ...]
    inputs: Mapping[str, Literal | Data] = field(default_factory=dict)
    outputs: Mapping[str, Target] = field(default_factory=dict)
    continue_on_failure: bool = False
    force_rerun: bool = False
    timeout: float | None = None


def command_job(name: str, properties: Mapping[str, Any]) -> Graph:
    """Read the properties of a command job: a graph of one node, which is the job itself."""
    if properties.get("distribution"):
        raise bad_request("Distributed jobs do not run on the embedded control plane.")
    inputs = {key: _job_input(key, value) for key, value in (properties.get("inputs") or {}).items() if value}
    outputs = _job_outputs(properties)
    component = components.Component(
        name=name,
        version="",
        command=components.required(properties, "command", "properties"),
        environment_id=components.required(properties, "environmentId", "properties"),
        code_id=properties.get("codeId"),
        inputs={
            key: components.InputPort(key, value.type if isinstance(value, Data) else "literal")
            for key, value in inputs.items()
        },
        outputs={key: target.type for key, target in outputs.items()},
    )
    components.check_command(component, "properties.command")
    timeout = components.duration((properties.get("limits") or {}).get("timeout"), "properties.limits")
    node = Node(
        name,
        component,
        inputs=inputs,
        outputs=outputs,
        environment_variables=_texts(properties.get("environmentVariables")),
        timeout=timeout,
        compute_id=properties.get("computeId"),
    )
    return Graph((node,), inputs, outputs)


def pipeline_job(properties: Mapping[str, Any], component: Callable[[str, str], Component]) -> Graph:
    """Read the properties of a pipeline job.

    Parameters
    ----------
    component
        Returns the component with an id; the second argument says where it is needed.

    Raises
    ------
    AzureError
        400 for a cycle, an unbound required input, a wrong literal, types that do not fit, or a
        reference to a node, port or pipeline input that does not exist.
    """
    inputs = {key: _job_input(key, value) for key, value in (properties.get("inputs") or {}).items() if value}
    outputs = _job_outputs(properties)
    jobs = properties.get("jobs") or {}
    if not jobs:
        raise bad_request("The pipeline has no nodes.", target="properties.jobs")
    nodes = {name: _node(name, job, component) for name, job in jobs.items()}
    settings = properties.get("settings") or {}
    graph = Graph(
        in_order(nodes.values()),
        inputs,
        outputs,
        continue_on_failure=bool(_field(settings, "continueOnStepFailure")),
        force_rerun=bool(_field(settings, "forceRerun")),
        timeout=components.duration((properties.get("limits") or {}).get("timeout"), "properties.limits"),
    )
    for node in graph.nodes:
        _check_inputs(node, nodes, inputs)
    _check_outputs(graph)
    return graph


def in_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes so that each comes after those it reads from; otherwise as given.

    Raises
    ------
    AzureError
        400 for a cycle, or a reference to a node that does not exist.
    """
    waiting = {node.name: node for node in nodes}
    for node in waiting.values():
        if unknown := sorted(node.upstream - waiting.keys()):
            raise bad_request(
                f"The node '{node.name}' reads from '{unknown[0]}', which is not in the pipeline."
            )
    ordered: list[Node] = []
    while waiting:
        ready = [node for node in waiting.values() if not node.upstream & waiting.keys()]
        if not ready:
            raise bad_request(
                f"The pipeline has a cycle: {' -> '.join(_cycle(waiting))}.", target="properties.jobs"
            )
        ordered.extend(waiting.pop(node.name) for node in ready)
    return tuple(ordered)


def literal_values(inputs: Mapping[str, Literal | Data]) -> dict[str, str]:
    """Return the literal inputs of a pipeline by name."""
    return {name: value.text for name, value in inputs.items() if isinstance(value, Literal)}


def _cycle(waiting: Mapping[str, Node]) -> list[str]:
    # Every node that is left waits for another one of these: following any edge ends in a cycle.
    path = [min(waiting)]
    while path.count(path[-1]) == 1:
        path.append(min(waiting[path[-1]].upstream & waiting.keys()))
    return path[path.index(path[-1]) :]


def _node(name: str, job: Mapping[str, Any], component_of: Callable[[str, str], Component]) -> Node:
    where = f"jobs.{name}"
    if job.get("type", "command") != "command":
        raise bad_request(
            f"{where}: nodes of type '{job['type']}' do not run on the embedded control plane; "
            "command nodes do.",
            target=f"properties.{where}",
        )
    component = component_of(components.required(job, "componentId", where), where)
    given = {key: value for key, value in (job.get("inputs") or {}).items() if value is not None}
    if unknown := sorted(given.keys() - component.inputs.keys()):
        raise bad_request(f"{where}: the component '{component.name}' has no input '{unknown[0]}'.")
    bound = job.get("outputs") or {}
    if unknown := sorted(bound.keys() - component.outputs.keys()):
        raise bad_request(f"{where}: the component '{component.name}' has no output '{unknown[0]}'.")
    limits = job.get("limits") or {}
    return Node(
        name,
        component,
        inputs={key: _node_input(key, value) for key, value in given.items()},
        outputs={key: _target(bound.get(key) or {}, kind) for key, kind in component.outputs.items()},
        environment_variables=_texts(_field(job, "environmentVariables")),
        timeout=components.duration(limits.get("timeout"), where) or component.timeout,
        display_name=_field(job, "displayName") or "",
        compute_id=_field(job, "computeId"),
    )


def _field(body: Mapping[str, Any], name: str) -> Any:
    """Return a field that pipelines spell ``likeThis`` or, inside nodes and settings, ``like_this``."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return body[name] if body.get(name) is not None else body.get(snake)


def _texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (values or {}).items()}


def _job_input(name: str, value: Mapping[str, Any]) -> Literal | Data:
    if _field(value, "jobInputType") == "literal":
        return Literal(str(value.get("value", "")))
    uri = components.required(value, "uri", f"inputs.{name}")
    return Data(uri, str(_field(value, "jobInputType")), value.get("mode") or "ReadOnlyMount")


def _node_input(name: str, value: Mapping[str, Any]) -> Binding | Data:
    if _field(value, "jobInputType") not in {None, "literal"} and value.get("uri"):
        return _job_input(name, value)
    return bindings.parse_input(str(value.get("value", value.get("uri"))))


def _job_outputs(properties: Mapping[str, Any]) -> dict[str, Target]:
    return {
        name: Target(str(_field(output, "jobOutputType") or "uri_folder"), _output_uri(output, name))
        for name, output in (
            (name, output or {}) for name, output in (properties.get("outputs") or {}).items()
        )
    }


def _target(output: Mapping[str, Any], kind: str) -> Target:
    text = output.get("value")
    return Target(kind, _output_uri(output, kind), bindings.parse_output(text) if text else None)


def _output_uri(output: Mapping[str, Any], name: str) -> str | None:
    if asset := _field(output, "assetName"):
        raise bad_request(
            f"outputs.{name}: registering an output as the asset '{asset}' is not supported by the embedded "
            "control plane; register it from the finished job."
        )
    return output.get("uri") or None


def _check_inputs(
    node: Node, nodes: Mapping[str, Node], pipeline_inputs: Mapping[str, Literal | Data]
) -> None:
    for port in node.component.inputs.values():
        where = f"jobs.{node.name}.inputs.{port.name}"
        value = node.inputs.get(port.name)
        if isinstance(value, ParentInput):
            # An optional pipeline input without a value is left out of the body.
            value = pipeline_inputs.get(value.name)
        match value:
            case None:
                if not port.optional and port.default is None:
                    raise bad_request(
                        f"{where}: the required input is not bound.", target=f"properties.{where}"
                    )
            case Literal(text):
                port.check_literal(text, where)
            case Template():
                values = literal_values(pipeline_inputs)
                if missing := sorted(set(value.inputs) - values.keys()):
                    raise bad_request(
                        f"{where}: the pipeline input '{missing[0]}' is no literal with a value."
                    )
                port.check_literal(value.fill(values), where)
            case NodeOutput(source, output):
                produced = nodes[source].component.outputs.get(output)
                if produced is None:
                    raise bad_request(f"{where}: the node '{source}' has no output '{output}'.")
                _check_type(port, produced, where)
            case Data():
                _check_type(port, value.type, where)


def _check_type(port: InputPort, produced: str, where: str) -> None:
    if not port.accepts(produced):
        raise bad_request(f"{where}: expected data of type '{port.type}', got '{produced}'.", target=where)


def _check_outputs(graph: Graph) -> None:
    produced: dict[str, str] = {}
    for node in graph.nodes:
        for name, target in node.outputs.items():
            if target.parent is None:
                continue
            where = f"jobs.{node.name}.outputs.{name}"
            if target.parent not in graph.outputs:
                raise bad_request(f"{where}: the pipeline has no output '{target.parent}'.")
            if target.parent in produced:
                raise bad_request(
                    f"{where}: '{produced[target.parent]}' is bound to the same pipeline output."
                )
            produced[target.parent] = where
    if unbound := sorted(graph.outputs.keys() - produced.keys()):
        raise bad_request(f"outputs.{unbound[0]}: no node writes this output of the pipeline.")

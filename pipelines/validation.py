"""What is wrong with a job or a deployment, found before it costs a round trip to the service.

``_validate()`` of azure-ai-ml checks one node at a time against its schema. It lets through a model
wired to a file, a cycle, a literal out of its range, a path that is not there, an asset name that no
asset can have, a field that it does not know. :func:`check` runs the SDK's validation and adds these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from azure.ai.ml.entities import BatchDeployment, ManagedOnlineDeployment, PipelineJob
from azure.ai.ml.exceptions import ValidationException

from mlops.errors import PipelineError, nearest
from pipelines.ports import Port, find_cycle, literal_problem, reference_problem, specification_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Problem", "check", "require_valid"]

_BINDING = re.compile(r"^\$\{\{\s*parent\.(inputs|jobs|outputs)\.([\w.-]+?)\s*\}\}$")
_PRIMITIVE = frozenset({"integer", "number", "string", "boolean"})
# Azure's VM sizes: family, cores with optional constraint, features, optional accelerator and version.
_SIZE = re.compile(r"^Standard_[A-Z]{1,3}\d+(-\d+)?[a-z]*(_[A-Z0-9]+)*(_v\d+)?$")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Parameters
    ----------
    where
        Node and port, such as ``train.knots``; ``inputs.x`` for the job's own.
    what, got, expected, fix
        What is wrong, what was found, what would be right, and the edit to make.
    """

    where: str
    what: str
    got: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: got {self.got}, expected {self.expected}; {self.fix}"


@singledispatch
def check(entity: Any) -> list[Problem]:
    """Return every problem of a pipeline job or a deployment; empty means that none was found.

    Parameters
    ----------
    entity
        A ``PipelineJob``, ``ManagedOnlineDeployment`` or batch deployment of azure-ai-ml. Other entities
        have the SDK's own validation only.
    """
    return _of_sdk(entity)


def require_valid(entity: Any) -> None:
    """Raise unless :func:`check` finds nothing.

    Raises
    ------
    PipelineError
        Names every problem.
    """
    if problems := check(entity):
        listed = "\n".join(f"    {problem}" for problem in problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        name = getattr(entity, "display_name", None) or entity.name
        raise PipelineError(f"The definition has {count}:\n{listed}", where=str(name))


@check.register
def _(job: PipelineJob) -> list[Problem]:
    content = job._to_dict()  # noqa: SLF001 - the SDK has no public way to see a job as it will be sent
    problems = _of_sdk(job)
    sources: dict[str, set[str]] = {}
    for name, value in job.inputs.items():
        problems += _of_reference(f"inputs.{name}", Port.of_job(value))
    for name, node in job.jobs.items():
        component: Any = getattr(node, "component", None)
        if not hasattr(component, "inputs"):
            continue  # a registered component by name: only the service knows its ports
        problems += _of_component(name, component)
        given = (content["jobs"][name].get("inputs") or {}).items()
        sources[name] = set()
        for port, value in given:
            bound = value.get("path") if isinstance(value, dict) else value
            where = f"{name}.{port}"
            wanted = component.inputs.get(port)
            if wanted is None:
                continue  # the SDK reports it
            match = _BINDING.match(bound) if isinstance(bound, str) else None
            if match is None:
                problems += _of_value(where, Port.of_node(node.inputs[port]), wanted)
                continue
            problems += _of_edge(job, where, wanted, match[1], match[2])
            if match[1] == "jobs":
                sources[name].add(match[2].split(".outputs.")[0])
    if circle := find_cycle(sources):
        text = " needs ".join(circle)
        fix = "remove one of these edges"
        problems.append(Problem(circle[0], "the nodes wait for each other", text, "no cycle", fix))
    return problems


@check.register
def _(deployment: ManagedOnlineDeployment) -> list[Problem]:
    problems = _of_sdk(deployment) + _of_assets(deployment)
    if (deployment.instance_count or 0) < 1:
        problems.append(_number("instance_count", deployment.instance_count, "at least 1"))
    if not _SIZE.match(str(deployment.instance_type)):
        expected = "a VM size such as Standard_DS3_v2"
        fix = "take one from Azure's list of sizes for managed endpoints"
        problems.append(
            Problem("instance_type", "not a VM size", repr(deployment.instance_type), expected, fix)
        )
    return problems


@check.register
def _(deployment: BatchDeployment) -> list[Problem]:
    # ModelBatchDeployment keeps the same values one level deeper.
    settings = getattr(deployment, "settings", None) or deployment
    problems = _of_assets(deployment)
    for name, least in (("mini_batch_size", 1), ("max_concurrency_per_instance", 1), ("error_threshold", -1)):
        value = getattr(settings, name, None)
        if value is not None and value < least:
            problems.append(_number(name, value, f"at least {least}"))
    return problems


def _of_sdk(entity: Any) -> list[Problem]:
    """Return the findings of the SDK's own offline validation."""
    try:
        # Deployments raise what is wrong and return nothing, jobs return it.
        result = entity._validate() if hasattr(entity, "_validate") else None  # noqa: SLF001 - see above
    except ValidationException as error:
        return [_refused("(entity)", error.message)]
    except NotImplementedError as error:
        return [_refused("(entity)", str(error) or "a metric or signal of a type that it does not know")]
    found = result.error_messages if result is not None else {}
    return [_refused(str(path), str(message)) for path, message in found.items()]


def _refused(where: str, message: str) -> Problem:
    text = " ".join(message.split())
    return Problem(where, "refused by azure-ai-ml", text, "what the message asks for", "correct it")


def _of_component(name: str, component: Any) -> Iterator[Problem]:
    for port, specification in component.inputs.items():
        for what, got, expected in specification_problems(specification):
            yield Problem(f"{name}.{port}", what, got, expected, "correct the component's file")
    for port in component.outputs:
        if f"outputs.{port}" not in _words(component):
            expected = f"${{{{outputs.{port}}}}} in the command"
            yield Problem(
                f"{name}.{port}", "no one writes this output", "a command without it", expected, "pass it on"
            )
    if problem := _asset_problem(component.environment):
        yield Problem(f"{name}.environment", *problem)
    source = getattr(component, "_source_path", None)
    if source and Path(source).is_file():
        yield from _of_file(name, Path(source))


def _words(component: Any) -> str:
    """Return what a component runs: a command, or the arguments of a Spark program."""
    return str(getattr(component, "command", None) or component.args)


def _of_file(name: str, path: Path) -> Iterator[Problem]:
    """Find what the SDK drops silently when it loads a component's file."""
    from azure.ai.ml._schema.component.command_component import (  # noqa: PLC0415 - slow, and private
        CommandComponentSchema,
    )

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if content.get("type") != "command":
        return
    fields = CommandComponentSchema(context={"base_path": path.parent}).fields
    known = {field.data_key or key for key, field in fields.items()}
    for key in content:
        if key not in known:
            close = nearest(str(key), known)
            fix = f"write {close!r}" if close else "remove it"
            yield Problem(
                f"{name}.{key}",
                "unknown field, ignored by the SDK",
                key,
                "a field of a command component",
                fix,
            )
    for include in content.get("additional_includes") or []:
        if not (path.parent / include).exists():
            fix = "correct additional_includes"
            yield Problem(
                f"{name}.code", "the path does not exist", include, f"a path from {path.parent}", fix
            )


def _of_edge(job: PipelineJob, where: str, wanted: Any, kind: str, target: str) -> list[Problem]:
    """Compare the type of what a port is bound to with the type that the port declares."""
    if kind == "inputs":
        if target not in job.inputs:
            return [_unknown(where, f"inputs.{target}", job.inputs)]
        source = Port.of_job(job.inputs[target])
        if source.type is not None:
            return _compared(where, source.type, wanted.type, f"the job's input {target!r}")
        found = literal_problem(source.value, wanted)
        return [Problem(where, *found, f"correct the job's input {target!r}")] if found else []
    node, _, port = target.partition(".outputs.")
    if node not in job.jobs:
        return [_unknown(where, f"jobs.{node}", job.jobs)]
    outputs = getattr(getattr(job.jobs[node], "component", None), "outputs", None)
    if outputs is not None and port not in outputs:
        return [_unknown(where, f"{node}.outputs.{port}", outputs)]
    return [] if outputs is None else _compared(where, outputs[port].type, wanted.type, f"{node}.{port}")


def _compared(where: str, source: str, wanted: str, name: str) -> list[Problem]:
    if source == wanted or (source == "integer" and wanted == "number"):
        return []
    fix = f"connect an output of type {wanted}, or change one of the two components"
    return [Problem(where, f"connected to {name} of another type", source, wanted, fix)]


def _of_value(where: str, port: Port, wanted: Any) -> list[Problem]:
    """Check a value that is written at the node itself."""
    if wanted.type in _PRIMITIVE:
        found = literal_problem(port.value, wanted)
        return [Problem(where, *found, "correct the value")] if found else []
    problems = _of_reference(where, port)
    if port.type is not None:
        problems += _compared(where, port.type, wanted.type, "a value")
    return problems


def _of_reference(where: str, port: Port) -> list[Problem]:
    if port.path is None:
        return []
    found = reference_problem(port.path, port.type)
    return [Problem(where, *found)] if found else []


def _of_assets(deployment: Any) -> list[Problem]:
    """Check what a deployment uploads and refers to."""
    problems = [
        Problem(name, *problem)
        for name in ("model", "environment")
        if (problem := _asset_problem(getattr(deployment, name, None)))
    ]
    configuration = getattr(deployment, "code_configuration", None)
    if configuration is None or configuration.code is None:
        return problems
    folder = Path(deployment.base_path or ".") / configuration.code
    script = folder / str(configuration.scoring_script)
    if not folder.is_dir():
        what = "the folder does not exist"
        problems.append(Problem("code_configuration.code", what, str(folder), "a folder", "correct the path"))
    elif not script.is_file():
        present = ", ".join(sorted(path.name for path in folder.glob("*.py"))) or "no Python file"
        where = "code_configuration.scoring_script"
        problems.append(
            Problem(where, "the script does not exist", script.name, f"one of: {present}", "correct the name")
        )
    return problems


def _asset_problem(reference: Any) -> tuple[str, str, str, str] | None:
    """Check an asset that is named by text; an entity is the SDK's business."""
    return reference_problem(reference, None) if isinstance(reference, str) else None


def _unknown(where: str, target: str, known: Mapping[str, Any]) -> Problem:
    close = nearest(target.rpartition(".")[2], known)
    fix = f"write {close!r}" if close else "correct the binding"
    return Problem(where, "bound to what is not there", target, f"one of: {', '.join(known)}", fix)


def _number(where: str, value: Any, expected: str) -> Problem:
    return Problem(where, "out of range", str(value), expected, "correct the value")

"""What a program asks for: one resource with its inputs and options, as it was registered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pulumi.runtime.proto import resource_pb2

from infra.engine.aliases import Alias
from infra.engine.properties import from_struct, to_struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.runtime.proto.source_pb2 import StackTrace

__all__ = ["Goal", "Location", "goal_of", "location_of", "transform_request", "transformed"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where in the program something was asked for."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Goal:
    """One registration. An option that is None was not set, so the parent or the provider decides."""

    type: str
    name: str
    custom: bool
    parent: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provider: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    replace_with: tuple[str, ...] = ()
    replacement_trigger: Any = None
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    import_id: str = ""
    location: Location | None = None


def location_of(trace: StackTrace) -> Location | None:
    """Return the innermost place in the program's own code, or None when the SDK sent none."""
    for frame in trace.frames:
        path = unquote(urlsplit(frame.pc.uri).path)
        if path and "site-packages" not in path and not path.startswith("<"):
            return Location(path, frame.pc.line)
    return None


def _optional(message: Any, field_name: str) -> bool | None:
    return bool(getattr(message, field_name)) if message.HasField(field_name) else None


def goal_of(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Read a registration from the wire."""
    replaces_first = request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
    by_property = {name: tuple(found.urns) for name, found in request.propertyDependencies.items()}
    trigger = request.replacement_trigger if request.HasField("replacement_trigger") else None
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs=from_struct(request.object),
        dependencies=tuple(sorted(set(request.dependencies))),
        property_dependencies={name: tuple(sorted(urns)) for name, urns in sorted(by_property.items())},
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        protect=_optional(request, "protect"),
        retain_on_delete=_optional(request, "retainOnDelete"),
        delete_before_replace=replaces_first,
        deleted_with=request.deletedWith,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        replace_with=tuple(request.replace_with),
        replacement_trigger=None if trigger is None else _value(trigger),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=tuple(Alias.of(alias) for alias in request.aliases)
        + tuple(Alias(urn=urn) for urn in request.aliasURNs),
        import_id=request.importId,
        location=location_of(request.stackTrace),
    )


def _value(value: Any) -> Any:
    holder = to_struct({})
    holder.fields["value"].CopyFrom(value)
    return from_struct(holder).get("value")


def transform_request(goal: Goal) -> resource_pb2.TransformRequest:
    """Write a goal as a transform function receives it."""
    options = resource_pb2.TransformResourceOptions(
        depends_on=goal.dependencies,
        protect=goal.protect,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        version=goal.version,
        aliases=[alias.message() for alias in goal.aliases],
        provider=goal.provider,
        retain_on_delete=goal.retain_on_delete,
        deleted_with=goal.deleted_with,
        delete_before_replace=goal.delete_before_replace,
        additional_secret_outputs=goal.additional_secret_outputs,
        providers=goal.providers,
        replace_with=goal.replace_with,
    )
    return resource_pb2.TransformRequest(
        type=goal.type,
        name=goal.name,
        custom=goal.custom,
        parent=goal.parent,
        properties=to_struct(goal.inputs),
        options=options,
    )


def transformed(goal: Goal, response: resource_pb2.TransformResponse) -> Goal:
    """Return the goal as a transform function has left it."""
    goal = replace(goal, inputs=from_struct(response.properties))
    if not response.HasField("options"):
        return goal
    options = response.options
    return replace(
        goal,
        dependencies=tuple(sorted(set(options.depends_on))),
        protect=_optional(options, "protect"),
        ignore_changes=tuple(options.ignore_changes),
        replace_on_changes=tuple(options.replace_on_changes),
        version=options.version or goal.version,
        aliases=tuple(Alias.of(alias) for alias in options.aliases),
        provider=options.provider or goal.provider,
        retain_on_delete=_optional(options, "retain_on_delete"),
        deleted_with=options.deleted_with,
        delete_before_replace=_optional(options, "delete_before_replace"),
        additional_secret_outputs=tuple(options.additional_secret_outputs),
        providers=dict(options.providers) or goal.providers,
        replace_with=tuple(options.replace_with),
    )

"""Command components: typed ports, checked against the values that are bound to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azureml_local.errors import bad_request
from azureml_local.jobs import bindings

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_TYPE: Final = "uri_file"
FOLDER_TYPES: Final = frozenset({"uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
PATH_TYPES: Final = FOLDER_TYPES | {FILE_TYPE}
_LITERAL_TYPES: Final = frozenset({"integer", "number", "boolean", "string", "enum", "literal"})
_DURATION: Final = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>[\d.]+)S)?)?"
)


@dataclass(frozen=True, slots=True)
class InputPort:
    """An input of a component."""

    name: str
    type: str
    optional: bool = False
    default: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def is_path(self) -> bool:
        """Whether the input is data, not a literal."""
        return self.type in PATH_TYPES

    def accepts(self, produced: str) -> bool:
        """Say whether data of a type can be bound: the same type, or any folder to a plain folder."""
        return produced == self.type or (self.type == "uri_folder" and produced in FOLDER_TYPES)

    def check_literal(self, text: str, where: str) -> None:
        """Refuse a literal of the wrong type or out of range."""
        if self.is_path:
            raise bad_request(f"{where}: expected data of type '{self.type}', got the literal '{text}'.")
        wrong = bad_request(f"{where}: '{text}' is not of type '{self.type}'.")
        if self.type == "boolean" and text.lower() not in {"true", "false"}:
            raise wrong
        if self.choices and text not in self.choices:
            raise bad_request(f"{where}: '{text}' is not one of {', '.join(self.choices)}.")
        if self.type in {"integer", "number"}:
            try:
                value = int(text) if self.type == "integer" else float(text)
            except ValueError as error:
                raise wrong from error
            low, high = self.minimum, self.maximum
            if (low is not None and value < float(low)) or (high is not None and value > float(high)):
                raise bad_request(f"{where}: {text} is not between {low} and {high}.")


@dataclass(frozen=True, slots=True)
class Component:
    """What a command node runs."""

    name: str
    version: str
    command: str
    environment_id: str
    code_id: str | None = None
    inputs: Mapping[str, InputPort] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    is_deterministic: bool = True
    timeout: float | None = None


def from_spec(spec: Mapping[str, Any], where: str) -> Component:
    """Read the ``componentSpec`` of a component resource.

    Raises
    ------
    AzureError
        400 when it is not a command component, or its command names ports that it does not have.
    """
    if spec.get("type", "command") != "command":
        raise bad_request(
            f"{where}: components of type '{spec['type']}' do not run on the embedded control plane; "
            "command components do."
        )
    if spec.get("distribution"):
        raise bad_request(f"{where}: distributed jobs do not run on the embedded control plane.")
    component = Component(
        name=str(spec.get("name", "")),
        version=str(spec.get("version", "")),
        command=required(spec, "command", where),
        environment_id=required(spec, "environment", where),
        code_id=spec.get("code"),
        inputs={name: _input(name, port, where) for name, port in (spec.get("inputs") or {}).items()},
        outputs={name: _output(name, port, where) for name, port in (spec.get("outputs") or {}).items()},
        environment_variables={
            name: str(value) for name, value in (spec.get("environment_variables") or {}).items()
        },
        is_deterministic=bool(spec.get("is_deterministic", True)),
        timeout=duration((spec.get("limits") or {}).get("timeout"), where),
    )
    check_command(component, where)
    return component


def check_command(component: Component, where: str) -> None:
    """Refuse a command that names ports which the component does not have, or may not have a value."""
    known = {f"inputs.{name}" for name in component.inputs} | {
        f"outputs.{name}" for name in component.outputs
    }
    named, needed = bindings.references(component.command)
    if unknown := sorted(named - known):
        raise bad_request(
            f"{where}: the command names {', '.join(unknown)}, which the component does not have."
        )
    optional = {
        f"inputs.{port.name}" for port in component.inputs.values() if port.optional and port.default is None
    }
    if loose := sorted(optional & needed):
        raise bad_request(
            f"{where}: the command names the optional {', '.join(loose)} outside of $[[ ]], so it cannot run "
            "without."
        )


def duration(value: Any, where: str) -> float | None:
    """Return the seconds of an ISO 8601 duration, or of a number of seconds; None for none."""
    if value is None:
        return None
    match = _DURATION.fullmatch(str(value))
    if match and any(match.groups()):
        parts = {name: float(text or 0) for name, text in match.groupdict().items()}
        return parts["days"] * 86400 + parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise bad_request(f"{where}: '{value}' is not a duration such as PT30M.") from error


def required(spec: Mapping[str, Any], name: str, where: str) -> str:
    """Return a text that must be there."""
    value = spec.get(name)
    if not value or not isinstance(value, str):
        raise bad_request(f"{where}: '{name}' is required.")
    return value


def _input(name: str, port: Mapping[str, Any], where: str) -> InputPort:
    kind = str(port.get("type"))
    if kind not in PATH_TYPES | _LITERAL_TYPES:
        raise bad_request(f"{where}: the input '{name}' has the type '{kind}', which does not exist.")

    def text(key: str) -> str | None:
        return None if port.get(key) is None else str(port[key])

    choices = tuple(str(choice) for choice in port.get("enum") or ())
    optional = str(port.get("optional", "")).lower() == "true"
    return InputPort(name, kind, optional, text("default"), text("min"), text("max"), choices)


def _output(name: str, port: Mapping[str, Any], where: str) -> str:
    kind = str(port.get("type"))
    if kind not in PATH_TYPES:
        raise bad_request(f"{where}: the output '{name}' has the type '{kind}', which does not exist.")
    return kind

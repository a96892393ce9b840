"""Checks inputs against the types of the installed SDK, down to the last nested key and enum value.

Programs pass plain dicts, since the SDK's classes fill in insecure defaults; but dicts are not checked
when a program runs. A misspelt key would be sent to Azure, or silently left out, and in a union of
types even a right key in Python's spelling is not translated to Azure's.
"""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

# What the SDK itself reads its classes with; there is no public way to the names on the wire.
from pulumi import _types

from infra.engine.azure_types import azure_type
from infra.engine.properties import Secret, Unknown
from infra.engine.property_path import Path, format_path
from mlops.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from infra.engine import ResourceState

__all__ = ["Problem", "check_inputs", "check_resources", "properties_of"]

_CONSTANT: Final = re.compile(r'pulumi\.set\(__self__, "(\w+)", \'([^\']+)\'\)')
# Lists of values that Azure takes others beside: streams of custom tables, and the operators of query
# rules, of which the SDK lists those of dimensions alone.
_OPEN_ENUMS: Final = {
    "ConditionOperator": re.compile("Equals|(Greater|Less)Than(OrEqual)?|GreaterOrLessThan"),
    "KnownDataFlowStreams": re.compile("(Custom|Microsoft)-[A-Za-z0-9_]+"),
}
_SCALARS: Final = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where inputs do not fit the SDK's types."""

    path: Path
    message: str
    urn: str = ""

    def __str__(self) -> str:
        name = self.urn.rpartition("::")[2]
        return f"{name + ': ' if name else ''}{format_path(self.path)}: {self.message}"


def check_resources(resources: Iterable[ResourceState]) -> list[Problem]:
    """Return what is wrong with the inputs of every resource of Azure."""
    return [
        Problem(problem.path, problem.message, one.urn)
        for one in resources
        if one.type.startswith("azure-native:") and not one.external
        for problem in check_inputs(one.type, one.inputs)
    ]


def check_inputs(type_token: str, inputs: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the inputs of one resource.

    Examples
    --------
    >>> check_inputs("azure-native:resources:ResourceGroup", {"loction": "westeurope"})
    ... # doctest: +ELLIPSIS
    [Problem(path=('loction',), message="there is no such property; did you mean 'location'?", ...
    """
    return list(_check_object(dict(inputs), _arguments_class(type_token), ()))


def properties_of(type_token: str) -> frozenset[str]:
    """Return the names of the inputs that a resource type takes."""
    return frozenset(_properties(_arguments_class(type_token)))


@cache
def _arguments_class(type_token: str) -> type:
    _, module, name = azure_type(type_token).token.split(":")
    imported = import_module(f"pulumi_azure_native.{module}")
    # Where a nested type has the same name, the resource's own arguments are called InitArgs.
    found = getattr(imported, f"{name}InitArgs", None) or getattr(imported, f"{name}Args")
    return typing.cast("type", found)


def _check(value: Any, expected: Any, path: Path) -> Iterator[Problem]:
    if isinstance(value, Secret):
        value = value.value
    members = _members(expected)
    if isinstance(value, Unknown) or value is None or Any in members:
        return
    if isinstance(value, dict):
        yield from _check_mapping(value, members, path)
    elif isinstance(value, list):
        items = [typing.get_args(one)[0] for one in members if typing.get_origin(one) in _SEQUENCES]
        if not items:
            yield Problem(path, f"expected {_described(members)}, got a list")
        for index, item in enumerate(value):
            yield from _check(item, items[0] if items else Any, (*path, index))
    else:
        yield from _check_scalar(value, members, path)


_SEQUENCES: Final = (list, collections.abc.Sequence)


def _members(expected: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, without what only exists while a program runs."""
    if typing.get_origin(expected) not in (typing.Union, types.UnionType):
        return (expected,)
    found: list[Any] = []
    for one in typing.get_args(expected):
        origin = typing.get_origin(one)
        if one is type(None) or origin is collections.abc.Awaitable or "Output" in str(origin):
            continue
        found += _members(one)
    return tuple(dict.fromkeys(found))


def _check_mapping(value: dict[str, Any], members: tuple[Any, ...], path: Path) -> Iterator[Problem]:
    classes = [one for one in members if isinstance(one, type) and _types.is_input_type(one)]
    if classes:
        chosen = _chosen(value, classes)
        if isinstance(chosen, str):
            yield Problem(path, chosen)
        else:
            yield from _check_object(value, chosen, path)
        return
    values = [
        typing.get_args(one)[1]
        for one in members
        if typing.get_origin(one) in (dict, collections.abc.Mapping)
    ]
    if not values:
        yield Problem(path, f"expected {_described(members)}, got an object")
    for key, item in value.items():
        yield from _check(item, values[0] if values else Any, (*path, key))


def _chosen(value: Mapping[str, Any], classes: list[type]) -> type | str:
    """Return the class that the value's discriminator names, or what is wrong with it."""
    if len(classes) == 1:
        return classes[0]
    by_constant = {(name, constant): one for one in classes for name, constant in _constants(one).items()}
    named = [one for (name, constant), one in by_constant.items() if value.get(name) == constant]
    if named:
        return named[0]
    if not by_constant:
        return min(classes, key=lambda one: len(list(_check_object(dict(value), one, ()))))
    name = next(iter(by_constant))[0]
    allowed = ", ".join(sorted(constant for _, constant in by_constant))
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    if snake != name and snake in value:
        return f"{snake!r} is Python's spelling, which a union of types does not translate: write {name!r}"
    return f"{name!r} must be one of {allowed}; got {value.get(name)!r}"


@cache
def _constants(one: type) -> dict[str, str]:
    """Return the properties that have one value in this class: what tells a union's members apart."""
    names = _types.input_type_py_to_pulumi_names(one)
    found = _CONSTANT.findall(inspect.getsource(one.__init__))  # type: ignore[misc]
    return {names[name]: constant for name, constant in found}


@cache
def _required(one: type) -> frozenset[str]:
    names = _types.input_type_py_to_pulumi_names(one)
    parameters = inspect.signature(one).parameters.values()
    return frozenset(names[one.name] for one in parameters if one.default is inspect.Parameter.empty)


@cache
def _properties(one: type) -> dict[str, Any]:
    return dict(_types.input_type_types(one))


def _check_object(value: dict[str, Any], one: type, path: Path) -> Iterator[Problem]:
    known = _properties(one)
    for key, item in value.items():
        if key not in known:
            close = nearest(key, known)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(sorted(known))}"
            yield Problem((*path, key), f"there is no such property; {hint}")
            continue
        constant = _constants(one).get(key)
        if constant is not None and item != constant:
            yield Problem((*path, key), f"must be {constant!r}; got {item!r}")
            continue
        yield from _check(item, known[key], (*path, key))
    for key in sorted(_required(one) - set(value)):
        yield Problem((*path, key), "is required and missing")


def _check_scalar(value: Any, members: tuple[Any, ...], path: Path) -> Iterator[Problem]:
    enums = [one for one in members if isinstance(one, type) and issubclass(one, Enum)]
    if enums:
        allowed = [item.value for one in enums for item in one]
        other = _OPEN_ENUMS.get(enums[0].__name__)
        if value not in allowed and not (other and other.fullmatch(str(value))):
            close = nearest(str(value), [str(item) for item in allowed])
            hint = f"did you mean {close!r}?" if close else f"allowed: {', '.join(map(str, allowed))}"
            yield Problem(path, f"{value!r} is not a value of {enums[0].__name__}; {hint}")
        return
    fits = (
        bool in members
        if isinstance(value, bool)
        else (int in members or float in members)
        if isinstance(value, int)
        else type(value) in members
    )
    if not fits:
        yield Problem(path, f"expected {_described(members)}, got {value!r}")


def _described(members: tuple[Any, ...]) -> str:
    words = []
    for one in members:
        if one in _SCALARS:
            words.append(_SCALARS[one])
        elif typing.get_origin(one) in _SEQUENCES:
            words.append("a list")
        else:
            words.append("an object")
    return " or ".join(dict.fromkeys(words))

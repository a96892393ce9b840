"""The ports of a pipeline's nodes: what a value, a range or a reference may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Port", "find_cycle", "literal_problem", "reference_problem", "specification_problems"]

# The service creates no label but this one; `champion` and the like must be versions or tags.
_LABELS = ("latest",)
_REMOTE = re.compile(r"^(azureml:/|azureml://|[a-z][a-z0-9+.-]+://)")
_ASSET = re.compile(r"^azureml:[A-Za-z0-9][\w.-]*:[\w.-]+$")
_NAMED = re.compile(r"^[A-Za-z0-9][\w.-]*(@|:)[\w.-]+$")
_FOLDERS = frozenset({"uri_folder", "mlflow_model", "custom_model", "mltable", "triton_model"})


@dataclass(frozen=True, slots=True)
class Port:
    """What is given to an input: data of a type at a path, or a plain value.

    Parameters
    ----------
    type
        The data's type; None for a plain value.
    path
        Where the data is; None for a plain value.
    value
        The plain value; None for data.
    """

    type: str | None
    path: str | None
    value: Any

    @classmethod
    def of_job(cls, given: Any) -> Port:
        """Take what a job's own input was given."""
        return cls._of(given._data)  # noqa: SLF001 - the SDK has no public way to see it

    of_node = of_job

    @classmethod
    def _of(cls, data: Any) -> Port:
        path = getattr(data, "path", None)
        if path is None:
            return cls(None, None, data)
        return cls(getattr(data, "type", None), str(path), None)


def find_cycle(needs: Mapping[str, set[str]]) -> list[str]:
    """Return nodes that wait for each other, first and last the same; empty when there are none.

    Parameters
    ----------
    needs
        For each node, the nodes whose outputs it takes.

    Examples
    --------
    >>> find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    ['b', 'c', 'b']
    """
    remaining = dict(needs)
    while ready := [name for name in remaining if not needs[name] & remaining.keys()]:
        for name in ready:
            del remaining[name]
    if not remaining:
        return []
    # Whatever is left waits for something that is left; following that leads into the circle.
    path = [min(remaining)]
    while (following := min(remaining[path[-1]] & remaining.keys())) not in path:
        path.append(following)
    return [*path[path.index(following) :], following]


def literal_problem(value: Any, wanted: Any) -> tuple[str, str, str] | None:
    """Return what is wrong with a plain value for a declared input, as (what, got, expected)."""
    shown = repr(value)
    if wanted.type not in {"integer", "number", "string", "boolean"}:
        return "a plain value where data belongs", shown, str(wanted.type)
    if not _fits(value, wanted.type):
        return "the wrong type", shown, str(wanted.type)
    if wanted.type in {"integer", "number"}:
        number = float(value)
        low, high = _number(wanted.min), _number(wanted.max)
        if (low is not None and number < low) or (high is not None and number > high):
            return "out of range", shown, _range(wanted.min, wanted.max)
    if wanted.enum and value not in wanted.enum and str(value) not in map(str, wanted.enum):
        return "not one of the allowed values", shown, f"one of {', '.join(map(str, wanted.enum))}"
    return None


def specification_problems(specification: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a component's own declaration of an input."""
    low, high = _number(specification.min), _number(specification.max)
    if low is not None and high is not None and low > high:
        yield "min is above max", f"min {specification.min}", f"at most max {specification.max}"
    elif specification.default is not None:
        found = literal_problem(specification.default, specification)
        if found:
            what, got, expected = found
            yield f"the default is {what}", got, expected


def reference_problem(text: str, kind: str | None) -> tuple[str, str, str, str] | None:
    """Return what is wrong with a path or an asset's name, as (what, got, expected, fix).

    Parameters
    ----------
    text
        ``azureml:name:version``, ``name@latest``, a URL, or a local path.
    kind
        Type of the data at a local path; None when `text` must name an asset.
    """
    remote = _REMOTE.match(text)
    if text.startswith("azureml:") and not remote:
        return _asset_problem(text)
    if (match := _NAMED.match(text)) and match[1] == "@":
        return _label_problem(text)
    return None if remote or (kind is None and match) else _path_problem(text, kind)


def _asset_problem(text: str) -> tuple[str, str, str, str] | None:
    if "@" in text:
        name = text.removeprefix("azureml:").partition("@")[0]
        # The SDK strips the prefix from YAML alone; in Python it would ask for an asset of this very name.
        what = "a label does not go with the prefix 'azureml:'"
        return what, text, "name@latest or azureml:name:version", f"write {name}@latest"
    if _ASSET.match(text):
        return None
    return "not an asset's name", text, "azureml:name:version", "add the version, or write name@latest"


def _label_problem(text: str) -> tuple[str, str, str, str] | None:
    if text.rpartition("@")[2] in _LABELS:
        return None
    return "no asset has this label", text, f"@{_LABELS[0]}", "name a version: azureml:name:version"


def _path_problem(text: str, kind: str | None) -> tuple[str, str, str, str] | None:
    path = Path(text)
    if not path.exists():
        fix = "create it, correct the path, or name an asset: azureml:name:version"
        return "the path does not exist", text, "an existing file or folder", fix
    if kind == "uri_file" and not path.is_file():
        return "a folder where a file belongs", text, "a file", "name the file"
    if kind in _FOLDERS and not path.is_dir():
        return f"a file where a folder belongs ({kind})", text, "a folder", "name the folder"
    return None


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a value, or its text as it is sent, reads as the type."""
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool) or str(value).lower() in {"true", "false"}
    if isinstance(value, bool):
        return False
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return number == number and (kind == "number" or number.is_integer())  # noqa: PLR0124 - NaN is no number


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _range(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"

"""Workflows and actions as GitHub reads them."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load", "steps_of", "triggers_of"]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    list("tTfF"),
)


def load(path: Path) -> dict[str, Any]:
    """Read a workflow or an action."""
    return deepcopy(_parsed(path.read_text(encoding="utf-8")))


@cache
def _parsed(text: str) -> dict[str, Any]:
    content = yaml.load(text, Loader=_Loader)
    assert isinstance(content, dict)
    return content


def triggers_of(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the events that start a workflow, with their filters."""
    on = workflow["on"]
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {name: {} for name in on}
    return {name: filters if isinstance(filters, (dict, list)) else {} for name, filters in on.items()}


def steps_of(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every step with the job that it is in; of a composite action, with its name."""
    if "runs" in document:
        return [(document["name"], step) for step in document["runs"].get("steps") or ()]
    return [(name, step) for name, job in document["jobs"].items() for step in job.get("steps") or ()]

"""Changing single values of a YAML file: every comment, quote and blank line stays as it was written.

Values are replaced where the parser found them, so nothing is written anew that did not change. The
result is parsed again and compared with what was asked for before it is returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from mlops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["remove_key", "set_values"]

_INDENT: Final = 2


def set_values(text: str, values: Mapping[tuple[str, ...], Any], *, where: str) -> str:
    r"""Return `text` with values set; mappings that are missing on the way are added.

    Parameters
    ----------
    text
        A YAML document whose top level is a mapping, in block style where keys are added.
    values
        The new values by location: mapping keys from the top.
    where
        The file's name, for messages.

    Raises
    ------
    SettingsError
        The file is not YAML, or a location is not in a block mapping.

    Examples
    --------
    >>> set_values("a: 1  # one\nb: 2\n", {("a",): 3}, where="f.yaml")
    'a: 3  # one\nb: 2\n'
    """
    for location, value in values.items():
        text = _set(text, location, value, where)
        if _at(yaml.safe_load(text), location) != value:
            raise _cannot(location, where)
    return text


def remove_key(text: str, location: tuple[str, ...], *, where: str) -> str:
    """Return `text` without one key; a mapping that loses its last key goes with it."""
    if _at(yaml.safe_load(text), location) is None:
        return text
    mapping = _node(_root(text, where), location[:-1])
    if not isinstance(mapping, yaml.MappingNode) or mapping.flow_style:
        raise _cannot(location, where)
    if len(mapping.value) == 1 and len(location) > 1:
        return remove_key(text, location[:-1], where=where)
    key, value = next(pair for pair in mapping.value if pair[0].value == location[-1])
    lines = text.splitlines(keepends=True)
    before, after = lines[: key.start_mark.line], lines[_last_line(value) + 1 :]
    while before and not after and not before[-1].strip():
        # What was the last block leaves no blank line behind.
        before.pop()
    return "".join(before + after)


def _set(text: str, location: tuple[str, ...], value: Any, where: str) -> str:
    root = _root(text, where)
    node = _node(root, location)
    if node is not None:
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
            return text[:start] + _inline(value) + text[end:]
        raise _cannot(location, where)
    depth = next(d for d in range(len(location) - 1, -1, -1) if _node(root, location[:d]) is not None)
    parent = _node(root, location[:depth])
    if not isinstance(parent, yaml.MappingNode) or (parent.value and parent.flow_style):
        raise _cannot(location, where)
    column = parent.value[0][0].start_mark.column if parent.value else 0
    lines = text.splitlines(keepends=True)
    position = _last_line(parent) + 1 if parent.value else len(lines)
    if lines and position and not lines[position - 1].endswith("\n"):
        lines[position - 1] += "\n"
    rest = location[depth:]
    added = [f"{' ' * (column + _INDENT * i)}{_inline(key)}:\n" for i, key in enumerate(rest[:-1])]
    added += [f"{' ' * (column + _INDENT * (len(rest) - 1))}{_inline(rest[-1])}: {_inline(value)}\n"]
    if depth == 0 and lines and len(rest) > 1:
        added.insert(0, "\n")
    return "".join([*lines[:position], *added, *lines[position:]])


def _root(text: str, where: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise SettingsError("The file is not valid YAML.", where=where, got=error) from error
    return yaml.MappingNode("tag:yaml.org,2002:map", []) if node is None else node


def _node(node: yaml.Node, location: tuple[str, ...]) -> yaml.Node | None:
    for key in location:
        if not isinstance(node, yaml.MappingNode):
            return None
        found = next((value for name, value in node.value if name.value == key), None)
        if found is None:
            return None
        node = found
    return node


def _last_line(node: yaml.Node) -> int:
    """Return the line that the last value in `node` ends on; a block itself ends at the next one."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line)


def _inline(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _at(data: Any, location: tuple[str, ...]) -> Any:
    for key in location:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _cannot(location: tuple[str, ...], where: str) -> SettingsError:
    key = ".".join(location)
    return SettingsError(
        f"The value of {key!r} is written in a way that cannot be changed in place.",
        where=where,
        expected="one value a line, in block style",
        next_step=f"change {key} by hand",
    )

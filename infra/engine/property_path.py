r"""Property paths such as ``tags.owner``, ``rules[0].port`` or ``traffic["blue"]``; changes along them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.engine.properties import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ABSENT", "Change", "Path", "changes", "format_path", "matches", "parse_path", "restore"]

Path = tuple[str | int, ...]
"""Mapping keys and positions from the top; ``*`` in a pattern stands for any one of them."""

_STEP = re.compile(r'\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\[(?P<index>\d+|\*)\]|\.?(?P<key>[^.\[\]]+)')
_PLAIN_KEY = re.compile(r"[^.\[\]\"]+")


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()
"""What a path holds where there is nothing; null is a value."""


@dataclass(frozen=True, slots=True)
class Change:
    """One property that differs between two sets of inputs."""

    path: Path
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The path as text."""
        return format_path(self.path)


def parse_path(text: str) -> Path:
    """Split a path as Pulumi writes it.

    Raises
    ------
    ValueError
        The text is not a path.

    Examples
    --------
    >>> parse_path('rules[0].ports["http.alt"]')
    ('rules', 0, 'ports', 'http.alt')
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"not a property path: {text!r}")
        quoted, index, key = found.group("quoted", "index", "key")
        if quoted is not None:
            steps.append(re.sub(r"\\(.)", r"\1", quoted))
        elif index is not None:
            steps.append("*" if index == "*" else int(index))
        else:
            steps.append(key)
        position = found.end()
    return tuple(steps)


def format_path(path: Path) -> str:
    """Write a path as Pulumi does.

    Examples
    --------
    >>> format_path(("rules", 0, "ports", "http.alt"))
    'rules[0].ports["http.alt"]'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def matches(pattern: Path, path: Path) -> bool:
    """Return whether a change at `path` is a change of what `pattern` names, above or below it."""
    return all(want in ("*", step) for want, step in zip(pattern, path, strict=False))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, at the deepest place where both sides still have the same shape.

    An unknown differs from every known value: the engine cannot tell.
    """
    return tuple(_changes(dict(old), dict(new), ()))


def _changes(old: Any, new: Any, path: Path) -> Iterator[Change]:
    if isinstance(old, Secret) and isinstance(new, Secret):
        # Whether a value is secret is not a change of the resource; its content is, as a whole.
        if _content(old) != _content(new):
            yield Change(path, old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else ABSENT
            after = new[index] if index < len(new) else ABSENT
            yield from _changes(before, after, (*path, index))
    elif _content(old) != _content(new):
        yield Change(path, old, new)


def _content(value: Any) -> Any:
    if isinstance(value, Secret):
        return _content(value.value)
    if isinstance(value, dict):
        return {key: _content(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_content(item) for item in value]
    # Python calls 1 and True equal, Azure does not.
    return (bool, value) if isinstance(value, bool) else value


def restore(new: dict[str, Any], old: Mapping[str, Any], pattern: Path) -> dict[str, Any]:
    """Return `new` with what `pattern` names put back to what it is in `old`."""
    result = _restore(new, old, pattern)
    return dict(result) if isinstance(result, dict) else new


def _restore(new: Any, old: Any, pattern: Path) -> Any:
    if not pattern:
        return old
    step, rest = pattern[0], pattern[1:]
    if isinstance(old, dict | Secret) or isinstance(new, dict | Secret):
        before, after = _opened(old), _opened(new)
        if not isinstance(before, dict) or not isinstance(after, dict):
            return new
        keys = {*before, *after} if step == "*" else {step}
        merged = dict(after)
        for key in keys:
            value = _restore(after.get(key, ABSENT), before.get(key, ABSENT), rest)
            if value is ABSENT:
                merged.pop(key, None)
            else:
                merged[key] = value
        return Secret(merged) if isinstance(new, Secret) else merged
    if isinstance(old, list) and isinstance(new, list):
        shared = range(min(len(old), len(new)))
        positions = shared if step == "*" else [step] if step in shared else []
        return [
            _restore(item, old[index], rest) if index in positions else item for index, item in enumerate(new)
        ]
    return new


def _opened(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value

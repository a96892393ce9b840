"""A stack's differences as text: for a terminal, for a comment on a pull request, and as JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from infra.engine.properties import contains_secret, masked
from infra.engine.property_path import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.diff import Kind, ResourceChange, StackDiff
    from infra.engine.property_path import Change

__all__ = ["COMMENT_LIMIT", "to_document", "to_markdown", "to_text"]

COMMENT_LIMIT: Final = 65_536
"""Characters that GitHub takes in one comment."""

_LONGEST_VALUE: Final = 160
_TITLES: Final[dict[Kind, str]] = {
    "replace": "Replace",
    "delete": "Delete",
    "update": "Update",
    "create": "Create",
}
_SIGNS: Final[dict[Kind, str]] = {"replace": "±", "delete": "-", "update": "~", "create": "+"}


def to_document(found: StackDiff) -> dict[str, Any]:
    """Return the differences as JSON, secrets masked."""
    return {
        "stack": found.stack,
        "base": found.base,
        "unchanged": found.unchanged,
        "changes": [
            {
                "kind": one.kind,
                "urn": one.urn,
                "type": one.type,
                "name": one.name,
                "protected": one.protected,
                "reasons": dict(one.reasons),
                "formerUrn": one.former_name or None,
                "properties": [
                    {"path": change.name, "old": _json(change.old), "new": _json(change.new)}
                    for change in one.changes
                ],
            }
            for one in found.changes
        ],
    }


def to_text(found: StackDiff) -> str:
    """Return the differences for a terminal."""
    lines = [f"{found.stack} against {found.base}: {_counts(found)}"]
    for one in found.changes:
        lines.append(f"{_SIGNS[one.kind]} {_short(one.type)} {one.name}{_known_as(one)}{_warning(one)}")
        lines += [f"    forced by {path}: {reason}" for path, reason in one.reasons.items()]
        lines += [f"    {change.name}: {_shown(change, str)}" for change in one.changes]
    return "\n".join(lines)


def to_markdown(found: StackDiff, *, limit: int = COMMENT_LIMIT) -> str:
    """Return the differences for a comment, cut at a whole line when they do not fit.

    Values stand in code spans, so nothing in them is read as markup.
    """
    lines = list(_markdown(found))
    text = "\n".join(lines) + "\n"
    if len(text) <= limit:
        return text
    command = f"mlops infra diff {found.stack} --base {found.base}"
    kept: list[str] = []
    room = limit - len(_cut_note(len(lines), command)) - 1
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, _cut_note(len(lines) - len(kept), command)]) + "\n"


def _cut_note(left_out: int, command: str) -> str:
    return f"\n> **Cut here:** {left_out} more lines do not fit into a comment. See all: {_code(command)}"


def _markdown(found: StackDiff) -> Iterator[str]:
    yield f"### Infrastructure: {_code(found.stack)} against {_code(found.base)}"
    yield ""
    yield _counts(found, bold=True)
    for kind, title in _TITLES.items():
        of_kind = found.of_kind(kind)
        if not of_kind:
            continue
        yield ""
        yield f"#### {title}"
        yield ""
        for one in of_kind:
            yield from _markdown_resource(one)


def _markdown_resource(one: ResourceChange) -> Iterator[str]:
    label = f"{_code(_short(one.type))} {_code(one.name)}"
    known_as = f" ({_code(one.known_as)})" if one.known_as and one.known_as != one.name else ""
    moved = f", was {_code(one.former_name)}" if one.former_name else ""
    line = f"**{label}**{known_as}" if one.kind == "replace" else f"{label}{known_as}"
    yield f"- {line}{moved}{_warning(one, bold=True)}"
    for path, reason in one.reasons.items():
        yield f"  - **forced by {_code(path)}: {reason}**"
    for change in one.changes:
        yield f"  - {_code(change.name)}: {_shown(change, _code)}"


def _counts(found: StackDiff, *, bold: bool = False) -> str:
    words: dict[Kind, str] = {
        "create": "to create",
        "update": "to update",
        "replace": "to replace",
        "delete": "to delete",
    }
    counts = []
    for kind, word in words.items():
        number = len(found.of_kind(kind))
        text = f"{number} {word}"
        counts.append(f"**{text}**" if bold and number and kind in ("replace", "delete") else text)
    return f"{', '.join(counts)}, {found.unchanged} unchanged"


def _warning(one: ResourceChange, *, bold: bool = False) -> str:
    if not one.protected:
        return ""
    text = "protected: the deployment will be refused"
    return f"; **{text}**" if bold else f"; {text}"


def _known_as(one: ResourceChange) -> str:
    return f" ({one.known_as})" if one.known_as and one.known_as != one.name else ""


def _short(type_token: str) -> str:
    return type_token.removeprefix("azure-native:")


def _shown(change: Change, quote: Callable[[str], str]) -> str:
    old, new = _text(change.old), _text(change.new)
    if old == new and contains_secret([change.old, change.new]):
        return f"{quote(old)}, changed"
    return f"{quote(old)} → {quote(new)}"


def _json(value: Any) -> Any:
    return None if value is ABSENT else masked(value)


def _text(value: Any) -> str:
    """Return a value on one line: absent, or compact JSON of a bounded length."""
    if value is ABSENT:
        return "(absent)"
    text = json.dumps(masked(value), ensure_ascii=False, separators=(", ", ": "))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"


def _code(text: str) -> str:
    """Return a code span; one more backtick around than the longest run inside."""
    flat = re.sub(r"\s", " ", text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}"

"""What Pulumi says it would do, and the digest that binds an approval to it.

An update plan of Pulumi binds operations and inputs, and not the state that they start from. The digest
binds all three: the commit, each operation with its inputs, and the inputs that are there now.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.delivery.markdown import cell, code, folded, table
from mlops.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Operation", "Preview", "read_preview", "refusal", "to_markdown"]

Kind = Literal["replace", "delete", "update", "create"]
# `pulumi preview --json`, PreviewDigest.steps[].op; what is not here changes nothing in the cloud.
_KINDS: Final[Mapping[str, Kind]] = {
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "discard-replaced": "replace",
    "delete": "delete",
    "discard": "delete",
    "update": "update",
    "create": "create",
    "import": "create",
}
_IDLE: Final = frozenset({"same", "read", "read-replacement", "refresh", "remove-pending-replace"})
_ORDER: Final[tuple[Kind, ...]] = ("replace", "delete", "update", "create")
_DESTROYING: Final[tuple[Kind, ...]] = ("replace", "delete")
_SHOWN: Final = 12
_HIDDEN: Final = ("pulumi:pulumi:", "pulumi:providers:")


@dataclass(frozen=True, slots=True)
class Operation:
    """What happens to one resource.

    Parameters
    ----------
    properties
        Paths that differ; for a replacement, those that force it.
    protected
        Pulumi will refuse to delete or replace it.
    """

    kind: Kind
    urn: str
    properties: tuple[str, ...] = ()
    protected: bool = False

    @property
    def type(self) -> str:
        """Pulumi's type token."""
        return self.urn.split("::")[2].rpartition("$")[2] if self.urn.count("::") >= 3 else ""

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True, slots=True)
class Preview:
    """One preview of one stack.

    Parameters
    ----------
    digest
        SHA-256 over commit, operations, and inputs before and after.
    at
        When it was made, in UTC.
    """

    stack: str
    commit: str
    operations: tuple[Operation, ...]
    unchanged: int
    digest: str
    at: datetime
    diagnostics: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON; values of properties are left out."""
        return {
            "stack": self.stack,
            "commit": self.commit,
            "digest": self.digest,
            "at": self.at.isoformat(timespec="seconds"),
            "unchanged": self.unchanged,
            "operations": [
                {
                    "kind": one.kind,
                    "urn": one.urn,
                    "properties": list(one.properties),
                    "protected": one.protected,
                }
                for one in self.operations
            ],
        }


def read_preview(document: Mapping[str, Any], *, stack: str, commit: str, at: datetime) -> Preview:
    """Read the JSON of ``pulumi preview --json``.

    Raises
    ------
    DeploymentError
        It has an operation that is not known, so that nobody could approve it.
    """
    found: dict[str, Operation] = {}
    bound: list[Any] = []
    unchanged = 0
    for step in document.get("steps") or ():
        name, urn = str(step.get("op")), str(step.get("urn"))
        if name in _IDLE:
            unchanged += name == "same" and not _type(urn).startswith(_HIDDEN)
            continue
        if name not in _KINDS:
            raise DeploymentError(
                "Pulumi plans an operation that is not known here.",
                where=urn,
                got=name,
                expected=f"one of {', '.join(sorted({*_KINDS, *_IDLE}))}",
                next_step="add it to src/mlops/delivery/preview.py, after reading what it does",
            )
        bound.append(_bound(name, urn, step))
        if not _type(urn).startswith(_HIDDEN):
            found[urn] = _merged(found.get(urn), _KINDS[name], urn, step)
    return Preview(
        stack=stack,
        commit=commit,
        operations=tuple(sorted(found.values(), key=lambda one: (_ORDER.index(one.kind), one.urn))),
        unchanged=unchanged,
        digest=_digest(
            {"version": 1, "stack": stack, "commit": commit, "steps": sorted(bound, key=json.dumps)}
        ),
        at=at,
        diagnostics=tuple(_diagnostics(document)),
    )


def refusal(approved: str, planned_at: datetime, fresh: Preview, *, oldest: timedelta) -> str | None:
    """Return why a fresh preview may not be carried out, or None when it is what was approved.

    Parameters
    ----------
    approved
        The digest of the preview that a reviewer saw.
    planned_at
        When that preview was made.
    fresh
        The preview that was made just now.
    oldest
        An approval of an older preview counts no more.
    """
    age = fresh.at - planned_at
    if age > oldest:
        return (
            f"the approval has expired: what was approved was previewed {age / timedelta(hours=1):.0f} hours "
            f"ago, and counts for {oldest / timedelta(hours=1):.0f}"
        )
    if age < timedelta(minutes=-5):
        return f"the approved preview says that it was made in the future, at {planned_at.isoformat()}"
    if fresh.digest != approved:
        return (
            "what would be done now is not what was approved: the commit, the program or the cloud has "
            f"changed since (approved {approved[:12]}, now {fresh.digest[:12]})"
        )
    return None


def to_markdown(preview: Preview, *, title: str = "Preview") -> str:
    """Return a preview for reviewers: counts first, what destroys before what creates."""
    counted = Counter(one.kind for one in preview.operations)
    told = ", ".join(_strong(kind, f"{counted[kind]} to {kind}") for kind in _ORDER if counted[kind])
    made = f"of commit {code(preview.commit[:12])}, {preview.at:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"### {title}: {code(preview.stack)}",
        "",
        f"{told or 'nothing to do'}, {preview.unchanged} unchanged.",
        f"Digest {code(preview.digest[:12])} {made}.",
    ]
    if preview.operations:
        rows = [_row(one) for one in preview.operations]
        lines += ["", *folded("Operations", table(("", "type", "name", "properties", ""), rows))]
    if preview.diagnostics:
        lines += ["", *folded("Messages", [f"- {cell(text)}" for text in preview.diagnostics])]
    return "\n".join(lines) + "\n"


def _row(one: Operation) -> tuple[str, ...]:
    shown = ", ".join(code(path) for path in one.properties[:_SHOWN])
    refused = one.protected and one.kind in _DESTROYING
    return (
        _strong(one.kind, one.kind),
        code(one.type.removeprefix("azure-native:")),
        code(one.name),
        shown + _more(len(one.properties) - _SHOWN),
        "protected: Pulumi will refuse" if refused else "",
    )


def _strong(kind: Kind, text: str) -> str:
    return f"**{text}**" if kind in _DESTROYING else text


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _type(urn: str) -> str:
    return Operation("update", urn).type


def _merged(before: Operation | None, kind: Kind, urn: str, step: Mapping[str, Any]) -> Operation:
    """Return one operation for a resource; a replacement is told as three steps."""
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    paths = step.get("replaceReasons") or () if kind == "replace" else ()
    paths = paths or (step.get("detailedDiff") or {}) or step.get("diffReasons") or ()
    properties = {*(before.properties if before else ()), *(str(path) for path in paths)}
    protected = bool(old.get("protect") or (kind != "create" and new.get("protect")))
    return Operation(
        kind, urn, tuple(sorted(properties)), protected or (before is not None and before.protected)
    )


def _bound(name: str, urn: str, step: Mapping[str, Any]) -> list[Any]:
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    guards = [[bool(state.get(key)) for key in ("protect", "retainOnDelete")] for state in (old, new)]
    return [urn, name, old.get("inputs"), new.get("inputs"), guards, sorted(step.get("replaceReasons") or ())]


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _diagnostics(document: Mapping[str, Any]) -> Iterator[str]:
    messages: Iterable[Mapping[str, Any]] = document.get("diagnostics") or ()
    for message in messages:
        if message.get("severity") in {"error", "warning"}:
            yield f"{message['severity']}: {str(message.get('message', '')).strip()}"


def now() -> datetime:
    """Return the time in UTC, without parts of a second."""
    return datetime.now(UTC).replace(microsecond=0)

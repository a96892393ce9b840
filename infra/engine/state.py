"""What is known of a stack between two runs: resources in an order in which each follows what it needs.

The file is written whole or not at all, carries the version of its format, and holds secrets
encrypted; the key lies beside it, readable by its owner alone. An update that was interrupted leaves
what it had reached, so the next one continues there.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from cryptography.fernet import Fernet, InvalidToken

from infra.engine.errors import EngineError
from infra.engine.properties import SECRET_SIGNATURE, SIGNATURE_KEY, Secret
from mlops.files import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["ResourceState", "Snapshot", "StateFile", "ordered"]

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ResourceState:
    """One resource as it was last declared and deployed."""

    urn: str
    type: str
    name: str
    custom: bool
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    deleted_with: str = ""
    external: bool = False
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    replacement_trigger: Any = None
    # What a replacement has superseded and is still to be deleted.
    pending_delete: bool = False

    def needs(self) -> set[str]:
        """Return the URNs of everything that this resource must not outlive."""
        by_property = {urn for urns in self.property_dependencies.values() for urn in urns}
        others = {self.parent, self.deleted_with, self.provider.rpartition("::")[0]}
        return {*self.dependencies, *by_property, *others} - {"", self.urn}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stack: its resources, each after what it depends on, and its outputs."""

    resources: tuple[ResourceState, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)


def ordered(resources: Iterable[ResourceState]) -> tuple[ResourceState, ...]:
    """Return resources each after what it needs, and by URN where nothing else decides.

    Programs register in parallel, so the order in which they did differs from run to run.
    """
    waiting = {one.urn: one for one in resources}
    open_needs = {urn: one.needs() & waiting.keys() for urn, one in waiting.items()}
    needed_by: dict[str, list[str]] = {}
    for urn, needs in open_needs.items():
        for need in needs:
            needed_by.setdefault(need, []).append(urn)
    ready = [urn for urn, needs in open_needs.items() if not needs]
    heapify(ready)
    found = []
    while ready:
        urn = heappop(ready)
        found.append(waiting.pop(urn))
        for dependent in needed_by.get(urn, ()):
            open_needs[dependent].discard(urn)
            if not open_needs[dependent]:
                heappush(ready, dependent)
    return (*found, *(waiting[urn] for urn in sorted(waiting)))


class StateFile:
    """The file that keeps a snapshot; all access goes through one lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key_path = path.with_name(f"{path.name}.key")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file for one update.

        Raises
        ------
        EngineError
            Another update holds it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f"{self.path.name}.lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EngineError(
                    "Another update of this stack is running.",
                    where=str(self.path),
                    next_step="wait until it ends",
                ) from None
            yield

    def load(self) -> Snapshot:
        """Read the snapshot; a stack without a file is empty.

        Raises
        ------
        EngineError
            The file is not one of this engine, or its key is missing.
        """
        if not self.path.exists():
            return Snapshot()
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            version = document["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError("The state file cannot be read.", where=str(self.path), got=error) from error
        if version != _VERSION:
            raise EngineError(
                "The state file is of another version.", where=str(self.path), got=version, expected=_VERSION
            )
        opened = _opened(document, self._cipher())
        resources = tuple(_resource(entry) for entry in opened["resources"])
        return Snapshot(resources, opened["outputs"])

    def save(self, snapshot: Snapshot) -> None:
        """Write the snapshot in one step."""
        cipher = self._cipher()
        entries = [_sealed(_entry(resource), cipher) for resource in snapshot.resources]
        outputs = _sealed(dict(snapshot.outputs), cipher)
        write_json(self.path, {"version": _VERSION, "outputs": outputs, "resources": entries})

    def _cipher(self) -> Fernet:
        try:
            return Fernet(self.key_path.read_bytes())
        except FileNotFoundError:
            if self.path.exists():
                raise EngineError("The key of the state file is missing.", where=str(self.key_path)) from None
        key = Fernet.generate_key()
        self.key_path.parent.mkdir(parents=True, exist_ok=True)
        self.key_path.touch(mode=0o600)
        self.key_path.write_bytes(key)
        return Fernet(key)


_DEFAULTS: Final = ResourceState("", "", "", custom=False)


def _entry(resource: ResourceState) -> dict[str, Any]:
    """Return the fields that say something; a state file is also read by people."""
    fields = {name: getattr(resource, name) for name in ResourceState.__slots__}
    return {
        name: value
        for name, value in fields.items()
        if name in {"urn", "type", "name", "custom"} or value != getattr(_DEFAULTS, name)
    }


def _resource(entry: dict[str, Any]) -> ResourceState:
    known = {name: value for name, value in entry.items() if name in ResourceState.__slots__}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    dependencies = {name: tuple(urns) for name, urns in known.get("property_dependencies", {}).items()}
    return replace(_DEFAULTS, **{**known, **lists, "property_dependencies": dependencies})


def _sealed(value: Any, cipher: Fernet) -> Any:
    if isinstance(value, Secret):
        text = json.dumps(_sealed(value.value, cipher))
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": cipher.encrypt(text.encode()).decode()}
    if isinstance(value, dict):
        return {key: _sealed(item, cipher) for key, item in value.items()}
    return [_sealed(item, cipher) for item in value] if isinstance(value, list | tuple) else value


def _opened(value: Any, cipher: Fernet) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE_KEY) == SECRET_SIGNATURE:
            try:
                text = cipher.decrypt(value["ciphertext"].encode())
            except InvalidToken:
                raise EngineError("The key does not belong to this state file.") from None
            return Secret(_opened(json.loads(text), cipher))
        return {key: _opened(item, cipher) for key, item in value.items()}
    return [_opened(item, cipher) for item in value] if isinstance(value, list) else value

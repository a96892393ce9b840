"""Reading ``Pulumi.yaml`` and the configuration of a stack, as the command line of Pulumi does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from infra.engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Project", "load_project"]

_TYPED_KEYS: Final = {"type", "default", "value", "secret", "description", "items"}


@dataclass(frozen=True, slots=True)
class Project:
    """A program, and what it is configured to for one stack.

    Parameters
    ----------
    config
        Values by full key (``project:key``); what is not text is JSON, as the protocol has it.
    secret_keys
        The keys whose values are secrets.
    """

    name: str
    root: Path
    program: Path
    stack: str
    config: Mapping[str, str]
    secret_keys: frozenset[str]


def load_project(root: Path, stack: str, overrides: Mapping[str, Any] | None = None) -> Project:
    """Read the project in `root` for `stack`.

    Parameters
    ----------
    overrides
        Values that win over both files; keys without a colon are the project's own.

    Raises
    ------
    EngineError
        A file is missing or malformed, or a value is not of the type that the project declares.
    """
    document = _read(root / "Pulumi.yaml")
    name = document.get("name")
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or language != "python":
        raise EngineError(
            "This is not a Python program of Pulumi.",
            where=str(root / "Pulumi.yaml"),
            got=f"name: {name}, runtime: {language}",
            expected="a name, and the runtime python",
        )
    reader = _Configuration(name, root / "Pulumi.yaml")
    declared = document.get("config") or {}
    reader.add_declared(declared)
    stack_file = root / str(document.get("stackConfigDir", ".")) / f"Pulumi.{stack}.yaml"
    if stack_file.is_file():
        for key, value in (_read(stack_file).get("config") or {}).items():
            reader.add(key, value)
    for key, value in (overrides or {}).items():
        reader.add(key, value)
    reader.check(declared, stack)
    program = (root / str(document.get("main", "."))).resolve()
    return Project(name, root.resolve(), program, stack, reader.encoded(), frozenset(reader.secret_keys))


class _Configuration:
    def __init__(self, project: str, source: Path) -> None:
        self.project = project
        self.source = source
        self.values: dict[str, Any] = {}
        self.secret_keys: set[str] = set()

    def key(self, key: str) -> str:
        return key if ":" in key else f"{self.project}:{key}"

    def add(self, key: str, value: Any) -> None:
        if isinstance(value, dict) and set(value) == {"secure"}:
            # The ciphertext belongs to a key that this engine cannot have; programs only pass it on.
            digest = hashlib.sha256(str(value["secure"]).encode()).hexdigest()
            value = f"plaintext-{digest[:12]}"
            self.secret_keys.add(self.key(key))
        self.values[self.key(key)] = value

    def add_declared(self, declared: Mapping[str, Any]) -> None:
        for key, declaration in declared.items():
            if not (isinstance(declaration, dict) and set(declaration) <= _TYPED_KEYS):
                self.add(key, declaration)
                continue
            if declaration.get("secret"):
                self.secret_keys.add(self.key(key))
            for source in ("value", "default"):
                if source in declaration:
                    self.add(key, declaration[source])
                    break

    def check(self, declared: Mapping[str, Any], stack: str) -> None:
        for key, declaration in declared.items():
            if not isinstance(declaration, dict) or "type" not in declaration:
                continue
            if self.key(key) not in self.values:
                raise EngineError(
                    f"The stack {stack!r} has no value for the configuration key {key!r}.",
                    where=str(self.source),
                    expected=f"a value of the type {declaration['type']}",
                    next_step=f"add it to Pulumi.{stack}.yaml, or give it a default",
                )
            value = self.values[self.key(key)]
            if self.key(key) not in self.secret_keys and not _is_of_type(value, declaration):
                raise EngineError(
                    f"The configuration key {key!r} of the stack {stack!r} has the wrong type.",
                    where=str(self.source),
                    got=value,
                    expected=f"a value of the type {declaration['type']}",
                )

    def encoded(self) -> dict[str, str]:
        """Return each value as text; objects, lists, numbers and booleans as JSON."""
        return {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in self.values.items()
        }


def _is_of_type(value: Any, declaration: Mapping[str, Any]) -> bool:
    kind = declaration["type"]
    if kind == "array":
        items = declaration.get("items")
        return isinstance(value, list) and (not items or all(_is_of_type(item, items) for item in value))
    if kind == "object":
        return isinstance(value, dict)
    text = json.dumps(value) if isinstance(value, bool | int) else value
    if kind == "boolean":
        return text in ("true", "false")
    if kind == "integer":
        return isinstance(text, str) and text.removeprefix("-").isdecimal()
    return isinstance(value, str | int | float)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineError("The file does not exist.", where=str(path)) from None
    except yaml.YAMLError as error:
        raise EngineError("The file is not YAML.", where=str(path), got=error) from error
    if not isinstance(document, dict):
        raise EngineError("The file must be a mapping.", where=str(path), got=type(document).__name__)
    return document

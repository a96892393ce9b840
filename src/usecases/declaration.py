"""What a step reads of its use case's declaration (`usecase.yaml`).

The declaration is checked strictly before a pipeline is submitted (`mlops.usecase`). Steps run in an image
without that package, and read here what they need of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

__all__ = ["Column", "Contract", "Declaration"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the data and what its values must hold.

    Parameters
    ----------
    name, type, role
        `role` is ``id`` (identifies a row, never a feature), ``feature`` or ``target``.
    nullable
        Whether a value may be missing.
    minimum, maximum
        Inclusive bounds of a number.
    allowed
        The only values there are.
    """

    name: str
    type: Literal["integer", "number", "string"]
    role: Literal["id", "feature", "target"]
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[int | float | str, ...] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """The columns of a data set and the fewest rows that it may have."""

    columns: tuple[Column, ...]
    minimum_rows: int = 1

    @property
    def names(self) -> list[str]:
        """All columns, in the contract's order."""
        return [column.name for column in self.columns]

    @property
    def features(self) -> list[str]:
        """The model's inputs, in order."""
        return [column.name for column in self.columns if column.role == "feature"]

    @property
    def identifiers(self) -> list[str]:
        """The columns that identify a row."""
        return [column.name for column in self.columns if column.role == "id"]

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Contract:
        """Build a contract from its declaration."""
        columns = tuple(
            Column(**{**entry, "allowed": tuple(entry["allowed"]) if entry.get("allowed") else None})
            for entry in mapping["columns"]
        )
        return cls(columns=columns, minimum_rows=mapping.get("minimum_rows", 1))

    def inputs(self) -> list[dict[str, Any]]:
        """Return what serving checks of a request: id and feature columns as JSON-ready mappings."""
        return [
            {"name": c.name, "type": c.type, "role": c.role, "nullable": c.nullable}
            for c in self.columns
            if c.role != "target"
        ]


@dataclass(frozen=True, slots=True)
class Declaration:
    """A use case as its steps see it."""

    name: str
    contract: Contract
    target: str
    threshold: float
    split: Mapping[str, Any]
    latency_requests: int

    @classmethod
    def read(cls, path: Path) -> Declaration:
        """Read the declaration from `usecase.yaml`."""
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls(
            name=content["name"],
            contract=Contract.from_mapping(content["contract"]),
            target=content["target"]["column"],
            threshold=content["target"]["threshold"],
            split=content["training"]["split"],
            latency_requests=content["gate"]["latency"]["requests"],
        )

    def step(self, name: str) -> ModuleType:
        """Import this use case's module of a pipeline step, such as ``usecases.classical.train``."""
        return import_module(f"usecases.{self.name}.{name}")

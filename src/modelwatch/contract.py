"""The contract of a data set: what each column is and may hold. Kept as YAML and reviewed like code."""

from __future__ import annotations

import difflib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from modelwatch.columns import Kind
from modelwatch.errors import ContractError
from modelwatch.metrics import CATEGORICAL, NUMERICAL
from modelwatch.yaml_files import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.profiles import Profile

# A column of texts with more values than this is free text or an identifier: no list of allowed values.
LONGEST_ALLOWED = 200


class Role(StrEnum):
    """What a column is for."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    PROBABILITY = "probability"
    TARGET = "target"
    IDENTIFIER = "identifier"
    EVENT_TIME = "event_time"
    SEGMENT = "segment"
    IGNORED = "ignored"


TYPE_KINDS = {
    "integer": Kind.NUMBER,
    "number": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
    "text": Kind.TEXT,
    "time": Kind.TIME,
}


class ColumnContract(BaseModel):
    """What one column is and may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: Literal["integer", "number", "boolean", "text", "time"]
    role: Role = Role.FEATURE
    # Pinned here, never guessed from the row count: 0/1 must not be a number today and a category tomorrow.
    kind: Literal["numerical", "categorical"] | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    allowed: tuple[str, ...] | None = None
    nullable: bool = True
    # Share of texts that must spell numbers for a text column to be compared as numbers.
    parse_share: float = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.type not in ("integer", "number") and (self.minimum, self.maximum) != (None, None):
            raise ValueError(f"a column of type {self.type} has no minimum and maximum; use `allowed`")
        if self.type == "text" and self.kind == NUMERICAL:
            raise ValueError("a text column cannot be numerical")
        return self

    @property
    def ignored(self) -> bool:
        """Left out of profiles."""
        return self.role is Role.IGNORED

    @property
    def identifies(self) -> bool:
        """Names rows rather than describing them."""
        return self.role is Role.IDENTIFIER

    @property
    def value_kind(self) -> Kind:
        """Logical kind of the values."""
        return TYPE_KINDS[self.type]

    @property
    def compared_as(self) -> str:
        """Whether drift compares it as numbers or as categories."""
        if self.kind is not None:
            return self.kind
        return NUMERICAL if self.value_kind in (Kind.NUMBER, Kind.TIME) else CATEGORICAL


class Contract(BaseModel):
    """What a data set is.

    Examples
    --------
    >>> contract = Contract(columns=(ColumnContract(name="age", type="integer", minimum=0, maximum=120),))
    >>> contract["age"].compared_as
    'numerical'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["contract/v1"] = "contract/v1"
    columns: tuple[ColumnContract, ...]
    # Zone of event times that carry none. Without it a naive event time is refused.
    timezone: str | None = None

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [column.name for column in self.columns]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"columns named twice: {', '.join(repeated)}")
        return self

    def __getitem__(self, name: str) -> ColumnContract:
        for column in self.columns:
            if column.name == name:
                return column
        near = difflib.get_close_matches(name, [column.name for column in self.columns], n=3)
        raise ContractError("Unknown column", got=repr(name), expected=f"one of {near}" if near else None)

    def get(self, name: str) -> ColumnContract | None:
        """Return the column's contract, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns of one role."""
        return tuple(column.name for column in self.columns if column.role is role)

    @classmethod
    def load(cls, path: str | Path) -> Contract:
        """Read a contract from YAML.

        Raises
        ------
        ContractError
            If the file is no YAML or no contract; the message says where.
        """
        document = read_yaml(Path(path), "contract")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ContractError(
                "The contract is wrong",
                where=f"{path}: {where}",
                got=first.get("input"),
                expected=first["msg"],
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the contract as YAML, one column a block, defaults left out."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    def to_yaml(self) -> str:
        """Return the contract as YAML."""
        import yaml  # noqa: PLC0415

        columns = [
            {
                "name": column.name,
                "type": column.type,
                **column.model_dump(mode="json", exclude_defaults=True),
            }
            for column in self.columns
        ]
        zone = {} if self.timezone is None else {"timezone": self.timezone}
        document = {"version": self.version, **zone, "columns": columns}
        text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
        return text

    @classmethod
    def infer(
        cls,
        profile: Profile,
        *,
        roles: Mapping[str, Role | str] | None = None,
        timezone: str | None = None,
    ) -> Contract:
        """Draft the contract of a baseline: its types, ranges, values and nullability.

        Parameters
        ----------
        profile
            Profile of the baseline.
        roles
            Roles of columns that are not features.
        """
        named = {name: Role(role) for name, role in (roles or {}).items()}
        if unknown := sorted(set(named) - set(profile.columns)):
            raise ContractError("Roles for columns that the baseline does not have", got=unknown)
        columns = [_inferred(column, named.get(name)) for name, column in profile.columns.items()]
        return cls(columns=tuple(column for column in columns if column is not None), timezone=timezone)


def _inferred(column: ColumnProfile, role: Role | None) -> ColumnContract | None:
    types: dict[Kind, str] = {
        Kind.NUMBER: "integer" if column.integer else "number",
        Kind.BOOLEAN: "boolean",
        Kind.TEXT: "text",
        Kind.TIME: "time",
    }
    if column.kind not in types:
        return None
    if role is None:
        role = Role.IDENTIFIER if column.identifier_like else Role.FEATURE
    kind = types[column.kind]
    if role is Role.EVENT_TIME and kind == "text":
        # Formats without times of their own spell them.
        kind = "time"
    fields: dict[str, Any] = {"name": column.name, "type": kind, "role": role}
    compared = role in (Role.FEATURE, Role.PREDICTION, Role.TARGET, Role.SEGMENT, Role.PROBABILITY)
    if column.kind is Kind.NUMBER and compared:
        fields |= {"minimum": column.minimum, "maximum": column.maximum}
    names = column.category_names
    if column.kind is Kind.TEXT and compared and names is not None and len(names) <= LONGEST_ALLOWED:
        fields["allowed"] = tuple(names)
    return ColumnContract(**fields, nullable=column.missing > 0)

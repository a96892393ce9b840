"""The contract of a data set: what each column is and may hold. Kept as YAML and reviewed like code."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from copy import copy
from dataclasses import MISSING, dataclass, field, replace
from dataclasses import fields as fields_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwatch.column_contracts import ColumnContract, Role
from modelwatch.columns import Kind
from modelwatch.errors import ContractError, UsageError
from modelwatch.sources.windows import require_zone
from modelwatch.yaml_files import read_yaml, write_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.profiles import Profile

# A column of texts with more values than this is free text or an identifier: no list of allowed values.
LONGEST_ALLOWED = 200
VERSION = "contract/v1"
# What integers that name rows are called, and in how many rows at least their value is a new one.
_IDENTIFIER_NAME = re.compile(r"(^|_)([Ii]d|ID|uuid|UUID|guid|key)$|[a-z]Id$")
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a data set is.

    Attributes
    ----------
    columns
        Contracts of its columns, each name once.
    timezone
        Zone of event times that carry none; without it a naive event time is refused.

    Examples
    --------
    >>> contract = Contract(columns=(ColumnContract(name="age", type="integer", minimum=0, maximum=120),))
    >>> contract["age"].compared_as
    'numerical'
    """

    columns: tuple[ColumnContract, ...]
    timezone: str | None = None
    version: str = VERSION
    _named: dict[str, ColumnContract] = field(init=False, repr=False, compare=False)
    _drafted: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ContractError("Unknown version of a contract", got=self.version, expected=VERSION)
        if self.timezone is not None:
            _require_zone(self.timezone)
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "_named", {column.name: column for column in self.columns})
        if len(self._named) < len(self.columns):
            names = Counter(column.name for column in self.columns)
            repeated = sorted(name for name, times in names.items() if times > 1)
            raise ContractError("Columns named twice", got=repeated, expected="each name once")

    def __getitem__(self, name: str) -> ColumnContract:
        if name in self._named:
            return self._named[name]
        near = difflib.get_close_matches(name, self._named, n=3)
        raise ContractError("Unknown column", got=repr(name), expected=f"one of {near}" if near else None)

    def get(self, name: str) -> ColumnContract | None:
        """Return the column's contract, or None."""
        return self._named.get(name)

    @property
    def drafted(self) -> bool:
        """Inferred because none was given: its ranges are those of a sample, not what somebody declared."""
        return self._drafted

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns of one role."""
        return tuple(column.name for column in self.columns if column.role is role)

    def only(self, names: Collection[str]) -> Contract:
        """Return the contract of some columns."""
        return self.changed(tuple(column for column in self.columns if column.name in names), self.timezone)

    def changed(self, columns: tuple[ColumnContract, ...], timezone: str | None) -> Contract:
        """Return a copy with other columns, each name once, and another zone."""
        other = copy(self)
        named = {column.name: column for column in columns}
        for name, value in (("columns", columns), ("timezone", timezone), ("_named", named)):
            object.__setattr__(other, name, value)
        return other

    @classmethod
    def load(cls, path: str | Path) -> Contract:
        """Read a contract from YAML.

        Raises
        ------
        ContractError
            If the file is no YAML or no contract; the message says where.
        """
        return cls.parse(read_yaml(Path(path), "contract"), where=str(path))

    @classmethod
    def parse(cls, document: Any, *, where: str = "contract") -> Contract:
        """Read a contract from plain values.

        Raises
        ------
        ContractError
            If they are no contract; the message says where.
        """
        try:
            fields = _fields(document, cls, "")
            listed = fields.pop("columns")
            if not isinstance(listed, (list, tuple)):
                raise ContractError("The contract is wrong", where="columns", got=listed, expected="a list")
            columns = [
                ColumnContract(**_fields(column, ColumnContract, f"columns.{position}: "))
                for position, column in enumerate(listed)
            ]
            return cls(columns=tuple(columns), **fields)
        except ContractError as error:
            place = where if error.where is None else f"{where}: {error.where}"
            raise ContractError(error.what, where=place, got=error.got, expected=error.expected) from error

    def save(self, path: str | Path) -> None:
        """Write the contract as YAML, one column a block, defaults left out.

        Raises
        ------
        ContractError
            If the file cannot be written.
        """
        try:
            Path(path).write_text(self.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise ContractError(
                "The contract cannot be written",
                where=str(path),
                got=error.strerror,
                expected="a file in a folder that exists and can be written to",
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as plain values, as `parse` reads them; defaults are left out."""
        zone = {} if self.timezone is None else {"timezone": self.timezone}
        return {"version": self.version, **zone, "columns": [column.to_dict() for column in self.columns]}

    def to_yaml(self) -> str:
        """Return the contract as YAML."""
        return write_yaml(self.to_dict())

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
            Roles of columns that are not features. Without one, an only column of times is the event time,
            and what names nearly each row anew (texts, and integers called so) an identifier.
        """
        named = {name: _role(name, role) for name, role in (roles or {}).items()}
        if unknown := sorted(set(named) - set(profile.columns)):
            raise ContractError(
                "Roles for columns that the baseline does not have",
                got=unknown,
                expected=list(profile.columns),
            )
        times = [name for name, column in profile.columns.items() if column.kind is Kind.TIME]
        if len(times) == 1 and Role.EVENT_TIME not in named.values():
            named.setdefault(times[0], Role.EVENT_TIME)
        columns = [_inferred(column, named.get(name)) for name, column in profile.columns.items()]
        return cls(columns=tuple(column for column in columns if column is not None), timezone=timezone)

    def draft(self) -> Contract:
        """Return the same contract as one that nobody has seen: see `drafted`."""
        copy = replace(self)
        object.__setattr__(copy, "_drafted", True)
        return copy


def _require_zone(name: Any) -> None:
    if not isinstance(name, str):
        raise ContractError("The contract is wrong", where="timezone", got=name, expected="a text")
    try:
        require_zone(name)
    except UsageError as error:
        raise ContractError(error.what, where="timezone", got=name, expected=error.expected) from error


def _fields(document: Any, kind: type, where: str) -> dict[str, Any]:
    """Return a mapping whose keys are the fields of ``kind``, none unknown and none missing."""
    if not isinstance(document, dict):
        raise ContractError(
            "The contract is wrong", where=where.rstrip(": ") or None, got=document, expected="a mapping"
        )
    known = {entry.name: entry for entry in fields_of(kind) if entry.init}
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1) or sorted(known)
            raise ContractError("Unknown key", where=f"{where}{key}", got=key, expected=" or ".join(near))
    for name, entry in known.items():
        if entry.default is MISSING and name not in document:
            raise ContractError("A key is missing", where=where.rstrip(": ") or None, expected=name)
    return dict(document)


def _role(column: str, role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        known = [role.value for role in Role]
        near = difflib.get_close_matches(str(role), known, n=1)
        raise ContractError(
            "Unknown role",
            where=f"column {column!r}",
            got=repr(role),
            expected=(f"{near[0]!r}; the roles are " if near else "one of ") + ", ".join(known),
        ) from None


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
        role = Role.IDENTIFIER if column.identifier_like or _numbers_rows(column) else Role.FEATURE
    kind = types[column.kind]
    if role is Role.EVENT_TIME and kind == "text":
        # Formats without times of their own spell them.
        kind = "time"
    fields: dict[str, Any] = {"name": column.name, "type": kind, "role": role}
    compared = role in (Role.FEATURE, Role.PREDICTION, Role.TARGET, Role.SEGMENT, Role.PROBABILITY)
    if column.kind is Kind.NUMBER and role is Role.PROBABILITY:
        fields |= {"minimum": 0, "maximum": 1}
    elif column.kind is Kind.NUMBER and compared:
        fields |= {"minimum": column.minimum, "maximum": column.maximum}
    names = column.category_names
    if column.kind is Kind.TEXT and compared and names is not None and len(names) <= LONGEST_ALLOWED:
        fields["allowed"] = tuple(names)
    return ColumnContract(**fields, nullable=column.missing > 0)


def _numbers_rows(column: ColumnProfile) -> bool:
    """Tell whether an integer column is called an identifier and has nearly a value a row."""
    if not column.integer or column.kind is not Kind.NUMBER or column.cells is None:
        return False
    # More values than cells are exact for: "nearly each" cannot be told, the name decides.
    many = column.cells.shift > 0 or column.cells.keys.size > _NEARLY_ALL * column.cells.total
    return many and _IDENTIFIER_NAME.search(column.name) is not None

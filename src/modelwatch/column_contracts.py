"""The contract of one column: what it is, and what it may hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, NoReturn

from modelwatch.columns import Kind
from modelwatch.errors import ContractError
from modelwatch.metrics import CATEGORICAL, NUMERICAL


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnContract:
    """What one column is and may hold.

    Attributes
    ----------
    name
        Name of the column.
    type
        ``integer``, ``number``, ``boolean``, ``text`` or ``time``.
    role
        What the column is for.
    kind
        ``numerical`` or ``categorical``: pinned here, never guessed from the row count, since 0/1 must not be
        a number today and a category tomorrow. By default what the type suggests.
    minimum, maximum
        Range of an integer or number.
    allowed
        Values of a text or boolean.
    nullable
        Whether values may be missing.
    parse_share
        Share of texts that must spell numbers for a text column to be compared as numbers.

    Raises
    ------
    ContractError
        If a value is none of these, or two contradict each other.
    """

    name: str
    type: str
    role: Role = Role.FEATURE
    kind: str | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    allowed: tuple[str, ...] | None = None
    nullable: bool = True
    parse_share: float = 0.95

    def __post_init__(self) -> None:
        # Values come from files: their types are no better than what somebody wrote.
        given: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        choices: dict[str, tuple[str | None, ...]] = {
            "type": tuple(TYPE_KINDS),
            "role": tuple(role.value for role in Role),
            "kind": (None, NUMERICAL, CATEGORICAL),
        }
        for key, known in choices.items():
            if given[key] not in known:
                self._refuse(key, f"one of {', '.join(choice for choice in known if choice)}")
        for key in ("minimum", "maximum", "parse_share"):
            if not _is_number(given[key], optional=key != "parse_share"):
                self._refuse(key, "a number")
        for key, kind, wanted in (("name", str, "a text"), ("nullable", bool, "true or false")):
            if not isinstance(given[key], kind):
                self._refuse(key, wanted)
        if given["allowed"] is not None and not _are_texts(given["allowed"]):
            self._refuse("allowed", "a list of texts")
        object.__setattr__(self, "role", Role(self.role))
        object.__setattr__(self, "allowed", None if self.allowed is None else tuple(self.allowed))
        self._agree()

    def _agree(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            self._refuse("minimum", f"not above maximum {self.maximum}")
        if self.type not in ("integer", "number") and (self.minimum, self.maximum) != (None, None):
            self._refuse("type", f"no minimum and maximum for a column of type {self.type}, but `allowed`")
        if self.type == "text" and self.kind == NUMERICAL:
            self._refuse("kind", "categorical: a text column cannot be numerical")

    def to_dict(self) -> dict[str, Any]:
        """Return the column's contract as plain values, defaults left out."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        defaults = {entry.name: entry.default for entry in fields(self)}
        held = {key: value for key, value in values.items() if value != defaults[key]}
        if self.role is not Role.FEATURE:
            held["role"] = self.role.value
        return held if self.allowed is None else {**held, "allowed": list(self.allowed)}

    def _refuse(self, key: str, expected: str) -> NoReturn:
        raise ContractError(
            "The contract is wrong",
            where=f"column {self.name!r}: {key}",
            got=getattr(self, key),
            expected=expected,
        )

    @property
    def ignored(self) -> bool:
        """Left out of profiles."""
        return self.role is Role.IGNORED

    @property
    def expected(self) -> bool:
        """Whether every window has it: labels may come later, and rows may be those of a window already."""
        return self.role not in (Role.IGNORED, Role.TARGET, Role.EVENT_TIME)

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


def _is_number(value: object, *, optional: bool) -> bool:
    if value is None:
        return optional
    # An infinite limit limits nothing: it is left out instead.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _are_texts(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values)

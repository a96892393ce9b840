"""The profile of one column: counts and exact extremes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwatch.columns import Kind, Number
from modelwatch.distributions import CategoricalDistribution, NumericDistribution
from modelwatch.errors import ProfileError
from modelwatch.metrics import CATEGORICAL, NUMERICAL

if TYPE_CHECKING:
    from modelwatch.categories import CategoryCounts
    from modelwatch.cells import Cells
    from modelwatch.distributions import Distribution


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Counts of one column.

    Attributes
    ----------
    type
        Arrow type as stored, for notes about schema changes.
    kind
        Logical kind of the values counted: that of the contract where there is one.
    missing
        Nulls and NaN.
    type_errors
        Values that are not of `kind`, and could not be read as such.
    out_of_range
        Values outside the contract's range or list; None where no contract was applied.
    minimum, maximum
        Exact, of the finite values (whole numbers stay whole; times are in microseconds).
    """

    name: str
    type: str
    kind: Kind
    integer: bool = False
    rows: int = 0
    missing: int = 0
    type_errors: int = 0
    out_of_range: int | None = None
    positive_infinite: int = 0
    negative_infinite: int = 0
    minimum: Number | None = None
    maximum: Number | None = None
    cells: Cells | None = None
    categories: CategoryCounts | None = None

    @property
    def non_finite(self) -> int:
        """Infinities."""
        return self.positive_infinite + self.negative_infinite

    @property
    def valid(self) -> int:
        """Rows that entered the distribution."""
        return self.rows - self.missing - self.type_errors - self.non_finite

    @property
    def category_names(self) -> list[str] | None:
        """Categories seen, None where the column has none or too many to list."""
        if self.categories is None or self.categories.overflow:
            return None
        return list(self.categories.counts)

    @property
    def identifier_like(self) -> bool:
        """Nearly every row of a text column has a value of its own."""
        distribution = self.distribution(CATEGORICAL) if self.kind is Kind.TEXT else None
        return isinstance(distribution, CategoricalDistribution) and distribution.identifier_like

    def distribution(self, compared_as: str | None = None) -> Distribution | None:
        """Return what drift metrics read, or None for a column that cannot be compared so.

        Parameters
        ----------
        compared_as
            ``numerical`` or ``categorical``; by default what the kind suggests.
        """
        if compared_as != CATEGORICAL and self.cells is not None:
            return NumericDistribution(
                self.cells,
                self.missing,
                self.non_finite,
                None if self.minimum is None else float(self.minimum),
                None if self.maximum is None else float(self.maximum),
            )
        if compared_as == NUMERICAL:
            return None
        if self.categories is not None:
            counts = self.categories
            return CategoricalDistribution(counts.counts, self.missing, counts.overflow, counts.distinct)
        if self.cells is not None and self.cells.shift == 0:
            values = self.cells.edges()[0].tolist()
            # Whole numbers are the same categories whether or not a null made them floats.
            names = [str(int(value)) if value.is_integer() else repr(value) for value in values]
            counted = dict(zip(names, self.cells.counts.tolist(), strict=True))
            return CategoricalDistribution(counted, self.missing, 0, float(len(counted)))
        return None

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Return the profile of both columns' rows.

        Raises
        ------
        ProfileError
            If the two hold different kinds of values.
        """
        if Kind.EMPTY in (self.kind, other.kind) and self.kind is not other.kind:
            known, empty = (other, self) if self.kind is Kind.EMPTY else (self, other)
            return replace(known, rows=known.rows + empty.rows, missing=known.missing + empty.missing)
        if self.kind is not other.kind or (self.cells is None) is not (other.cells is None):
            raise ProfileError(
                "Columns of different kinds cannot be merged",
                where=self.name,
                got=f"{self.kind} and {other.kind}",
                next_step="profile both with the same contract",
            )
        return ColumnProfile(
            name=self.name,
            type=self.type if self.type == other.type else _common_type(self, other),
            kind=self.kind,
            integer=self.integer and other.integer,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            type_errors=self.type_errors + other.type_errors,
            out_of_range=_sum(self.out_of_range, other.out_of_range),
            positive_infinite=self.positive_infinite + other.positive_infinite,
            negative_infinite=self.negative_infinite + other.negative_infinite,
            minimum=_extreme(min, self.minimum, other.minimum),
            maximum=_extreme(max, self.maximum, other.maximum),
            cells=self.cells.merge(other.cells) if self.cells and other.cells else self.cells,
            categories=(
                self.categories.merge(other.categories)
                if self.categories is not None and other.categories is not None
                else self.categories
            ),
        )


def _common_type(one: ColumnProfile, two: ColumnProfile) -> str:
    if one.kind is Kind.NUMBER:
        return "int64" if one.integer and two.integer else "double"
    return "/".join(sorted({*one.type.split("/"), *two.type.split("/")}))


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two


def _extreme(pick: object, one: Number | None, two: Number | None) -> Number | None:
    known = [value for value in (one, two) if value is not None]
    if not known:
        return None
    return min(known) if pick is min else max(known)


def plain_number(value: object) -> Number | None:
    """Return an exact extreme as a Python number, None where there is none."""
    if value is None:
        return None
    if isinstance(value, int):
        return int(value)
    number = float(value)  # type: ignore[arg-type]
    # Parquet footers write a smallest zero as -0.0, which is no other number.
    return number + 0.0 if math.isfinite(number) else None

"""Changes of schema between a baseline and production, and what likely caused them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelwatch.cells import Cells
from modelwatch.columns import NUMBER_PATTERN, Kind
from modelwatch.emptiness import as_empty, valueless
from modelwatch.results import with_note

if TYPE_CHECKING:
    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.contract import Contract
    from modelwatch.profiles import Profile

# Share of texts that must spell numbers before a text column is compared as numbers.
PARSE_SHARE = 0.95
_NUMBER = re.compile(NUMBER_PATTERN)
# As `modelwatch.columns.type_name` writes them.
_NUMBER_TYPES = frozenset(
    {"halffloat", "float", "double", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)


class SchemaChange(NamedTuple):
    """One finding: ``breaking`` changes make comparisons of the column meaningless."""

    column: str
    breaking: bool
    note: str


class Conformed(NamedTuple):
    """A production column read as its baseline's kind; ``comparable`` tells whether enough of it could be."""

    column: ColumnProfile
    comparable: bool
    note: str


def blank(profile: Profile) -> bool:
    """Tell whether data have neither rows nor columns: an empty window of a format without a schema."""
    return not profile.rows and not profile.columns and not profile.duplicate_names


def absence(name: str, production: Profile, baseline: Profile | None = None) -> str:
    """Return why a column cannot be read on both sides (by default in production): a note, else empty."""
    if baseline is not None and name in baseline.duplicate_names:
        return f"column {name!r} occurs more than once in the baseline"
    if name in production.columns:
        return ""
    if blank(production):
        return "no rows in production"
    if name in production.duplicate_names:
        return f"column {name!r} occurs more than once in production"
    if baseline is not None and name not in baseline.columns:
        return f"column {name!r} of the contract is missing in baseline and production"
    return f"column {name!r} is missing in production"


def changes(baseline: Profile, production: Profile, contract: Contract | None = None) -> list[SchemaChange]:
    """Return missing, extra and doubled columns, with a hint where a name differs only in writing.

    Parameters
    ----------
    contract
        A column of it that neither side has is missing too, unless it is a label, which may be late.
    """
    doubled = dict.fromkeys([*production.duplicate_names, *baseline.duplicate_names])
    found = [SchemaChange(name, breaking=True, note=_doubled(name, baseline, production)) for name in doubled]
    if blank(production):
        return found
    extra = [name for name in production.columns if name not in baseline.columns and name not in doubled]
    declared = [column.name for column in contract.columns if column.expected] if contract else []
    for name in dict.fromkeys([*baseline.columns, *declared]):
        if name in production.columns or name in doubled:
            continue
        twin = next((other for other in extra if normalised(other) == normalised(name)), None)
        hint = f"; {twin!r} differs only by case or normalisation" if twin else ""
        found.append(SchemaChange(name, breaking=True, note=absence(name, production, baseline) + hint))
    found += [SchemaChange(name, breaking=False, note=f"column {name!r} is new") for name in extra]
    return found


def _doubled(name: str, baseline: Profile, production: Profile) -> str:
    sides = {"baseline": baseline, "production": production}
    where = [side for side, profile in sides.items() if name in profile.duplicate_names]
    return f"column {name!r} occurs more than once in {' and '.join(where)}"


def normalised(name: str) -> str:
    """Return a name without differences of case, Unicode form, and white space around."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def conformed(
    baseline: ColumnProfile, production: ColumnProfile, parse_share: float = PARSE_SHARE
) -> Conformed:
    """Read a production column as the kind of its baseline and count what does not fit.

    Wider numbers fit. Texts are read as numbers where at least ``parse_share`` of them spell some. Anything
    else is a type error a value.
    """
    note = ""
    if valueless(production):
        return Conformed(as_empty(production, baseline), comparable=True, note="")
    if valueless(baseline) or baseline.kind is production.kind:
        if not valueless(baseline) and baseline.kind is Kind.NUMBER and baseline.type != production.type:
            # A contract reads texts and others as numbers: then the type is not wider, but another.
            wider = production.type in _NUMBER_TYPES or production.type.startswith("decimal")
            what = "dtype_widened:" if wider else "type changed from"
            note = f"{what} {baseline.type} to {production.type}"
        valid = production.rows - production.missing
        enough = not production.type_errors or production.type_errors <= (1 - parse_share) * valid
        if production.type_errors and production.kind is Kind.NUMBER:
            note = with_note(note, f"{production.type_errors} values are no numbers")
        return Conformed(production, enough, note)
    valid = production.rows - production.missing
    what = f"type changed from {baseline.type} to {production.type}"
    if baseline.kind is Kind.NUMBER and production.category_names is not None:
        column = _parsed(production, integer=baseline.integer)
        share = 1 - column.type_errors / valid if valid else 1.0
        return Conformed(column, share >= parse_share, f"{what}; {share:.1%} spell numbers")
    column = replace(
        production, kind=baseline.kind, type_errors=valid, cells=None, categories=None, out_of_range=None
    )
    return Conformed(column, comparable=False, note=what)


def _parsed(column: ColumnProfile, *, integer: bool) -> ColumnProfile:
    counts = column.categories.counts if column.categories is not None else {}
    spelled = {name: rows for name, rows in counts.items() if _NUMBER.match(name)}
    values = np.array([float(name) for name in spelled], dtype=np.float64)
    rows = np.array(list(spelled.values()), dtype=np.int64)
    finite = np.isfinite(values)
    return replace(
        column,
        kind=Kind.NUMBER,
        integer=integer,
        type_errors=sum(counts.values()) - int(rows.sum()),
        categories=None,
        cells=Cells.of(values[finite], rows[finite]),
        minimum=float(values[finite].min()) if finite.any() else None,
        maximum=float(values[finite].max()) if finite.any() else None,
        positive_infinite=int(rows[~finite].sum()),
        out_of_range=None,
    )

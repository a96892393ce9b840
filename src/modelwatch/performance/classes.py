"""Classes as labels, predictions and declarations write them: what is the same class, and which is positive.

Performance, estimates without labels and fairness all ask here. A positive class that is guessed wrong is a
class of no rows, and every number over it is wrong with the status ``ok``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.columns import NUMBER_PATTERN, Kind, as_array, kind_of, texts
from modelwatch.distributions import CategoricalDistribution
from modelwatch.errors import SourceError
from modelwatch.metrics import CATEGORICAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.arrays import AnyArray, BoolArray, IntArray
    from modelwatch.column_profiles import ColumnProfile

# Pairs of which everyone knows the positive one, negative first.
_KNOWN_PAIRS = (("0", "1"), ("false", "true"), ("-1", "1"), ("no", "yes"), ("n", "y"), ("f", "t"))
# Of these one alone says what the other is: a window without any positive row has its class all the same.
_ALONE = _KNOWN_PAIRS[:2]
_TRUTH_VALUES = {"0": False, "false": False, "1": True, "true": True}
# A target of more values than this is a number to predict.
_MOST_CLASSES = 1_000
_NUMBER = re.compile(NUMBER_PATTERN)
_LONGEST_NUMBER = 400


class LabelColumn(NamedTuple):
    """One column of classes.

    Attributes
    ----------
    names
        Classes that occur.
    codes
        Position in ``names`` of each row's class, -1 where it is missing, shape ``(n,)``.
    kind
        What the values were.
    """

    names: tuple[str, ...]
    codes: IntArray
    kind: Kind

    @property
    def known(self) -> BoolArray:
        """Rows that have a class, shape ``(n,)``."""
        return np.asarray(self.codes >= 0)

    def equals(self, name: str) -> BoolArray:
        """Return the rows of one class, shape ``(n,)``; none where it does not occur."""
        if name not in self.names:
            return np.zeros(self.codes.size, dtype=np.bool_)
        return np.asarray(self.codes == self.names.index(name))

    def where(self, rows: BoolArray) -> LabelColumn:
        """Return some of the rows, and the classes that occur in them."""
        return _encoded(self.names, self.codes[rows], self.kind)


def label_name(value: Any) -> str:
    """Return the text by which a class is known; whole numbers are one class however they are stored."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating, Decimal)):
        return str(int(value)) if np.isfinite(float(value)) and value == int(value) else repr(float(value))
    return str(value)


def read_labels(values: Any) -> LabelColumn:
    """Return a column of classes; nulls and NaN are missing.

    Raises
    ------
    SourceError
        If the values are no classes, such as lists.
    """
    array = as_array(values)
    kind = kind_of(array.type)
    if kind is Kind.EMPTY:
        return LabelColumn((), np.full(len(array), -1, dtype=np.int64), kind)
    try:
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        distinct = encoded.dictionary
        if kind not in (Kind.NUMBER, Kind.BOOLEAN):
            distinct = pc.cast(texts(distinct), pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            "These values are no classes", got=str(array.type), expected="numbers, texts or truth values"
        ) from error
    written = distinct.to_pylist()
    # NaN is no class, whatever engine made it. A dictionary may list it, or null, as a value.
    names = ["" if value is None or value != value else label_name(value) for value in written]  # noqa: PLR0124
    absent = np.array([value is None or value != value for value in written], dtype=np.bool_)  # noqa: PLR0124
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    if absent.any():
        codes = np.where(np.append(absent, True)[codes], -1, codes)
    return _encoded(names, codes, kind)


def _encoded(names: Iterable[str], codes: IntArray, kind: Kind) -> LabelColumn:
    """Return a column of the names that occur, each once."""
    held = list(names)
    occurs = np.bincount(codes[codes >= 0], minlength=len(held)) > 0
    positions: dict[str, int] = {}
    # The last entry is where -1 points.
    renumbered = np.full(len(held) + 1, -1, dtype=np.int64)
    for code in np.flatnonzero(occurs).tolist():
        renumbered[code] = positions.setdefault(held[code], len(positions))
    return LabelColumn(tuple(positions), renumbered[codes], kind)


def named(values: Any) -> AnyArray:
    """Return the class of each row as text, None where missing, shape ``(n,)``."""
    column = read_labels(values)
    return np.array([*column.names, None], dtype=object)[column.codes]


def declared_classes(names: Iterable[Any]) -> LabelColumn:
    """Return classes that are known without rows: an option's, or those of a baseline's labels."""
    held = tuple(dict.fromkeys(label_name(name) for name in names))
    return LabelColumn(held, np.empty(0, dtype=np.int64), Kind.TEXT)


def classes_of(profile: ColumnProfile | None) -> list[str]:
    """Return the classes of a profiled column of labels, none where it has too many to be one."""
    held = None if profile is None else profile.distribution(CATEGORICAL)
    if not isinstance(held, CategoricalDistribution) or len(held.counts) > _MOST_CLASSES:
        return []
    return sorted(held.counts)


def unified(*columns: LabelColumn) -> tuple[LabelColumn, ...]:
    """Return columns in which one class has one name, where their storage differs.

    True, 1, 1.0, "1" and "true" are one class where one column holds truth values and all of them hold
    nothing else; "1.0" and 1 where one holds numbers. Columns stored alike stay as they are.
    """
    held = [column for column in columns if column.names]
    kinds = {column.kind for column in held}
    if len(kinds) < 2 or not kinds & {Kind.NUMBER, Kind.BOOLEAN}:
        return columns
    names = {
        name: number_name(name) if column.kind is Kind.TEXT else name
        for column in held
        for name in column.names
    }
    truths = {new.casefold() for new in names.values()}
    if truths <= set(_TRUTH_VALUES) and any(_holds_truths(column) for column in held):
        spelling = ("0", "1") if truths & {"0", "1"} else ("false", "true")
        names = {name: spelling[_TRUTH_VALUES[new.casefold()]] for name, new in names.items()}
    return tuple(_renamed(column, names) for column in columns)


def _holds_truths(column: LabelColumn) -> bool:
    return column.kind is Kind.BOOLEAN or all(name.casefold() in ("false", "true") for name in column.names)


def number_name(name: str) -> str:
    """Return the class of the number that a text spells, else the text itself."""
    if not _NUMBER.match(name) or len(name) > _LONGEST_NUMBER:
        return name
    # Whole numbers beyond 2**53 stay exact.
    return label_name(int(name) if name.strip().lstrip("+-").isdecimal() else float(name))


def comparable(one: LabelColumn, two: LabelColumn) -> bool:
    """Tell whether classes are written alike, so that two different names are two classes."""
    names = [*one.names, *two.names]
    numbers = all(_NUMBER.match(name) for name in names)
    return one.kind is two.kind or numbers or _pair(sorted(set(names))) is not None


def _renamed(column: LabelColumn, names: dict[str, str]) -> LabelColumn:
    new = [names.get(name, name) for name in column.names]
    if not column.codes.size:
        return column._replace(names=tuple(dict.fromkeys(new)))
    return _encoded(new, column.codes, column.kind)


def positive_class(declared: Any, columns: Iterable[LabelColumn]) -> str:
    """Return the name of the positive class among the classes of some columns.

    Parameters
    ----------
    declared
        The class as a monitor or a caller writes it; None to infer it, which 0 and 1, false and true, no and
        yes and their like allow.
    columns
        Labels, predictions and what the baseline knew, as `unified` returns them.

    Returns
    -------
    str
        The class. It may have no row, in a window in which nothing was positive.

    Raises
    ------
    SourceError
        If the classes do not tell, or the declared one is none of several.
    """
    names = sorted({name for column in columns for name in column.names})
    if declared is None:
        pair = _pair(names)
        if pair is None and names:
            raise SourceError(
                "Which class is positive is not known",
                got=_listed(names),
                next_step="declare it: `positive: CLASS` in the signal, positive=CLASS in Python",
            )
        return "1" if pair is None else pair[1]
    name = label_name(declared)
    if name in names or not names:
        return name
    pair = _pair(names)
    meant = _truth_of(declared)
    if pair is not None and meant is not None:
        return pair[meant]
    # One class alone may be the other one, if they are written alike.
    if len(names) == 1 and bool(_NUMBER.match(names[0])) is bool(_NUMBER.match(name)):
        return name
    raise SourceError(
        "The positive class does not occur",
        got=repr(name),
        expected=f"one of {_listed(names)}",
        next_step="declare it as the labels write it: `positive: CLASS`, or positive=CLASS in Python",
    )


def _pair(names: list[str]) -> tuple[str, str] | None:
    """Return the negative and the positive class as they are written, None where they are no known pair."""
    written = {name.casefold(): name for name in names}
    if not names or len(written) < len(names):
        return None
    for pair in _KNOWN_PAIRS:
        if set(written) == set(pair) or (set(written) <= set(pair) and pair in _ALONE):
            return written.get(pair[0], pair[0]), written.get(pair[1], pair[1])
    return None


def _truth_of(declared: Any) -> bool | None:
    """Tell which of two a declared class means; YAML reads an unquoted yes as true."""
    name = label_name(declared).casefold()
    for negative, positive in _KNOWN_PAIRS:
        if name in (negative, positive):
            return name == positive
    return None


def natural(name: str) -> tuple[int, float, str]:
    """Return the key that sorts classes: numbers by size, then texts."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _listed(names: list[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

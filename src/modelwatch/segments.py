"""Segments: the rows of each value of a column, profiled a few values a pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pyarrow.compute as pc

from modelwatch.profiling import BatchProfiler
from modelwatch.sources.base import ReadAgain
from modelwatch.value_names import value_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from modelwatch.columns import Kind
    from modelwatch.contract import Contract
    from modelwatch.profiles import Profile
    from modelwatch.sources.base import Source

# Each segment holds a table of counts for every column while its pass lasts.
AT_ONCE = 8
# As many as a contract lists: a column of more values is a measurement, free text or an identifier.
MOST_SEGMENTS = 200
# Here counting them ends: the message needs no more.
_MOST_COUNTED = 1 << 14
_PIECE = 2 * _MOST_COUNTED
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Segment:
    """One value of a column, and how many rows of production have it."""

    value: str
    rows: int


def counted_values(source: Source, column: str, reading: Kind | None) -> dict[str, int]:
    """Return how many rows each value of a column has, by name in order; not all of more than 16,384 values.

    Parameters
    ----------
    source
        Only this column of it is read.
    reading
        As of `modelwatch.value_names.value_names`.
    """

    def once() -> dict[str, int]:
        counts: dict[str, int] = {}
        for values in _pieces(source, column):
            for counted in pc.value_counts(value_names(values, reading)).to_pylist():
                name = counted["values"]
                if name is not None:
                    counts[name] = counts.get(name, 0) + counted["counts"]
            if len(counts) > _MOST_COUNTED:
                break
        return dict(sorted(counts.items()))

    return _patiently(once)


def _pieces(source: Source, column: str) -> Iterator[pa.Array]:
    """Yield a column in pieces, of which one has not many more values than are counted."""
    for batch in source.batches([column]):
        if column in batch.schema.names:
            for first in range(0, batch.num_rows, _PIECE):
                yield batch.column(column).slice(first, _PIECE)


def too_many(values: int) -> str:
    """Return a note if a column has too many values to be a segment each."""
    if values <= MOST_SEGMENTS:
        return ""
    number = f"{values:,}" if values <= _MOST_COUNTED else f"more than {_MOST_COUNTED:,}"
    return f"{number} values, too many to be segments: at most {MOST_SEGMENTS} are measured"


def profile_segments(
    source: Source,
    column: str,
    values: Iterable[str],
    *,
    contract: Contract | None,
    reading: Kind | None = None,
) -> dict[str, Profile]:
    """Profile the rows of each value of a column.

    Parameters
    ----------
    source
        Read once for every `AT_ONCE` values.
    reading
        As of `counted_values`.
    """
    wanted = list(values)
    found: dict[str, Profile] = {}
    for first in range(0, len(wanted), AT_ONCE):
        part = wanted[first : first + AT_ONCE]
        found |= _patiently(partial(_one_pass, source, column, part, contract, reading))
    return found


def _patiently(read: Callable[[], _Read]) -> _Read:
    while True:
        try:
            return read()
        except ReadAgain:
            continue


def _one_pass(
    source: Source, column: str, values: list[str], contract: Contract | None, reading: Kind | None
) -> dict[str, Profile]:
    profilers = {value: BatchProfiler(source, contract) for value in values}
    for batch in source.batches():
        if column not in batch.schema.names:
            continue
        names = value_names(batch.column(column), reading)
        for value, profiler in profilers.items():
            kept = batch.filter(pc.equal(names, value))
            if kept.num_rows:
                profiler.add(kept)
    return {value: profiler.result() for value, profiler in profilers.items()}

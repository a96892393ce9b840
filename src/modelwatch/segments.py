"""Segments: the rows of each value of a column, profiled a few values a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwatch.profiling import BatchProfiler
from modelwatch.rows import Condition
from modelwatch.sources.base import ReadAgain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.contract import Contract
    from modelwatch.profiles import Profile
    from modelwatch.sources.base import Source

# Each segment holds a table of counts for every column while its pass lasts.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """One value of a column, and how many rows of production have it."""

    value: str
    rows: int


def segments_of(profile: Profile, column: str) -> list[Segment]:
    """Return the values of a column as its profile counted them, in order; none where it has too many."""
    held = profile.columns[column].distribution("categorical")
    if held is None or held.kind != "categorical":
        return []
    counts = held.counts  # type: ignore[union-attr]
    return [Segment(value, rows) for value, rows in sorted(counts.items())]


def profile_segments(
    source: Source, column: str, values: Iterable[str], *, contract: Contract | None
) -> dict[str, Profile]:
    """Profile the rows of each value of a column.

    Parameters
    ----------
    source
        Read once for every `AT_ONCE` values.
    """
    wanted = list(values)
    found: dict[str, Profile] = {}
    for first in range(0, len(wanted), AT_ONCE):
        part = wanted[first : first + AT_ONCE]
        while True:
            try:
                found |= _one_pass(source, column, part, contract)
            except ReadAgain:
                continue
            break
    return found


def _one_pass(
    source: Source, column: str, values: list[str], contract: Contract | None
) -> dict[str, Profile]:
    profilers = {value: BatchProfiler(source, contract) for value in values}
    for batch in source.batches():
        if column not in batch.schema.names:
            continue
        for value, profiler in profilers.items():
            kept = batch.filter(Condition(column, value).of(batch.column(column)))
            if kept.num_rows:
                profiler.add(kept)
    return {value: profiler.result() for value, profiler in profilers.items()}

"""The rows of one side of a comparison, read again column by column by those signals that need rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.sources.base import ReadAgain, assembled, only, read_table
from modelwatch.value_names import value_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from modelwatch.columns import Kind
    from modelwatch.sources.base import Source


class Condition(NamedTuple):
    """Rows whose ``column`` has the value of this name, as `modelwatch.value_names` names values."""

    column: str
    value: str
    reading: Kind | None = None

    def of(self, values: Any) -> Any:
        """Return which of ``values`` meet it."""
        return pc.fill_null(pc.equal(value_names(values, self.reading), self.value), False)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that can be read as often as signals ask for them, only the columns that they ask for.

    Attributes
    ----------
    source
        Can be read again.
    names
        Columns known.
    kept
        Columns kept while the source was profiled, where reading them again would mean parsing everything.
    condition
        Only these rows count.
    """

    source: Source
    names: tuple[str, ...]
    kept: pa.Table | None = None
    condition: Condition | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def where(self, condition: Condition) -> Rows:
        """Return the rows that meet a condition."""
        return replace(self, condition=condition)

    def table(self, names: Iterable[str]) -> pa.Table:
        """Read columns into memory; those that there are."""
        wanted = [name for name in dict.fromkeys(names) if name in self.names]
        by = [] if self.condition is None else [self.condition.column]
        read = list(dict.fromkeys([*wanted, *by]))
        if self.kept is not None and set(read) <= set(self.kept.column_names):
            table = self.kept.select(read)
        else:
            table = read_table(self.source, read)
        if self.condition is not None:
            table = table.filter(self.condition.of(table.column(self.condition.column)))
        return table.select(wanted)

    def column(self, name: str) -> pa.ChunkedArray:
        """Read one column into memory."""
        return self.table([name]).column(0)

    def sampled(self, names: Iterable[str], most: int, rows: int) -> pa.Table:
        """Return at most ``most`` of the ``rows`` rows, spread evenly over their order, in bounded memory."""
        wanted = [name for name in dict.fromkeys(names) if name in self.names]
        if rows <= most:
            return self.table(wanted)
        positions = np.linspace(0, rows - 1, most).astype(np.int64)

        def taken() -> Iterator[pa.RecordBatch]:
            begun = 0
            for batch in self._batches(wanted):
                inside = (positions >= begun) & (positions < begun + batch.num_rows)
                yield batch.take(pa.array(positions[inside] - begun))
                begun += batch.num_rows

        return _patiently(taken, self.source, wanted)

    def having(self, key: str, values: pa.ChunkedArray, names: Iterable[str]) -> pa.Table:
        """Return the rows whose ``key`` is one of ``values``, holding no others."""
        wanted = [name for name in dict.fromkeys([key, *names]) if name in self.names]
        if key not in wanted:
            return self.table(wanted)
        known = pc.unique(values.cast(pa.string()))

        def found() -> Iterator[pa.RecordBatch]:
            for batch in self._batches(wanted):
                yield batch.filter(pc.is_in(batch.column(key).cast(pa.string()), value_set=known))

        return _patiently(found, self.source, wanted)

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        by = None if self.condition is None else self.condition.column
        for batch in self.source.batches(names if by is None else list(dict.fromkeys([*names, by]))):
            kept = batch
            if self.condition is not None and by is not None:
                kept = batch.filter(self.condition.of(batch.column(by)))
            yield kept.select(names)


def _patiently(batches: Callable[[], Iterator[pa.RecordBatch]], source: Source, names: list[str]) -> pa.Table:
    while True:
        try:
            return assembled(list(batches()), source.schema, names)
        except ReadAgain:
            continue


@dataclass(slots=True)
class Keeping:
    """A source that keeps some columns of what passes through it, for those who need rows afterwards."""

    source: Source
    columns: tuple[str, ...]
    _held: list[pa.RecordBatch] = field(default_factory=list, repr=False)

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.source.schema

    @property
    def duplicate_names(self) -> tuple[str, ...]:
        """Names that occur more than once."""
        return self.source.duplicate_names

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns``."""
        self._held.clear()
        read = None if columns is None else list(dict.fromkeys([*columns, *self.columns]))
        for batch in self.source.batches(read):
            self._held.append(batch.select([name for name in self.columns if name in batch.schema.names]))
            yield only(batch, columns)

    def kept(self) -> pa.Table:
        """Return what was kept of the last reading."""
        return assembled(self._held, self.schema, list(self.columns))

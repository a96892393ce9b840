"""The local engine: profiles a source in bounded memory on the machine's cores."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.errors import SourceError
from modelwatch.profiles import Profile
from modelwatch.scanning import ColumnScanner
from modelwatch.scratch import Scratch
from modelwatch.sources.base import ColumnSource, ReadAgain
from modelwatch.sources.opening import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.column_profiles import ColumnProfile
    from modelwatch.contract import Contract
    from modelwatch.sources.base import Source

# Below this, starting threads costs more than they bring.
_ROWS_WORTH_THREADS = 200_000


def profile(
    source: Any,
    *,
    contract: Contract | None = None,
    columns: Iterable[str] | None = None,
    threads: int | None = None,
) -> Profile:
    """Profile a data set in one pass.

    Parameters
    ----------
    source
        Path or paths (Parquet, CSV, JSON lines, folders of them, a data collector's folder), a pandas frame,
        an Arrow table, reader or batches, or a mapping from name to values.
    contract
        What each column should be; values that are not are counted. Columns that it ignores are left out.
    columns
        Names to profile; by default all (of the contract, if there is one, and those that it does not know).
    threads
        Columns to work on at once; as many as there are cores by default.

    Returns
    -------
    Profile
        The same to the bit for the same rows in any order, batching and number of threads.

    Raises
    ------
    SourceError
        If the data cannot be read, or hold none of the columns asked for.

    Examples
    --------
    >>> profile({"age": [31, 45, None]}).columns["age"].missing
    1
    """
    wanted = None if columns is None else list(columns)
    opened = open_source(source, columns=wanted, contract=contract)
    while True:
        try:
            if isinstance(opened, ColumnSource):
                return _by_column(opened, _names(opened, wanted, contract), contract, threads)
            return _by_batch(opened, wanted, contract)
        except ReadAgain:
            # The source knows better now which columns are text.
            continue
        except UnicodeDecodeError as error:
            raise SourceError("A text is not in UTF-8", got=str(error), expected="texts in UTF-8") from error


def _names(source: Source, columns: list[str] | None, contract: Contract | None) -> list[str]:
    repeated = set(source.duplicate_names)
    present = [name for name in source.schema.names if name not in repeated]
    if columns is None:
        return [name for name in present if not _ignored(name, contract)]
    if missing := [name for name in columns if name not in {*present, *repeated}]:
        raise _missing(missing, present)
    return [name for name in columns if name in present]


def _missing(columns: list[str], present: Iterable[str]) -> SourceError:
    return SourceError("Columns asked for are missing", got=list(present), expected=columns)


def _ignored(name: str, contract: Contract | None) -> bool:
    column = contract.get(name) if contract else None
    return column is not None and column.ignored


def _by_column(
    source: ColumnSource, names: list[str], contract: Contract | None, threads: int | None
) -> Profile:
    local = threading.local()
    zone = contract.timezone if contract else None

    def scan(name: str) -> ColumnProfile:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch()
        declared = contract.get(name) if contract else None
        column = ColumnScanner(name, source.schema.field(name).type, declared, local.scratch, zone)
        for array, bounds in source.chunks(name):
            column.add(array, bounds)
            del array
        return column.result()

    rows = source.rows
    workers = threads or min(len(names) or 1, os.cpu_count() or 1)
    if workers > 1 and rows >= _ROWS_WORTH_THREADS:
        # The largest first, so that no thread is left with a large one at the end.
        order = sorted(names, key=source.size, reverse=True)
        with ThreadPoolExecutor(workers) as pool:
            profiles = dict(zip(order, pool.map(scan, order), strict=True))
    else:
        profiles = {name: scan(name) for name in names}
    return Profile(rows, {name: profiles[name] for name in names}, source.duplicate_names)


def _by_batch(source: Source, columns: list[str] | None, contract: Contract | None) -> Profile:
    names = None if columns is None else [name for name in columns if name not in source.duplicate_names]
    held = BatchProfiler(source, contract, names)
    for batch in source.batches(names):
        held.add(batch)
    return held.result()


class BatchProfiler:
    """Profiles what comes, columns that turn up late included: their earlier rows are missing values."""

    def __init__(self, source: Source, contract: Contract | None, names: list[str] | None = None) -> None:
        self._contract = contract
        self._names = names
        self._repeated = source.duplicate_names
        self._scratch = Scratch()
        self._scanners: dict[str, ColumnScanner] = {}
        self._rows = 0
        self._meet(field for field in source.schema if names is None or field.name in names)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of one batch."""
        self._meet(batch.schema)
        held = set(batch.schema.names)
        for name, column in self._scanners.items():
            column.add(batch.column(name) if name in held else pa.nulls(batch.num_rows))
        self._rows += batch.num_rows

    def result(self) -> Profile:
        """Return the profile of all rows added.

        Raises
        ------
        SourceError
            If a column asked for never came.
        """
        if missing := [name for name in self._names or () if name not in self._scanners]:
            raise _missing(missing, self._scanners)
        order = self._names or self._scanners
        return Profile(self._rows, {name: self._scanners[name].result() for name in order}, self._repeated)

    def _meet(self, fields: Iterable[pa.Field]) -> None:
        for found in fields:
            name = found.name
            if name in self._scanners or name in self._repeated:
                continue
            if self._names is None and _ignored(name, self._contract):
                continue
            declared = self._contract.get(name) if self._contract else None
            zone = self._contract.timezone if self._contract else None
            self._scanners[name] = ColumnScanner(name, found.type, declared, self._scratch, zone)
            self._scanners[name].add(pa.nulls(self._rows))

"""The local engine: profiles a source in bounded memory on the machine's cores."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from modelwatch.errors import SourceError
from modelwatch.profiles import ColumnProfile, Profile
from modelwatch.scanning import ColumnScanner
from modelwatch.scratch import Scratch
from modelwatch.sources.opening import ColumnSource, open_source
from modelwatch.sources.text_files import ReadAgain

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from modelwatch.contract import Contract
    from modelwatch.sources.opening import Source

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
        names = _names(opened, wanted, contract)
        try:
            if isinstance(opened, ColumnSource):
                return _by_column(opened, names, contract, threads)
            return _by_batch(opened, names, contract)
        except ReadAgain:
            # The source knows better now which columns are text.
            continue


def scanner(schema: pa.Schema, name: str, contract: Contract | None, scratch: Scratch) -> ColumnScanner:
    """Return the scanner of one column of ``schema``."""
    column = contract.get(name) if contract else None
    return ColumnScanner(name, schema.field(name).type, column, scratch)


def _names(source: Source, columns: list[str] | None, contract: Contract | None) -> list[str]:
    repeated = set(source.duplicate_names)
    present = [name for name in source.schema.names if name not in repeated]
    if columns is not None:
        missing = [name for name in columns if name not in source.schema.names and name not in repeated]
        if missing:
            raise SourceError("Columns asked for are missing", got=present, expected=missing)
        return [name for name in columns if name in present]
    ignored = set(contract.with_role(_ignored())) if contract else set()
    return [name for name in present if name not in ignored]


def _ignored() -> Any:
    from modelwatch.contract import Role  # noqa: PLC0415

    return Role.IGNORED


def _by_column(
    source: ColumnSource, names: list[str], contract: Contract | None, threads: int | None
) -> Profile:
    local = threading.local()

    def scan(name: str) -> ColumnProfile:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch()
        column = scanner(source.schema, name, contract, local.scratch)
        for array, bounds in source.chunks(name):
            column.add(array, bounds)
        return column.result()

    rows = source.rows
    workers = threads or min(len(names) or 1, os.cpu_count() or 1)
    if workers > 1 and rows >= _ROWS_WORTH_THREADS:
        with ThreadPoolExecutor(workers) as pool:
            profiles = list(pool.map(scan, names))
    else:
        profiles = [scan(name) for name in names]
    return Profile(rows, {column.name: column for column in profiles}, source.duplicate_names)


def _by_batch(source: Source, names: list[str], contract: Contract | None) -> Profile:
    scratch = Scratch()
    scanners = [scanner(source.schema, name, contract, scratch) for name in names]
    rows = 0
    for batch in source.batches(names):
        rows += batch.num_rows
        for position, column in enumerate(scanners):
            column.add(batch.column(position))
    profiles = [column.result() for column in scanners]
    return Profile(rows, {column.name: column for column in profiles}, source.duplicate_names)

"""The Spark engine: the local engine's scanners inside Spark's partitions, merged on the driver.

Profiles are bit-identical to local ones, whatever the partitions. Two ways in: any DataFrame through
`mapInArrow`; and Parquet that the workers read themselves while Spark only schedules, since moving rows from
the JVM to Python costs far more than counting them.
"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.errors import SourceError
from modelwatch.profiles import Profile
from modelwatch.profiling import profile
from modelwatch.sources.base import BatchSource, TableSource
from modelwatch.sources.files import parquet_files
from modelwatch.sources.parquet import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from modelwatch.contract import Contract

_SCHEMA = "profile binary"


def profile_dataframe(
    frame: Any, *, contract: Contract | None = None, columns: Iterable[str] | None = None
) -> Profile:
    """Profile any Spark DataFrame in one pass over its partitions.

    Parameters
    ----------
    frame
        A ``pyspark.sql.DataFrame``. Large Arrow batches pay: set
        ``spark.sql.execution.arrow.maxRecordsPerBatch`` to 131072.
    contract, columns
        As of `modelwatch.profile`.

    Raises
    ------
    SourceError
        If columns asked for are missing.
    """
    given = list(frame.columns)
    repeated = tuple(sorted(name for name, times in Counter(given).items() if times > 1))
    names = [name for name in (given if columns is None else columns) if name not in repeated]
    if missing := [name for name in names if name not in given]:
        raise SourceError("Columns asked for are missing", got=given, expected=missing)
    # Spark resolves names anew at each step, and reads dots and backticks in them: it gets to see numbers.
    numbered = frame.toDF(*map(str, range(len(given))))
    selected = numbered.select(*[str(given.index(name)) for name in names])

    def scan(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        renamed = (pa.RecordBatch.from_arrays(batch.columns, names=names) for batch in batches)
        first = next(renamed, None)
        if first is None:
            return

        def chained() -> Iterator[pa.RecordBatch]:
            yield first
            yield from renamed

        yield _row(profile(BatchSource(first.schema, chained(), repeated), contract=contract))

    found = selected.mapInArrow(scan, _SCHEMA).collect()
    if not found:
        types = import_module("pyspark.sql.pandas.types")
        empty = types.to_arrow_schema(selected.schema).empty_table().rename_columns(names)
        return profile(TableSource(empty, repeated), contract=contract)
    return _merged(found)


def profile_parquet(
    session: Any,
    paths: str | Path | Iterable[str | Path],
    *,
    contract: Contract | None = None,
    columns: Iterable[str] | None = None,
    tasks: int | None = None,
) -> Profile:
    """Profile Parquet files that every worker can open, row groups shared out among ``tasks``.

    Parameters
    ----------
    session
        A ``pyspark.sql.SparkSession``.
    paths
        Files or folders on storage that driver and workers mount alike.
    tasks
        As many as the cluster runs at once by default.
    """
    files = parquet_files(paths)
    groups = ParquetSource(files).row_groups
    if not groups:
        raise SourceError("The Parquet files hold no rows", where=str(files[0]))
    count = min(groups, tasks or session.sparkContext.defaultParallelism)
    names = None if columns is None else list(columns)

    def scan(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column(0).to_pylist():
                share = ParquetSource(files, share=(task, count))
                yield _row(profile(share, contract=contract, columns=names, threads=1))

    found = session.range(0, count, 1, count).mapInArrow(scan, _SCHEMA).collect()
    return _merged(found)


def _row(found: Profile) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([found.to_bytes()], type=pa.binary())], names=["profile"])


def _merged(rows: list[Any]) -> Profile:
    return reduce(Profile.merge, [Profile.from_bytes(bytes(row["profile"])) for row in rows])

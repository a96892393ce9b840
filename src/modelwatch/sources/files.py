"""Files: Parquet read column by column, CSV and JSON lines as streams, and folders of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.columns import Kind, kind_of
from modelwatch.errors import SourceError
from modelwatch.scanning import Bounds
from modelwatch.sources.opening import BatchSource, TableSource
from modelwatch.sources.text_files import CsvSource, JsonLinesSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelwatch.contract import Contract
    from modelwatch.sources.opening import Source

_SUFFIXES = (".parquet", ".csv", ".jsonl")


def open_paths(paths: list[Path], *, contract: Contract | None = None) -> Source:
    """Return the files or folders at ``paths`` as one source.

    Raises
    ------
    SourceError
        If a path does not exist, holds no data files, or mixes formats.
    """
    from modelwatch.sources.collector import is_collector, read_collector  # noqa: PLC0415

    for path in paths:
        if not path.exists():
            raise SourceError("No such file or folder", where=str(path))
    if len(paths) == 1 and paths[0].is_dir():
        if is_collector(paths[0]):
            return TableSource(read_collector(paths[0]))
        if _partitioned(paths[0]):
            return _open_partitioned(paths[0])
    files = [file for path in paths for file in _files(path)]
    formats = {file.suffix.lower() for file in files}
    if len(formats) != 1:
        raise SourceError(
            "Expected files of one format",
            where=", ".join(map(str, paths)),
            got=sorted(formats) or "no data files",
            expected=" or ".join(_SUFFIXES),
        )
    match formats.pop():
        case ".parquet":
            return ParquetSource(files)
        case ".csv":
            return CsvSource(files, contract)
        case _:
            return JsonLinesSource(files)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix.lower() not in _SUFFIXES:
            raise SourceError("Unknown format", where=str(path), expected=" or ".join(_SUFFIXES))
        return [path]
    found = (file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    # Spark and others leave files behind whose names begin with an underscore or a dot.
    return sorted(file for file in found if not file.name.startswith(("_", ".")))


def _partitioned(folder: Path) -> bool:
    return any(child.is_dir() and "=" in child.name for child in folder.iterdir())


def _open_partitioned(folder: Path) -> BatchSource:
    import pyarrow.dataset as ds  # noqa: PLC0415

    dataset = ds.dataset(folder, format="parquet", partitioning="hive")
    return BatchSource(dataset.schema, iter(dataset.to_batches(batch_readahead=2, fragment_readahead=1)))


@dataclass(slots=True)
class ParquetSource:
    """Parquet files of one schema, read row group by row group, strings as the stored dictionaries."""

    files: list[Path]
    schema: pa.Schema = field(init=False)
    duplicate_names: tuple[str, ...] = field(default=(), init=False)
    _metadata: list[Any] = field(init=False, repr=False)
    _texts: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            self._metadata = [pq.read_metadata(file) for file in self.files]
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError("Not a Parquet file", where=str(self.files[0]), got=str(error)) from error
        self.schema = self._metadata[0].schema.to_arrow_schema()
        for file, metadata in zip(self.files, self._metadata, strict=True):
            names = set(metadata.schema.to_arrow_schema().names)
            if names != set(self.schema.names):
                raise SourceError(
                    "Files of one source have different columns",
                    where=str(file),
                    got=sorted(names ^ set(self.schema.names)),
                )
        self._texts = [f.name for f in self.schema if kind_of(f.type) is Kind.TEXT]

    @property
    def rows(self) -> int:
        """Rows of all files, from their footers."""
        return sum(metadata.num_rows for metadata in self._metadata)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches of at most 65,536."""
        for file in self._opened():
            yield from file.iter_batches(columns=columns, use_threads=False)

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield one column row group by row group."""
        for file, metadata in zip(self._opened(), self._metadata, strict=True):
            position = metadata.schema.to_arrow_schema().get_field_index(name)
            flat = metadata.num_columns == len(self.schema)
            for group in range(metadata.num_row_groups):
                bounds = _bounds(metadata.row_group(group).column(position)) if flat else None
                column = file.read_row_group(group, columns=[name], use_threads=False).column(0)
                for array in column.chunks:
                    yield array, bounds

    def _opened(self) -> Iterator[Any]:
        import pyarrow.parquet as pq  # noqa: PLC0415

        for file, metadata in zip(self.files, self._metadata, strict=True):
            with pq.ParquetFile(
                file, metadata=metadata, read_dictionary=self._texts, pre_buffer=False
            ) as opened:
                yield opened


def _bounds(column: Any) -> Bounds | None:
    """Return the extremes of a chunk of plain numbers from its footer, where they are stored."""
    statistics = column.statistics
    if (
        statistics is None
        or not statistics.has_min_max
        or statistics.logical_type.type not in ("NONE", "INT")
    ):
        return None
    low, high = statistics.min, statistics.max
    if isinstance(low, bool) or not isinstance(low, (int, float)) or math.isnan(low) or math.isnan(high):
        return None
    return Bounds(low, high)

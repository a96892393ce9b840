"""Files: Parquet read column by column, CSV and JSON lines as streams, and folders of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.columns import Kind, kind_of
from modelwatch.errors import SourceError
from modelwatch.scanning import Bounds
from modelwatch.sources.opening import BatchSource, TableSource
from modelwatch.sources.text_files import CsvSource, JsonLinesSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def parquet_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the Parquet files at or below ``paths``, sorted by folder."""
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    return [file for path in listed for file in _files(Path(path)) if file.suffix == ".parquet"]


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
    # (k, n): only every n-th row group, beginning with the k-th, so that n readers share the files.
    share: tuple[int, int] = (0, 1)
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
        """Rows of the share, from the footers."""
        return sum(metadata.row_group(group).num_rows for _, metadata, group in self._shared())

    @property
    def row_groups(self) -> int:
        """Row groups of all files."""
        return sum(metadata.num_row_groups for metadata in self._metadata)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the share in batches of at most 65,536."""
        for file, _, group in self._opened():
            yield from file.iter_batches(columns=columns, row_groups=[group], use_threads=False)

    def chunks(self, name: str) -> Iterator[tuple[pa.Array, Bounds | None]]:
        """Yield one column row group by row group."""
        position = self.schema.get_field_index(name)
        flat = self._metadata[0].num_columns == len(self.schema)
        for file, metadata, group in self._opened():
            same = flat and metadata.schema.column(position).name == name
            bounds = _bounds(metadata.row_group(group).column(position)) if same else None
            column = file.read_row_group(group, columns=[name], use_threads=False).column(0)
            for array in column.chunks:
                yield array, bounds

    def _shared(self) -> Iterator[tuple[Path, Any, int]]:
        first, step = self.share
        groups = (
            (file, metadata, group)
            for file, metadata in zip(self.files, self._metadata, strict=True)
            for group in range(metadata.num_row_groups)
        )
        yield from islice(groups, first, None, step)

    def _opened(self) -> Iterator[tuple[Any, Any, int]]:
        import pyarrow.parquet as pq  # noqa: PLC0415

        for path, parts in groupby(self._shared(), key=itemgetter(0)):
            groups = list(parts)
            with pq.ParquetFile(
                path, metadata=groups[0][1], read_dictionary=self._texts, pre_buffer=False
            ) as opened:
                for _, metadata, group in groups:
                    yield opened, metadata, group


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

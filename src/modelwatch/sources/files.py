"""Files and folders of them, each format with its reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelwatch.errors import SourceError
from modelwatch.sources.parquet import DatasetSource, ParquetSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelwatch.contract import Contract
    from modelwatch.sources.base import Source

_SUFFIXES = (".parquet", ".csv", ".jsonl")


def open_paths(paths: list[Path], *, contract: Contract | None = None) -> Source:
    """Return the files or folders at ``paths`` as one source.

    Raises
    ------
    SourceError
        If a path does not exist, holds no data files, or mixes formats.
    """
    for path in paths:
        if not path.exists():
            raise SourceError("No such file or folder", where=str(path))
    if len(paths) == 1 and paths[0].is_dir():
        special = _open_folder(paths[0])
        if special is not None:
            return special
    files = [file for path in paths for file in _files(path)]
    formats = {file.suffix.lower() for file in files}
    if len(formats) != 1:
        raise SourceError(
            "Expected files of one format",
            where=", ".join(map(str, paths)),
            got=sorted(formats) or "no data files",
            expected=" or ".join(_SUFFIXES),
        )
    kind = formats.pop()
    if kind == ".parquet":
        return ParquetSource(files)
    from modelwatch.sources.text_files import CsvSource, JsonLinesSource  # noqa: PLC0415

    return CsvSource(files, contract) if kind == ".csv" else JsonLinesSource(files, contract)


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


def _open_folder(folder: Path) -> Source | None:
    """Return what a data collector or a partitioned writer left; None for a folder of plain files."""
    if any(child.is_dir() and "=" in child.name for child in folder.iterdir()):
        return DatasetSource.of(folder)
    if next(folder.rglob("*.jsonl"), None) is None:
        return None
    from modelwatch.sources.collector import open_collected  # noqa: PLC0415

    return open_collected(folder)

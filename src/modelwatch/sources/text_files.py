"""CSV and JSON lines, streamed block by block through Arrow's readers."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelwatch.columns import Kind
from modelwatch.errors import SourceError
from modelwatch.sources.base import ReadAgain, only, reading
from modelwatch.sources.tables import table_from_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from modelwatch.contract import Contract

# Large enough to keep the parsers busy, small enough to hold several in memory.
_BLOCK_BYTES = 1 << 22
_MISTYPED = re.compile(r"CSV column #(\d+)")
_JSON_ROWS = 1 << 16
# What a column is read as whose later values are not of the type of its first ones; else it is text.
_WIDER = {pa.int64(): pa.float64(), pa.null(): pa.float64()}


class CsvSource:
    """CSV files with a header.

    An empty field is null and a quoted empty one an empty text. A column whose type breaks after the first
    block is read from the start again: whole numbers as numbers, all else as text, so that a contract can
    count which values are wrong.
    """

    def __init__(self, files: list[Path], contract: Contract | None) -> None:
        self._files = files
        self._types: dict[str, pa.DataType] = {}
        for column in contract.columns if contract else ():
            if column.value_kind is Kind.TEXT:
                # Otherwise a code such as 007 is read as a number.
                self._types[column.name] = pa.string()
        # The first block is parsed already: who reads all columns goes on from there.
        self._begun: Any = self._open(files[0])
        self.schema = self._begun.schema
        names = self.schema.names
        self.duplicate_names = tuple(sorted({name for name in names if names.count(name) > 1}))

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns``.

        Raises
        ------
        ReadAgain
            If a column must be read as another type; the next call does so.
        SourceError
            If the file is no CSV, or not in UTF-8.
        """
        for file in self._files:
            try:
                with reading(file, "a CSV file with a header"):
                    yield from self._reader(file, columns)
            except SourceError as error:
                match = _MISTYPED.search(str(error.got))
                field = self._open(file).schema.field(int(match[1])) if match else None
                wider = None if field is None else _WIDER.get(field.type, pa.string())
                if field is None or field.type == wider:
                    _check_utf8(file)
                    raise
                self._types[field.name] = wider
                self._begun = self._open(self._files[0])
                self.schema = self._begun.schema
                raise ReadAgain(field.name) from error

    def _reader(self, file: Path, columns: list[str] | None) -> Any:
        begun = self._begun
        if begun is None or columns is not None or file != self._files[0]:
            return self._open(file, columns)
        self._begun = None
        return begun

    def _open(self, file: Path, columns: list[str] | None = None) -> Any:
        from pyarrow import csv  # noqa: PLC0415

        convert = csv.ConvertOptions(
            column_types=self._types,
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        try:
            with reading(file, "a CSV file with a header"):
                opened = csv.open_csv(
                    file, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=convert
                )
            # Names that are not in UTF-8 fail when they are looked at.
            types = dict(zip(opened.schema.names, opened.schema.types, strict=True))
        except (SourceError, UnicodeDecodeError):
            _check_utf8(file)
            raise
        # What is no text in UTF-8 is bytes to Arrow's reader.
        if any(pa.types.is_binary(kind) for kind in types.values()):
            _check_utf8(file)
        return opened


class JsonLinesSource:
    """Files of one JSON object a line.

    Arrow's reader is tried first; lines whose types or keys vary are read by Python, where a contract can
    count them.
    """

    def __init__(self, files: list[Path], contract: Contract | None = None) -> None:
        self._files = files
        self._mixed = False
        self._types = pa.schema([])
        blocks = self._read(files[0])
        try:
            first = next(blocks, None)
        except pa.ArrowInvalid:
            self._mixed = True
            blocks = self._read(files[0])
            first = next(blocks, None)
        found = first.schema if first is not None else pa.schema([])
        declared = contract.columns if contract else ()
        # A contract's numbers stay numbers where the first ones happen to be whole.
        numbers = {column.name for column in declared if column.type == "number"}
        self._types = pa.schema(
            [
                (field.name, pa.float64() if field.name in numbers else pa.string())
                for field in found
                # Arrow takes texts for times where all look alike, and drops their zones.
                if field.name in numbers or pa.types.is_timestamp(field.type)
            ]
        )
        # The first block is parsed already; unless it must be read as other types, the first reader goes on.
        self._begun: Iterator[pa.RecordBatch] | None = None
        if first is not None and not len(self._types):
            self._begun = chain([first], blocks)
        known = {field.name: field.type for field in self._types}
        self.schema = pa.schema([(field.name, known.get(field.name, field.type)) for field in found])
        self.duplicate_names: tuple[str, ...] = ()

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of ``columns``, block by block those that it has.

        Raises
        ------
        ReadAgain
            If Arrow's reader met a value of another type; the next call reads by Python.
        """
        for file in self._files:
            begun, self._begun = (self._begun, None) if file == self._files[0] else (None, self._begun)
            try:
                for batch in begun or self._read(file):
                    yield only(batch, columns)
            except pa.ArrowInvalid as error:
                self._mixed = True
                raise ReadAgain(str(file)) from error
            except OSError as error:
                raise SourceError(
                    "The data cannot be read", where=str(file), got=str(error), expected="JSON lines"
                ) from error

    def _read(self, file: Path) -> Iterator[pa.RecordBatch]:
        if not file.stat().st_size:
            return
        if not self._mixed:
            from pyarrow import json as arrow_json  # noqa: PLC0415

            try:
                reader = arrow_json.open_json(
                    file,
                    read_options=arrow_json.ReadOptions(block_size=_BLOCK_BYTES),
                    parse_options=arrow_json.ParseOptions(explicit_schema=self._types),
                )
            except pa.ArrowInvalid:
                self._mixed = True
            else:
                for batch in reader:
                    # Arrow reads bytes that are no UTF-8 without a word.
                    batch.validate(full=True)
                    yield batch
                return
        rows: list[dict[str, Any]] = []
        for row in read_json_lines(file):
            rows.append(row)
            if len(rows) == _JSON_ROWS:
                yield from table_from_rows(rows).to_batches()
                rows = []
        yield from table_from_rows(rows).to_batches()


def _check_utf8(file: Path) -> None:
    """Refuse a text file that is not in UTF-8, with its first line that is not."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _undecodable(f"{file}:{number}", line, error) from error


def _undecodable(where: str, line: bytes, error: UnicodeDecodeError) -> SourceError:
    around = line[max(0, error.start - 20) : error.start + 20]
    return SourceError(
        "The file is not in UTF-8",
        where=where,
        got=f"byte 0x{line[error.start]:02x} in {around!r}",
        expected="text in UTF-8",
        next_step="convert the file, such as by `iconv -f LATIN1 -t UTF-8`",
    )


def read_json_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines.

    Raises
    ------
    SourceError
        If a line is no JSON object; the message names file and line.
    """
    with file.open("rb") as lines:
        yield from parse_json_lines(lines, str(file))


def parse_json_lines(lines: Iterable[bytes], where: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON lines in UTF-8; ``where`` names their origin in errors.

    Raises
    ------
    SourceError
        If a line is no JSON object, or not in UTF-8.
    """
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _undecodable(f"{where}:{number}", raw, error) from error
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise SourceError("Not JSON", where=f"{where}:{number}", got=line[:80]) from error
        if not isinstance(row, dict):
            raise SourceError("Expected a JSON object", where=f"{where}:{number}", got=line[:80])
        yield row

"""The file of a profile: a version line, then a compressed block of a JSON header and integers.

Integers are little-endian, keys are stored as differences, and everything in columns' order, so that equal
profiles give equal bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from modelwatch.categories import CategoryCounts
from modelwatch.cells import Cells
from modelwatch.column_profiles import ColumnProfile
from modelwatch.columns import Kind
from modelwatch.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAGIC = b"modelwatch profile 2\n"
_SCALARS = (
    "name", "type", "integer", "rows", "missing", "type_errors", "out_of_range", "positive_infinite",
    "negative_infinite", "minimum", "maximum",
)  # fmt: skip


class Content(NamedTuple):
    """What a profile consists of."""

    rows: int
    columns: Mapping[str, ColumnProfile]
    duplicate_names: tuple[str, ...]


def payload(content: Content, *, sort_columns: bool = False) -> bytes:
    """Return the content of a profile as bytes that are equal for equal profiles."""
    names = sorted(content.columns) if sort_columns else list(content.columns)
    numbers: list[bytes] = []
    headers = [_header(content.columns[name], numbers) for name in names]
    header: dict[str, Any] = {"rows": content.rows, "columns": headers}
    if content.duplicate_names:
        header["duplicate_names"] = list(content.duplicate_names)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *numbers])


def _header(column: ColumnProfile, numbers: list[bytes]) -> dict[str, Any]:
    header = {key: getattr(column, key) for key in _SCALARS}
    header["kind"] = column.kind.value
    if column.cells is not None:
        header["cells"] = [column.cells.shift, column.cells.keys.size]
        numbers.append(np.diff(column.cells.keys, prepend=0).astype("<i8").tobytes())
        numbers.append(column.cells.counts.astype("<i8").tobytes())
    if column.categories is not None:
        header["categories"] = list(column.categories.counts)
        header["overflow"] = column.categories.overflow
        counts = np.fromiter(column.categories.counts.values(), dtype="<i8", count=len(header["categories"]))
        numbers.append(counts.tobytes())
    return header


def write(content: Content, path: Path) -> None:
    """Write the file; a reader sees the old one or the new one, never half of either."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + to_bytes(content))
        os.replace(temporary, path)  # noqa: PTH105  (both are in one folder)
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def to_bytes(content: Content) -> bytes:
    """Return the profile compressed, as files and Spark rows carry it."""
    return zlib.compress(payload(content), 6)


def read(path: Path) -> Content:
    """Read the file that `write` wrote."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProfileError("The profile cannot be read", where=str(path), got=str(error)) from error
    if not content.startswith(MAGIC):
        raise ProfileError(
            "Not a profile of a version that this package reads",
            where=str(path),
            got=content[:24],
            expected=MAGIC.decode().strip(),
            next_step="profile the baseline again",
        )
    try:
        return from_bytes(content[len(MAGIC) :])
    except (zlib.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise ProfileError("The profile is damaged", where=str(path), got=str(error)) from error


def from_bytes(content: bytes) -> Content:
    """Read what `to_bytes` made."""
    raw = zlib.decompress(content)
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    body = np.frombuffer(raw, dtype=np.uint8)[8 + size :]
    numbers = np.frombuffer(body.tobytes(), dtype="<i8").astype(np.int64)
    position = 0

    def take(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        nonlocal position
        position += count
        if position > numbers.size:
            raise ValueError("the file ends early")
        return numbers[position - count : position]

    columns: dict[str, ColumnProfile] = {}
    for entry in header["columns"]:
        fields = {key: entry[key] for key in _SCALARS}
        if "cells" in entry:
            shift, count = entry["cells"]
            fields["cells"] = Cells(shift, np.cumsum(take(count)), take(count))
        if "categories" in entry:
            names = entry["categories"]
            counts = dict(zip(names, take(len(names)).tolist(), strict=True))
            fields["categories"] = CategoryCounts(counts, entry["overflow"])
        columns[entry["name"]] = ColumnProfile(kind=Kind(entry["kind"]), **fields)
    return Content(header["rows"], columns, tuple(header.get("duplicate_names", ())))

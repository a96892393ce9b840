"""Rows from a file or a frame, cut into request bodies, in bounded memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Batch", "batches", "read_rows", "request_body"]

_CHUNK_ROWS = 10_000
_KNOWN = (".csv", ".parquet", ".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one request.

    Parameters
    ----------
    row_ids
        What joins answers, and labels that come later, to the rows.
    body
        The request's JSON body.
    """

    row_ids: tuple[Any, ...]
    body: dict[str, Any] = field(repr=False)


def request_body(frame: pd.DataFrame) -> dict[str, Any]:
    """Return rows in the form that Azure documents for tabular models: columns, index and data.

    Missing values become null, since JSON has no NaN.
    """
    split: dict[str, Any] = json.loads(frame.to_json(orient="split", double_precision=15))
    return {"input_data": {key: split[key] for key in ("columns", "index", "data")}}


def read_rows(path: Path) -> Iterator[pd.DataFrame]:
    """Read a CSV, Parquet, JSON (records or ``input_data``) or JSON lines file, chunk by chunk.

    Raises
    ------
    DataError
        The file is missing, empty, unreadable or of another kind.
    """
    if path.suffix not in _KNOWN:
        raise DataError(
            "Rows of this kind of file cannot be read.",
            where=str(path),
            got=path.suffix or "no suffix",
            expected=f"one of {', '.join(_KNOWN)}",
        )
    empty = True
    try:
        for chunk in _chunks(path):
            if len(chunk):
                empty = False
                yield chunk
    except FileNotFoundError:
        raise DataError("The file with the rows to score does not exist.", where=str(path)) from None
    except pd.errors.EmptyDataError:
        pass
    except (ValueError, KeyError, OSError) as error:  # pyarrow's and JSON's errors are ValueErrors
        raise DataError(
            "The file with the rows to score cannot be read.", where=str(path), got=error
        ) from error
    if empty:
        raise DataError(
            "The file holds no rows to score.", where=str(path), got="0 rows", expected="at least one row"
        )


def batches(
    frames: Iterable[pd.DataFrame], *, size: int, id_column: str | None = None, start: int = 0
) -> Iterator[Batch]:
    """Cut frames into batches.

    Parameters
    ----------
    frames
        Rows with the same columns throughout.
    size
        Rows a request.
    id_column
        Column that identifies a row; it is sent too. Without it, rows are numbered from `start`.

    Raises
    ------
    DataError
        `id_column` is missing.
    """
    position = start
    for frame in frames:
        if id_column is not None and id_column not in frame.columns:
            raise DataError(
                "The column that identifies a row is missing.",
                got=", ".join(map(str, frame.columns)),
                expected=id_column,
            )
        for first in range(0, len(frame), size):
            part = frame.iloc[first : first + size]
            part = part.set_axis(pd.RangeIndex(position, position + len(part)), axis="index")
            position += len(part)
            ids = part.index if id_column is None else part[id_column]
            yield Batch(row_ids=tuple(ids.tolist()), body=request_body(part))


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    if path.suffix == ".csv":
        with pd.read_csv(path, chunksize=_CHUNK_ROWS) as reader:
            yield from reader
    elif path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_CHUNK_ROWS):
                yield batch.to_pandas()
    elif path.suffix == ".jsonl":
        with pd.read_json(path, lines=True, chunksize=_CHUNK_ROWS) as reader:
            yield from reader
    else:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            table = content["input_data"]
            yield pd.DataFrame(table["data"], columns=table["columns"])
        else:
            yield pd.DataFrame.from_records(content)

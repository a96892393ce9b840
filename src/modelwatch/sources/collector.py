"""Azure ML's data collector: ``…/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance}.jsonl``, one event a line.

The collector may put several near-simultaneous requests into one line that shares a correlation id, so a
row's own ``correlationid`` column wins over the line's; without one, rows of a line are told apart by their
position.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelwatch.performance.labels import join_labels
from modelwatch.sources.tables import table_from_rows
from modelwatch.sources.text_files import parse_json_lines, read_json_lines
from modelwatch.sources.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

CORRELATION_ID = "correlationid"
EVENT_TIME = "event_time"
INPUTS, OUTPUTS = "model_inputs", "model_outputs"
_HOUR = re.compile(r"(?:^|/)(\d{4})/(\d{2})/(\d{2})/(\d{2})(?:/|$)")


class Container(Protocol):
    """What is needed of a blob container; `azure.storage.blob.ContainerClient` has it."""

    def list_blob_names(self, *, name_starts_with: str) -> Iterable[str]:
        """Return the names that begin so."""
        ...

    def download_blob(self, blob: str) -> Any:
        """Return an object whose ``readall`` gives the content."""
        ...


def is_collector(folder: Path) -> bool:
    """Tell whether ``folder`` is laid out by year, month, day and hour."""
    found = next(folder.rglob("*.jsonl"), None)
    return found is not None and _HOUR.search(found.relative_to(folder).as_posix()) is not None


def files_within(folder: Path, window: Window | None = None) -> Iterator[Path]:
    """Yield the files of the hours that ``window`` touches, in order of time, looking into no other folder.

    An event is filed under the hour in which it was written, so the hour after the window is read as well.
    """
    if window is None:
        yield from sorted(folder.rglob("*.jsonl"))
        return
    late = Window(window.start, window.end + timedelta(hours=1))
    for root in _roots(folder):
        for hour in late.hours():
            yield from sorted((root / hour.strftime("%Y/%m/%d/%H")).glob("*.jsonl"))


def _roots(folder: Path) -> list[Path]:
    """Return the folders that hold years, without descending into them."""
    years: list[Path] = []
    others: list[Path] = []
    for child in sorted(folder.iterdir()) if folder.is_dir() else ():
        if child.is_dir():
            (years if re.fullmatch(r"\d{4}", child.name) else others).append(child)
    return [folder] if years else [root for child in others for root in _roots(child)]


def read_collector(folder: Path | Container, window: Window | None = None, *, prefix: str = "") -> pa.Table:
    """Return the collected rows as a table with `CORRELATION_ID` and `EVENT_TIME` columns.

    Parameters
    ----------
    folder
        Folder of one collection (``model_inputs``, ``model_outputs``) of one deployment, or a blob container.
    window
        Keeps events of this time; all by default.
    prefix
        Path of the collection's folder in a container.
    """
    if isinstance(folder, Path):
        lines = (line for file in files_within(folder, window) for line in read_json_lines(file))
    else:
        lines = (line for name in _blobs(folder, window, prefix) for line in _blob_lines(folder, name))
    return table_from_rows([row for line in lines for row in _rows(line, window)])


def read_deployment(folder: Path, window: Window | None = None) -> pa.Table:
    """Return a deployment's collected inputs, joined to their outputs by correlation id if there are some."""
    inputs = read_collector(folder / INPUTS, window)
    if not (folder / OUTPUTS).is_dir():
        return inputs
    outputs = read_collector(folder / OUTPUTS, window)
    if EVENT_TIME in outputs.column_names:
        outputs = outputs.drop_columns([EVENT_TIME])
    if CORRELATION_ID not in outputs.column_names or CORRELATION_ID not in inputs.column_names:
        return inputs
    return join_labels(inputs, outputs, CORRELATION_ID).table


def _blobs(container: Container, window: Window | None, prefix: str) -> Iterator[str]:
    """Yield the names of a window's blobs, listing no hour outside it."""
    root = f"{prefix.strip('/')}/" if prefix else ""
    if window is None:
        yield from sorted(container.list_blob_names(name_starts_with=root))
        return
    for hour in Window(window.start, window.end + timedelta(hours=1)).hours():
        yield from sorted(container.list_blob_names(name_starts_with=f"{root}{hour:%Y/%m/%d/%H}/"))


def _blob_lines(container: Container, name: str) -> Iterator[dict[str, Any]]:
    content = container.download_blob(name).readall()
    yield from parse_json_lines(content.decode("utf-8").splitlines(), name)


def _rows(event: dict[str, Any], window: Window | None) -> Iterator[dict[str, Any]]:
    moment = _moment(event.get("time"))
    if window is not None and (moment is None or not window.start <= moment < window.end):
        return
    data = event.get("data")
    if not isinstance(data, list):
        # A payload above 4 MB is written elsewhere and only linked.
        return
    identifier = event.get(CORRELATION_ID) or event.get("xrequestid") or event.get("id")
    for position, row in enumerate(data):
        if isinstance(row, dict):
            own = f"{identifier}_{position}" if len(data) > 1 else identifier
            yield {CORRELATION_ID: own, EVENT_TIME: moment, **row}


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

"""Azure ML's data collector: ``…/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance}.jsonl``, one event a line.

The collector may put several near-simultaneous requests into one line that shares a correlation id, so a
row's own ``correlationid`` column wins over the line's; without one, rows of a line are told apart by their
position. Everything is read hour by hour: two hours of one deployment are the most that is ever held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from modelwatch.sources.base import assembled, only, read_table
from modelwatch.sources.tables import table_from_rows
from modelwatch.sources.text_files import parse_json_lines, read_json_lines
from modelwatch.sources.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelwatch.sources.base import Source

CORRELATION_ID = "correlationid"
EVENT_TIME = "event_time"
INPUTS, OUTPUTS = "model_inputs", "model_outputs"
_HOUR = re.compile(r"(?:^|/)(\d{4}/\d{2}/\d{2}/\d{2})(?:/|$)")
_ROWS = 1 << 16
_FIRST_ROWS = 1_000


class Container(Protocol):
    """What is needed of a blob container; `azure.storage.blob.ContainerClient` has it."""

    def list_blob_names(self, *, name_starts_with: str) -> Iterable[str]:
        """Return the names that begin so."""
        ...

    def download_blob(self, blob: str) -> Any:
        """Return an object whose ``readall`` gives the content."""
        ...


@dataclass(frozen=True, slots=True)
class Collection:
    """Where one collection's files are.

    Attributes
    ----------
    place
        A folder, or a blob container.
    prefix
        Path below it.
    """

    place: Path | Container
    prefix: str = ""

    def below(self, name: str) -> Collection:
        """Return the collection ``name`` below this path."""
        return replace(self, prefix=f"{self.prefix.strip('/')}/{name}".lstrip("/"))

    def hours(self, window: Window | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield each hour (``yyyy/MM/dd/HH``) with its files, in order, looking into no hour outside.

        An event is filed under the hour in which it was written, so the hour after ``window`` is read too.
        """
        if window is None:
            yield from _grouped(self._names())
            return
        for hour in Window(window.start, window.end + timedelta(hours=1)).hours():
            key = f"{hour:%Y/%m/%d/%H}"
            if names := sorted(self._names(key)):
                yield key, names

    def events(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the events of files, one a line."""
        for name in names:
            if isinstance(self.place, Path):
                yield from read_json_lines(self.place / name)
            else:
                content = self.place.download_blob(name).readall()
                yield from parse_json_lines(content.splitlines(), name)

    def _names(self, hour: str = "") -> list[str]:
        if not isinstance(self.place, Path):
            root = f"{self.prefix.strip('/')}/" if self.prefix else ""
            below = f"{root}{hour}/" if hour else root
            return [name for name in self.place.list_blob_names(name_starts_with=below) if _HOUR.search(name)]
        top = self.place / self.prefix
        found = (
            (path for root in _roots(top) for path in (root / hour).glob("*.jsonl"))
            if hour
            else top.rglob("*.jsonl")
        )
        return [path.relative_to(self.place).as_posix() for path in found]


def _grouped(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    hours: dict[str, list[str]] = {}
    for name in names:
        match = _HOUR.search(name)
        if match:
            hours.setdefault(match[1], []).append(name)
    for hour in sorted(hours):
        yield hour, sorted(hours[hour])


def _roots(folder: Path) -> list[Path]:
    """Return the folders that hold years, without descending into them."""
    children = [child for child in sorted(folder.iterdir()) if child.is_dir()] if folder.is_dir() else []
    if any(re.fullmatch(r"\d{4}", child.name) for child in children):
        return [folder]
    return [root for child in children for root in _roots(child)]


@dataclass(frozen=True)
class CollectorSource:
    """One collection (``model_inputs``, ``model_outputs``) as rows with `CORRELATION_ID` and `EVENT_TIME`."""

    collection: Collection
    window: Window | None = None
    duplicate_names: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the first rows; later ones may hold more."""
        rows = (row for _, names in self.collection.hours(self.window) for row in self._rows(names))
        return table_from_rows(list(islice(rows, _FIRST_ROWS))).schema

    def within(self, window: Window, event_time: str = EVENT_TIME, timezone: str | None = None) -> Source:
        """Return the events of ``window``, which are told apart by the time that the collector wrote."""
        del event_time, timezone
        return replace(self, window=window)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows, file by file."""
        for _, names in self.collection.hours(self.window):
            for table in self._tables(names):
                for batch in table.to_batches():
                    yield only(batch, columns)

    def hour(self, names: list[str]) -> pa.Table:
        """Return the rows of one hour's files."""
        tables = list(self._tables(names))
        return assembled([b for table in tables for b in table.to_batches()], pa.schema([]), None)

    def _tables(self, names: list[str]) -> Iterator[pa.Table]:
        rows = self._rows(names)
        while held := list(islice(rows, _ROWS)):
            yield table_from_rows(held)

    def _rows(self, names: list[str]) -> Iterator[dict[str, Any]]:
        for event in self.collection.events(names):
            yield from _rows(event, self.window)


@dataclass(frozen=True)
class DeploymentSource:
    """A deployment's inputs, each with its outputs, joined by correlation id; null where none were written.

    An output is looked for in the hour of its input and the hours beside it.
    """

    deployment: Collection
    window: Window | None = None
    duplicate_names: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the first rows; later ones may hold more."""
        first = next(self.batches(), None)
        return pa.schema([]) if first is None else first.schema

    def within(self, window: Window, event_time: str = EVENT_TIME, timezone: str | None = None) -> Source:
        """Return the events of ``window``, which are told apart by the time that the collector wrote."""
        del event_time, timezone
        return replace(self, window=window)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the inputs in order of their hours."""
        for table in self._joined():
            for batch in table.combine_chunks().to_batches(max_chunksize=_ROWS):
                yield only(batch, columns)

    def _joined(self) -> Iterator[pa.Table]:
        inputs = CollectorSource(self.deployment.below(INPUTS), self.window)
        # The window is one of inputs: the answer to its last request may come after it.
        outputs = CollectorSource(self.deployment.below(OUTPUTS))
        asked, answered = (dict(side.collection.hours(self.window)) for side in (inputs, outputs))
        waiting: pa.Table | None = None
        before: pa.Table | None = None
        for hour in sorted({*asked, *answered}):
            now = outputs.hour(answered.get(hour, []))
            known = now if before is None else _both(before, now)
            if waiting is not None and waiting.num_rows:
                yield _answered(waiting, known)
            rows = inputs.hour(asked.get(hour, []))
            found = _matches(rows, known)
            if rows.num_rows:
                yield _answered(rows.filter(found), known)
            waiting, before = rows.filter(pc.invert(found)) if rows.num_rows else None, now
        if waiting is not None and waiting.num_rows and before is not None:
            yield _answered(waiting, before)


def _both(one: pa.Table, two: pa.Table) -> pa.Table:
    return assembled([*one.to_batches(), *two.to_batches()], one.schema, None)


def _matches(rows: pa.Table, outputs: pa.Table) -> pa.ChunkedArray:
    if CORRELATION_ID not in rows.column_names or CORRELATION_ID not in outputs.column_names:
        return pa.chunked_array([pa.array([False] * rows.num_rows, pa.bool_())])
    return pc.is_valid(pc.index_in(_ids(rows), value_set=_ids(outputs), skip_nulls=True))


def _answered(rows: pa.Table, outputs: pa.Table) -> pa.Table:
    """Return inputs with the columns of their outputs, which win where both have one of a name."""
    if CORRELATION_ID not in outputs.column_names:
        return rows
    positions = pc.index_in(_ids(rows), value_set=_ids(outputs), skip_nulls=True)
    for name in outputs.column_names:
        if name in (CORRELATION_ID, EVENT_TIME):
            continue
        column = outputs.column(name).take(positions)
        place = rows.schema.get_field_index(name)
        rows = rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column)
    return rows


def _ids(table: pa.Table) -> pa.ChunkedArray:
    return table.column(CORRELATION_ID).cast(pa.string())


def open_collected(folder: Path) -> Source | None:
    """Return what a data collector left in ``folder``, None if it is not laid out by hours.

    A folder with inputs and outputs is a deployment; anything else is one collection.
    """
    found = next(folder.rglob("*.jsonl"), None)
    if found is None or not _HOUR.search(found.relative_to(folder).as_posix()):
        return None
    roots = _roots(folder)
    deployments = {root.parent for root in roots if root.name == INPUTS}
    if len(deployments) == 1 and any(root.name == OUTPUTS for root in roots):
        return DeploymentSource(Collection(deployments.pop()))
    return CollectorSource(Collection(folder))


def read_collector(folder: Path | Container, window: Window | None = None, *, prefix: str = "") -> pa.Table:
    """Return one collection's rows as a table with `CORRELATION_ID` and `EVENT_TIME` columns.

    Parameters
    ----------
    folder
        Folder of one collection of one deployment, or a blob container.
    window
        Keeps events of this time; all by default.
    prefix
        Path of the collection's folder in a container.
    """
    return read_table(CollectorSource(Collection(folder, prefix), window))


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

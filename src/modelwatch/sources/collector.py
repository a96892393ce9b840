"""Azure ML's data collector: ``…/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance}.jsonl``, one event a line.

The collector may put several near-simultaneous requests into one line that shares a correlation id, so a
row's own ``correlationid`` column wins over the line's; without one, rows of a line are told apart by their
position.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelwatch.sources.tables import table_from_rows
from modelwatch.sources.text_files import read_json_lines
from modelwatch.sources.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

CORRELATION_ID = "correlationid"
EVENT_TIME = "event_time"
_HOUR = re.compile(r"(?:^|/)(\d{4})/(\d{2})/(\d{2})/(\d{2})(?:/|$)")


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


def read_collector(folder: Path, window: Window | None = None) -> pa.Table:
    """Return the collected rows as a table with `CORRELATION_ID` and `EVENT_TIME` columns.

    Parameters
    ----------
    folder
        Folder of one collection (``model_inputs``, ``model_outputs``) of one deployment.
    window
        Keeps events of this time; all by default.
    """
    rows = [row for file in files_within(folder, window) for row in _rows(file, window)]
    return table_from_rows(rows)


def _rows(file: Path, window: Window | None) -> Iterator[dict[str, Any]]:
    for event in read_json_lines(file):
        moment = _moment(event.get("time"))
        if window is not None and (moment is None or not window.start <= moment < window.end):
            continue
        data = event.get("data")
        if not isinstance(data, list):
            # A payload above 4 MB is written elsewhere and only linked.
            continue
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

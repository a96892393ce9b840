"""What monitors measured and what became of it: two append-only tables in one SQLite file.

`windows` holds the measurements of each window; `events` is the journal: incidents, what was told to whom,
who did what. State is not stored: it is folded from the windows, so it cannot contradict them. Both tables
refuse changes, and each event carries a hash of the one before it, so that a journal that was edited behind
SQLite's back is found out. A process that is killed leaves the last transaction undone and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from modelwatch.alerts import journal
from modelwatch.alerts.history import Columns, History, SeriesKey, window_of
from modelwatch.errors import SourceError, UsageError
from modelwatch.sources.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from modelwatch.alerts.journal import Event

FORMAT = 1
BUSY_SECONDS = 60.0
Recorded = Literal["new", "unchanged", "reopened", "refused"]

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS windows (
    id INTEGER PRIMARY KEY,
    monitor TEXT NOT NULL,
    start TEXT NOT NULL,
    end TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    numbers BLOB NOT NULL,
    document BLOB NOT NULL,
    UNIQUE (monitor, start, revision)
);
CREATE TRIGGER IF NOT EXISTS windows_stay BEFORE UPDATE ON windows
    BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER IF NOT EXISTS windows_remain BEFORE DELETE ON windows
    BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
{journal.SCHEMA}
PRAGMA user_version = {FORMAT};
"""
# A late row re-opens its window once; from then on the window is closed.
_LAST_REVISION = 1


class AlertStore:
    """The history and the journal of any number of monitors.

    Parameters
    ----------
    path
        The file; it and its folder are made when missing.

    Raises
    ------
    SourceError
        If the file is no store, or of a later version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.DatabaseError) as error:
            raise SourceError(
                "The alert store cannot be opened",
                where=str(self.path),
                got=str(error),
                expected="a file in a folder that can be written to",
            ) from error
        self._depth = 0
        try:
            # Readers never wait for the writer, and what was committed survives a kill.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise SourceError(
                "The alert store cannot be opened",
                where=str(self.path),
                got=str(error),
                expected="a file that an earlier run wrote, or none",
            ) from error
        if version > FORMAT:
            self._connection.close()
            raise SourceError(
                "The alert store is of a later version", where=str(self.path), got=version, expected=FORMAT
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside happen as a whole or not at all; one writer at a time, others wait."""
        if self._depth:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        else:
            self._connection.execute("COMMIT")
        finally:
            self._depth = 0

    def record(self, results: Mapping[str, Any], *, now: datetime) -> Recorded:
        """Add a window's results to the history.

        Parameters
        ----------
        results
            The content of ``results.json``, of a window.
        now
            Time of the run, UTC.

        Returns
        -------
        str
            ``unchanged`` for a window that is there with the same measurements, ``reopened`` the first time
            that its measurements differ (late rows), ``refused`` from then on; the last two are events.

        Raises
        ------
        UsageError
            If the results have no window, or one that overlaps another in part.
        """
        window, monitor = window_of(results), str(results["monitor"])
        start = window.to_dict()["start"]
        document = {**results, "alerts": []}
        digest = hashlib.sha256(journal.canonical(document["measurements"]).encode()).hexdigest()
        with self.transaction():
            present = self._connection.execute(
                "SELECT digest FROM windows WHERE monitor = ? AND start = ? ORDER BY revision",
                (monitor, start),
            ).fetchall()
            if (digest,) in present:
                return "unchanged"
            if len(present) > _LAST_REVISION:
                self.append(
                    "window_refused", f"{monitor}/{start}/refused/{digest}", monitor=monitor,
                    payload={"window": window.to_dict(), "digest": digest}, now=now,
                )  # fmt: skip
                return "refused"
            self._require_room(monitor, window)
            self._connection.execute(
                "INSERT INTO windows (monitor, start, end, revision, digest, recorded_at, numbers, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    monitor, start, window.to_dict()["end"], len(present), digest, journal.text_of(now),
                    _packed(Columns.of(results["measurements"])),
                    zlib.compress(json.dumps(document, allow_nan=False).encode(), 6),
                ),
            )  # fmt: skip
            if not present:
                return "new"
            self.append(
                "window_reopened", f"{monitor}/{start}/reopened", monitor=monitor,
                payload={"window": window.to_dict(), "digest": digest}, now=now,
            )  # fmt: skip
            return "reopened"

    def _require_room(self, monitor: str, window: Window) -> None:
        span = window.to_dict()
        other = self._connection.execute(
            "SELECT start, end FROM windows WHERE monitor = ? AND start < ? AND end > ? "
            "AND NOT (start = ? AND end = ?)",
            (monitor, span["end"], span["start"], span["start"], span["end"]),
        ).fetchone()
        if other is not None:
            raise UsageError(
                "The window overlaps another one of this monitor",
                where=monitor,
                got=f"{span['start']} to {span['end']}",
                expected=f"a window beside {other[0]} to {other[1]}",
            )

    def monitors(self) -> list[str]:
        """Return the names of the monitors that have a history or events."""
        rows = self._connection.execute(
            "SELECT monitor FROM windows UNION SELECT monitor FROM events ORDER BY monitor"
        )
        return [name for (name,) in rows]

    def windows(self, monitor: str) -> list[tuple[Window, datetime]]:
        """Return a monitor's windows in order, and when each was last recorded."""
        rows = self._connection.execute(
            "SELECT start, end, max(recorded_at) FROM windows WHERE monitor = ? "
            "GROUP BY start ORDER BY start",
            (monitor,),
        )
        return [
            (Window(journal.time_of(start), journal.time_of(end)), journal.time_of(recorded))
            for start, end, recorded in rows
        ]

    def history(self, monitor: str) -> History:
        """Return all windows of a monitor, each in its last revision."""
        rows = self._connection.execute(
            "SELECT start, end, numbers, max(revision) FROM windows WHERE monitor = ? "
            "GROUP BY start ORDER BY start",
            (monitor,),
        ).fetchall()
        windows = [Window(journal.time_of(start), journal.time_of(end)) for start, end, _, _ in rows]
        return History.stack(monitor, windows, _unpacked([numbers for _, _, numbers, _ in rows]))

    def results(self, monitor: str, window: Window) -> dict[str, Any]:
        """Return the content of ``results.json`` of a window, in its last revision and without alerts.

        Raises
        ------
        UsageError
            If there is no such window.
        """
        row = self._connection.execute(
            "SELECT document FROM windows WHERE monitor = ? AND start = ? ORDER BY revision DESC LIMIT 1",
            (monitor, window.to_dict()["start"]),
        ).fetchone()
        if row is None:
            raise UsageError("No such window in the store", where=monitor, got=window.to_dict()["start"])
        found: dict[str, Any] = json.loads(zlib.decompress(row[0]))
        return found

    def append(
        self,
        kind: str,
        key: str,
        *,
        monitor: str,
        payload: Mapping[str, Any],
        now: datetime,
        actor: str = "monitor",
    ) -> bool:
        """Write an event unless one with its key is there.

        Returns
        -------
        bool
            Whether it was written now.
        """
        with self.transaction():
            return journal.append(
                self._connection, kind, key, monitor=monitor, payload=payload, now=now, actor=actor
            )

    def events(self, monitor: str | None = None, kinds: tuple[str, ...] = ()) -> list[Event]:
        """Return events in their order, of one monitor or all, of some kinds or all."""
        return list(journal.read(self._connection, monitor, kinds))

    def export(self) -> Iterator[str]:
        """Yield the journal as JSON lines."""
        for event in self.events():
            yield json.dumps(event.to_dict(), sort_keys=True)

    def verify(self) -> int:
        """Return the number of events after checking that none was changed, removed or inserted.

        Raises
        ------
        SourceError
            For the first event that does not follow from the one before it.
        """
        return journal.verify(self._connection, where=str(self.path))


def _packed(columns: Columns) -> bytes:
    """Return a window's series as a compressed Arrow stream: numbers of many windows load at once."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import ipc  # noqa: PLC0415

    keys = {
        name: pa.array([getattr(key, name) for key in columns.series], pa.string())
        for name in SeriesKey._fields
    }
    table = pa.table({**keys, **columns.arrays()})
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _unpacked(blobs: list[bytes]) -> list[Columns]:
    from pyarrow import ipc  # noqa: PLC0415

    result: list[Columns] = []
    keys = series = None
    for blob in blobs:
        table = ipc.open_stream(blob).read_all()
        present = table.select(SeriesKey._fields)
        if series is None or not present.equals(keys):
            columns = [present.column(name).to_pylist() for name in SeriesKey._fields]
            keys, series = present, tuple(SeriesKey(*row) for row in zip(*columns, strict=True))
        numbers = {
            name: table.column(name).to_numpy() for name in table.column_names[len(SeriesKey._fields) :]
        }
        result.append(Columns(series, **numbers))
    return result

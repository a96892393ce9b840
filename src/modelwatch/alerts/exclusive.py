"""One at a time, over processes: a lock that the operating system releases when its holder dies."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path, *, wait: float = 60.0) -> Iterator[bool]:
    """Hold a lock file while the block runs.

    SQLite takes the lock, because it knows how on every system, and never leaves one behind: there is no
    file to clean up after a crash, and no lease that could end while its holder still works.

    Parameters
    ----------
    path
        The lock file; made when it is missing, always empty.
    wait
        Seconds to wait for another holder.

    Yields
    ------
    bool
        Whether the lock is held; False when another process held it all the time.

    Raises
    ------
    sqlite3.OperationalError
        The file cannot be opened.
    """
    with closing(sqlite3.connect(path, timeout=wait, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            held = False
        else:
            held = True
        yield held

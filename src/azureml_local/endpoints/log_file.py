"""Log files that one process appends to while others read them."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bound", "tail"]

_LARGEST = 32 * 1024 * 1024
_KEPT = 4 * 1024 * 1024


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a file, or nothing when there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines))
    except FileNotFoundError:
        return ""


def bound(path: Path) -> None:
    """Keep a log from filling the disk: cut it to its last 4 MB once it has more than 32 MB.

    The process that writes goes on, since it appends: it finds the shorter file.
    """
    if not path.exists() or path.stat().st_size <= _LARGEST:
        return
    with path.open("rb") as log:
        log.seek(-_KEPT, os.SEEK_END)
        log.readline()
        kept = log.read()
    os.truncate(path, 0)
    with path.open("ab") as log:
        log.write(kept)

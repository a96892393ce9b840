"""Sinks of this machine: the console and a file."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TextIO

from mlops.notifications.content import Content, document
from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from pathlib import Path

    from modelwatch.alerts.outbox import Notification

__all__ = ["Console", "File"]


@dataclass(frozen=True, slots=True)
class Console:
    """Standard error, or another stream."""

    name: str
    stream: TextIO | None = None
    include_rows: bool = False

    def deliver(self, notification: Notification) -> None:
        """Print it."""
        stream = self.stream or sys.stderr
        stream.write(f"{Content.of(notification, include_rows=self.include_rows).text()}\n\n")
        stream.flush()

    def delivered(self, notification: Notification) -> None:
        """Nobody can ask a console."""


@dataclass(frozen=True, slots=True)
class File:
    """JSON lines; a line is there whole or not at all, and each key once."""

    name: str
    path: Path
    include_rows: bool = False

    def deliver(self, notification: Notification) -> str:
        """Append a line and flush it to the disk."""
        line = json.dumps(document(notification, include_rows=self.include_rows), allow_nan=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as stream:
                content = _whole_lines(stream)
                if notification.key in self._keys(content):
                    return str(self.path)
                # The half of a line that a crash left behind would make the next line unreadable.
                stream.truncate(len(content))
                stream.write(f"{line}\n".encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise self._unusable(error) from error
        return str(self.path)

    def delivered(self, notification: Notification) -> bool:
        """Look for the key."""
        try:
            with self.path.open("rb") as stream:
                return notification.key in self._keys(_whole_lines(stream))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error

    def _keys(self, content: bytes) -> set[str]:
        try:
            return {json.loads(line)["key"] for line in content.splitlines()}
        except (ValueError, KeyError, TypeError) as error:
            raise SinkError(
                "The file of notifications holds something else",
                where=str(self.path),
                got=type(error).__name__,
                expected="JSON lines that this sink wrote",
                next_step="give the sink another path",
            ) from error

    def _unusable(self, error: OSError) -> SinkError:
        return SinkError(
            "The file of notifications cannot be used",
            where=str(self.path),
            got=error.strerror,
            next_step="free space or mend its permissions; it is tried again",
        )


def _whole_lines(stream: BinaryIO) -> bytes:
    """Return a file up to the end of its last whole line."""
    stream.seek(0)
    content = stream.read()
    return content[: content.rfind(b"\n") + 1]

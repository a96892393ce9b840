"""The annotation queue: JSON lines that say which data wait for labels, and why.

A labelling project imports them; `mlops train` waits for what comes back.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlops.actions.requests import ActionRequest

__all__ = ["AnnotationQueue"]


@dataclass(frozen=True, slots=True)
class AnnotationQueue:
    """A file of requests; each request once.

    Parameters
    ----------
    path
        The file; made when missing.
    assets
        What data a request is about: addresses of assets, never the data itself.
    """

    path: Path
    assets: Callable[[ActionRequest], Sequence[str]]

    def __call__(self, request: ActionRequest) -> str:
        """Queue a request, and say where it is.

        Raises
        ------
        DataError
            The file holds something else, or cannot be written.
        """
        try:
            if request.id not in {line["id"] for line in self.lines()}:
                self._append(request)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                "The annotation queue cannot be used.",
                where=str(self.path),
                got=error,
                expected="JSON lines that earlier requests wrote",
                next_step="move the file away; requests that are open are queued again",
            ) from error
        return f"queued in {self.path}"

    def lines(self) -> list[dict[str, Any]]:
        """Return what is queued, oldest first; not the half of a line that a crash left behind."""
        if not self.path.exists():
            return []
        whole, newline, _half = self.path.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in (whole + newline).splitlines()]

    def _append(self, request: ActionRequest) -> None:
        row = {
            "id": request.id,
            "model": request.model,
            "incident": request.incident,
            "reason": request.reason,
            "requested": request.requested.isoformat(),
            "assets": list(self.assets(request)),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as stream:
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)
            stream.write(f"{json.dumps(row)}\n".encode())
            stream.flush()
            os.fsync(stream.fileno())

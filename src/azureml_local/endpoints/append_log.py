"""Appending lines to blobs in batches, without ever leaving a torn line for a reader."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.blobs import BlobStore

__all__ = ["AppendLog", "repair"]

_FLUSH_SECONDS = 0.1
_RETRY_SECONDS = 1.0
_MOST_PENDING_BYTES = 64 * 1024 * 1024
_BLOCK = 1 << 16

_logger = logging.getLogger(__name__)


class AppendLog:
    """The one writer of a set of blobs.

    Lines are gathered and appended every tenth of a second, with one write for each blob. What is
    lost when the process is killed is at most what came since the last write; :func:`repair` cuts
    off a line of which only a part was written. When the disk or the quota is full, lines wait and
    are written once there is space again.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._pending: dict[tuple[str, str], list[bytes]] = {}
        self._pending_bytes = 0
        self._writing = asyncio.Lock()
        self._some_pending = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether so much waits for space that no more lines are taken."""
        return self._pending_bytes > _MOST_PENDING_BYTES

    def start(self) -> None:
        """Begin to write in the background."""
        self._flusher = asyncio.create_task(self._flush_forever())

    def add(self, container: str, blob: str, line: bytes) -> None:
        """Append a line, soon."""
        self._pending.setdefault((container, blob), []).append(line)
        self._pending_bytes += len(line)
        self._some_pending.set()

    async def flush(self) -> None:
        """Write what is pending.

        Raises
        ------
        AzureError, OSError
            The lines could not be written; they are still pending.
        """
        async with self._writing:
            batch, self._pending = self._pending, {}
            self._pending_bytes = 0
            self._some_pending.clear()
            for container, blob in list(batch):
                try:
                    content = b"".join(batch[container, blob])
                    await asyncio.to_thread(self._append, container, blob, content)
                except (AzureError, OSError):
                    self._put_back(batch)
                    raise
                del batch[container, blob]

    async def close(self) -> None:
        """Write everything and stop."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
            self._flusher = None
        try:
            await self.flush()
        except (AzureError, OSError) as error:
            _logger.error("collected data of %d blobs is lost: %s", len(self._pending), error)  # noqa: TRY400

    async def _flush_forever(self) -> None:
        while True:
            await self._some_pending.wait()
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                # Shielded: a stop in the middle must not forget a batch that is being written.
                await asyncio.shield(self.flush())
            except (AzureError, OSError) as error:
                _logger.warning("collected data waits for space: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _put_back(self, batch: dict[tuple[str, str], list[bytes]]) -> None:
        for key, lines in batch.items():
            self._pending[key] = lines + self._pending.get(key, [])
        self._pending_bytes = sum(len(line) for lines in self._pending.values() for line in lines)
        self._some_pending.set()

    def _append(self, container: str, blob: str, content: bytes) -> None:
        self._blobs.create_container(container)
        path = self._blobs.path(container, blob)
        space = self._blobs.space
        space.take(len(content))
        try:
            with space.disk():
                _append_whole(path, content)
        except (AzureError, OSError):
            space.take(-len(content))
            raise


def repair(folder: Path) -> int:
    """Cut every file of lines below a folder back to its last whole line; return how many were torn."""
    torn = 0
    for path in folder.rglob("*.jsonl"):
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            whole = _end_of_last_line(file.fileno(), end)
            if whole != end:
                file.truncate(whole)
                torn += 1
    return torn


def _append_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _end_of_last_line(descriptor: int, end: int) -> int:
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0

"""Copies of stored data for a node, and the identity of contents."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# ioctl_ficlone(2): share the blocks of a file until one of the two copies is written.
_FICLONE: Final = 0x40049409
_READ_ONLY: Final = 0o444


def copy(source: Path, target: Path, *, read_only: bool) -> None:
    """Copy a file or a folder; the copy shares blocks where the file system can, never an inode.

    A node may do to its copy what it likes: what is stored stays as it is.
    """
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for child in source.iterdir():
            copy(child, target / child.name, read_only=read_only)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not _clone(source, target):
        shutil.copyfile(source, target)
    if read_only:
        target.chmod(_READ_ONLY)


def _clone(source: Path, target: Path) -> bool:
    if sys.platform != "linux":
        return False  # elsewhere copyfile itself clones (macOS) or nothing does
    with source.open("rb") as reader, target.open("wb") as writer, contextlib.suppress(OSError):
        fcntl.ioctl(writer, _FICLONE, reader.fileno())
        return True
    return False


def stamp(path: Path) -> str:
    """Return a digest of names, sizes and times below a path: cheap, and different after any change."""
    digest = hashlib.sha256()
    for name, file in _files(path):
        status = file.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class ContentHashes:
    """SHA-256 of files and folders; a file is read again only when its size or time changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """Return the digest of all names and contents below a path; of a file's content alone."""
        if path.is_file():
            return self._file(path)
        digest = hashlib.sha256()
        for name, file in _files(path):
            digest.update(f"{name}\0{self._file(file)}\0".encode())
        return digest.hexdigest()

    def _file(self, path: Path) -> str:
        status = path.stat()
        key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            with path.open("rb") as stream:
                known = hashlib.file_digest(stream, "sha256").hexdigest()
            with self._lock:
                self._known[key] = known
        return known


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [("", path)]
    found = (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return sorted((file.relative_to(path).as_posix(), file) for file in found)

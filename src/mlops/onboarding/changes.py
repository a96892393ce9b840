"""A set of changes to files of the repository: shown as a diff, checked as a whole, then written."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from mlops.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["FileChange", "apply_changes", "scratch_copy", "to_diff"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file, before and after.

    Parameters
    ----------
    path
        Below the repository's folder.
    after
        The new text; None deletes what is there, a folder with everything in it.
    """

    path: str
    before: str
    after: str | None


def to_diff(changes: Iterable[FileChange]) -> str:
    """Return the changes as a unified diff; of what is deleted, the name alone."""
    parts = []
    for change in changes:
        if change.after is None:
            parts.append(f"delete {change.path}\n")
        else:
            parts += difflib.unified_diff(
                change.before.splitlines(keepends=True),
                change.after.splitlines(keepends=True),
                f"a/{change.path}",
                f"b/{change.path}",
            )
    return "".join(parts)


def apply_changes(root: Path, changes: Iterable[FileChange]) -> None:
    """Write each file whole, then delete; after an interruption the same command finishes."""
    for change in sorted(changes, key=lambda one: one.after is None):
        target = root / change.path
        if change.after is not None:
            write_text(target, change.after)
        elif target.is_dir():
            # At once or not at all: the rest of a half-deleted folder would be taken for a use case.
            trash = root / ".mlops" / f"removed-{uuid4().hex}"
            trash.parent.mkdir(exist_ok=True)
            target.rename(trash)
            shutil.rmtree(trash)
        else:
            target.unlink(missing_ok=True)


def scratch_copy(root: Path, changes: Iterable[FileChange]) -> AbstractContextManager[Path]:
    """Return a folder with the settings as they would be, to check them before anything is written."""
    return _Scratch(root, tuple(changes))


class _Scratch:
    def __init__(self, root: Path, changes: tuple[FileChange, ...]) -> None:
        self._root = root
        self._changes = changes
        self._folder = tempfile.TemporaryDirectory(prefix="mlops-init-")

    def __enter__(self) -> Path:
        scratch = Path(self._folder.name)
        for path in self._settings():
            target = scratch / path.relative_to(self._root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        apply_changes(scratch, self._changes)
        return scratch

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def _settings(self) -> Iterator[Path]:
        yield from (self._root / "environments").glob("*.yaml")
        yield from (self._root / "environments" / "pulumi").glob("*.yaml")
        yield from (self._root / "pipelines").glob("*/usecase.yaml")

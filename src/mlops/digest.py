"""What a model is, as one number: a digest over its files, the same wherever the files are.

The gate writes it into its verdict over the very files that it judged, registration makes it a tag, a
release names it, and what serves is held to it. Names and contents count; times, owners and the folder's own
name do not.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Final

from mlops.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PATTERN", "PREFIX", "drop_compiled", "folder_digest", "model_digest", "verify"]

PREFIX: Final = "sha256:"
PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
# Whoever imports a model's code leaves these beside it, and they differ from machine to machine.
_COMPILED: Final = "__pycache__"
_CHUNK: Final = 1 << 20


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over every file's relative path and content below `folder`, as hexadecimal digits.

    One line a file, sorted by path: the path, a NUL, the SHA-256 of the content. Folders named
    ``__pycache__`` are left out; see :func:`verify`.
    """
    digest = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.is_file())
    for path in sorted(file for file in files if _COMPILED not in file.relative_to(folder).parts):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{_file_digest(path)}\n".encode())
    return digest.hexdigest()


def model_digest(folder: Path) -> str:
    """Return a model's digest as tags and releases write it: ``sha256:`` and 64 hexadecimal digits.

    Raises
    ------
    RegistryError
        There is no file to take it of, or one of them is a link, which leads elsewhere on another machine.
    """
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    if links or not any(path.is_file() for path in folder.rglob("*")):
        raise RegistryError(
            "A model has no digest.",
            where=str(folder),
            got=f"a link, {links[0].relative_to(folder)}" if links else "no file",
            expected="a folder of plain files",
            next_step="train the model again: mlops train",
        )
    return PREFIX + folder_digest(folder)


def drop_compiled(folder: Path) -> None:
    """Delete compiled Python, which no digest covers, from a copy that is about to be registered."""
    for path in list(folder.rglob(_COMPILED)):
        shutil.rmtree(path, ignore_errors=True)


def verify(folder: Path, expected: str, *, what: str, next_step: str, compiled: bool = False) -> None:
    """Refuse files that are not, to the byte, those of a digest.

    Parameters
    ----------
    folder
        The model's files.
    expected
        The digest that they must have.
    what
        Whose files they are, for the message.
    next_step
        What to do when they are others.
    compiled
        Whether compiled Python may lie beside them. What serves must have none: a digest does not cover it,
        and an interpreter may prefer it to the source that the digest does cover.

    Raises
    ------
    RegistryError
        They are other files, or more of them.
    """
    found = model_digest(folder)
    foreign = [] if compiled else sorted(folder.rglob(_COMPILED))
    if found == expected and not foreign:
        return
    raise RegistryError(
        f"The files of {what} are not those that were judged.",
        where=what,
        got=f"compiled code in {foreign[0].relative_to(folder)}" if found == expected else found,
        expected=expected,
        next_step=next_step,
    )


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

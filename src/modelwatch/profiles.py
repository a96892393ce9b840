"""Profiles: all that later comparisons need to know of a data set, in a few kilobytes a column.

A profile holds integers and exact extremes only, so merging is exact and two engines agree bit by bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelwatch import profile_files
from modelwatch.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelwatch.column_profiles import ColumnProfile


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Profile of a data set: rows and columns by name, in the order of the data.

    Examples
    --------
    >>> import modelwatch
    >>> first, second = modelwatch.profile({"x": [1, 2]}), modelwatch.profile({"x": [3]})
    >>> first.merge(second) == modelwatch.profile({"x": [3, 2, 1]})
    True
    """

    rows: int
    columns: Mapping[str, ColumnProfile]
    duplicate_names: tuple[str, ...] = ()
    _digests: list[str] = field(default_factory=list, repr=False)

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both data sets together: exact, associative, commutative up to column order.

        Raises
        ------
        ProfileError
            If their columns differ in name or kind.
        """
        if set(self.columns) != set(other.columns):
            raise ProfileError(
                "Profiles of different columns cannot be merged",
                got=sorted(set(self.columns) ^ set(other.columns)),
                next_step="profile both with the same `columns`",
            )
        merged = {name: column.merge(other.columns[name]) for name, column in self.columns.items()}
        names = tuple(sorted({*self.duplicate_names, *other.duplicate_names}))
        return Profile(self.rows + other.rows, merged, names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """SHA-256 of the content: equal for the same rows in any order, batching, engine or column order."""
        if not self._digests:
            content = profile_files.payload(self._content, sort_columns=True)
            self._digests.append(hashlib.sha256(content).hexdigest())
        return self._digests[0]

    def save(self, path: str | Path) -> None:
        """Write the profile to one file, atomically."""
        profile_files.write(self._content, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile.

        Raises
        ------
        ProfileError
            If the file is missing, damaged, or of a version this code does not know.
        """
        return cls(*profile_files.read(Path(path)))

    def to_bytes(self) -> bytes:
        """Return the profile compressed, as Spark rows carry it."""
        return profile_files.to_bytes(self._content)

    @classmethod
    def from_bytes(cls, content: bytes) -> Profile:
        """Return the profile that `to_bytes` gave."""
        return cls(*profile_files.from_bytes(content))

    @property
    def _content(self) -> profile_files.Content:
        return profile_files.Content(self.rows, self.columns, self.duplicate_names)

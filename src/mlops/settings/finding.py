"""What a rule over several settings found, and how it is told with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import SettingsError
from mlops.yaml_source import mark_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.yaml_source import Location, Mark

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One value that contradicts another one.

    Parameters
    ----------
    location
        Where the value is written: the keys from the top.
    rule
        What must hold, as one sentence.
    got, remedy
        The value that was found, and the edit that puts it right.
    """

    location: Location
    rule: str
    got: object
    remedy: str

    @property
    def key(self) -> str:
        """The dotted key, as ``mlops settings show`` prints it."""
        return ".".join(map(str, self.location))

    def error(self, environment: str, marks: Mapping[Location, Mark]) -> SettingsError:
        """Return the error that names file, line, key, value, rule and remedy."""
        return SettingsError(
            f"The settings of {environment} contradict each other at {self.key!r}.",
            where=f"{mark_of(self.location, marks)} ({self.key})",
            got=self.got,
            expected=self.rule,
            next_step=self.remedy,
        )

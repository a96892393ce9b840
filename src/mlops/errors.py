"""Every error this project raises on purpose.

::

    ProjectError
    ├── UsageError            the caller asked for something that is not there (exit code 2)
    ├── SettingsError         a settings file is wrong
    ├── DataError             data does not hold what its contract says
    ├── PipelineError         a pipeline definition is wrong, or a pipeline job failed
    ├── RegistryError         a model, version or role is missing or contradicts itself
    ├── DeploymentError       an endpoint or deployment did not do what it should
    ├── MonitoringError       a monitor said too much, or not what it should
    └── ControlPlaneError     the control plane cannot be reached or refused a request

A message answers five questions, in this order: what went wrong, where, what was found, what was
expected, and which command or edit comes next.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ControlPlaneError",
    "DataError",
    "DeploymentError",
    "MonitoringError",
    "PipelineError",
    "ProjectError",
    "RegistryError",
    "SettingsError",
    "UsageError",
    "nearest",
]


class ProjectError(Exception):
    """An error whose message a person can act on; the command line prints it without a traceback.

    Parameters
    ----------
    what
        One sentence: what went wrong.
    where
        File and line, command, resource or column.
    got, expected
        What was found, and what would have been right.
    next_step
        The command to run or the edit to make.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: object = None,
        expected: object = None,
        next_step: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.got = got
        self.expected = expected
        self.next_step = next_step
        super().__init__(str(self))

    def __str__(self) -> str:
        rows = [self.what]
        rows += [f"  where:    {self.where}"] if self.where else []
        rows += [f"  got:      {self.got}"] if self.got is not None else []
        rows += [f"  expected: {self.expected}"] if self.expected is not None else []
        rows += [f"  next:     {self.next_step}"] if self.next_step else []
        return "\n".join(rows)

    def to_dict(self) -> dict[str, str | None]:
        """Return the five answers as JSON-ready text, for ``--json``."""
        as_text = {"got": self.got, "expected": self.expected}
        return {
            "error": type(self).__name__,
            "what": self.what,
            "where": self.where,
            **{key: None if value is None else str(value) for key, value in as_text.items()},
            "next": self.next_step,
        }


class UsageError(ProjectError):
    """The caller named something that does not exist, or combined options that exclude each other."""


class SettingsError(ProjectError):
    """A settings file has an unknown key, a wrong value, or lowers a control it may not lower."""


class DataError(ProjectError):
    """Data does not hold what its contract says."""


class PipelineError(ProjectError):
    """A pipeline definition is wrong, or a pipeline job did not complete."""


class RegistryError(ProjectError):
    """A model, version or role is missing or contradicts itself."""


class DeploymentError(ProjectError):
    """An endpoint or a deployment did not do what it should."""


class MonitoringError(ProjectError):
    """A monitor said too much, or did not say what it should."""


class ControlPlaneError(ProjectError):
    """The control plane cannot be reached, or refused a request."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest in spelling, or None when nothing is close.

    Examples
    --------
    >>> nearest("loction", ["location", "name"])
    'location'
    """
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)

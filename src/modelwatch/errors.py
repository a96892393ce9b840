"""Errors of the package, one tree.

::

    WatchError
    ├── UsageError      a call that cannot mean anything: unknown metric, unknown definition, bad option
    ├── SourceError     data that cannot be read, or is not what its declaration says
    ├── ContractError   a contract or monitor declaration that is wrong
    └── ProfileError    a profile file that is damaged, of another version, or does not fit its partner

What is wrong with the *data* of one feature is never an exception: it is a measurement whose status says so.
"""

from __future__ import annotations


class WatchError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    what
        What went wrong, in one sentence.
    where
        The file, column or option concerned.
    got, expected
        What was found and what would have been right.
    next_step
        What the reader should do now.
    """

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
        parts = [what]
        parts += [
            f"{name}: {value}"
            for name, value in (
                ("where", where),
                ("got", got),
                ("expected", expected),
                ("next step", next_step),
            )
            if value is not None
        ]
        super().__init__("; ".join(parts))


class UsageError(WatchError, ValueError):
    """A call that cannot mean anything."""


class SourceError(WatchError):
    """Data that cannot be read."""


class ContractError(WatchError, ValueError):
    """A contract or a monitor declaration that is wrong."""


class ProfileError(WatchError):
    """A profile that is damaged, of another version, or does not fit its partner."""

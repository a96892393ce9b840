"""What the commands of delivery take from their environment: the run, the checkout, GitHub."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlops.delivery.changes import ORDER
from mlops.delivery.event import Run
from mlops.delivery.github import GitHub
from mlops.errors import DataError, UsageError, nearest
from mlops.settings import ROOT

__all__ = ["checkout", "github", "names_from", "read_json", "this_run"]


def this_run() -> Run:
    """Return the run that this command is part of."""
    return Run.read(os.environ)


def github() -> GitHub:
    """Return a client of the repository that this run belongs to."""
    return GitHub.from_environment(os.environ)


def checkout() -> Path:
    """Return the folder that the run checked out; outside of a run, this repository."""
    return Path(os.environ.get("GITHUB_WORKSPACE") or ROOT)


def names_from(text: str, option: str) -> list[str]:
    """Read a JSON list of stacks, in the order of deployment; nothing at all is an empty list.

    Raises
    ------
    UsageError
        It is no list, or a name in it is no stack.
    """
    try:
        found = json.loads(text) if text.strip() else []
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise UsageError(
            "This is no list of stacks.", where=option, got=text[:200], expected='["dev", "prod"]'
        )
    for name in found:
        if name not in ORDER:
            close = nearest(str(name), ORDER)
            raise UsageError(
                f"There is no stack {name!r}.",
                where=option,
                got=name,
                expected=f"one of {', '.join(ORDER)}",
                next_step=f"write {close!r}" if close else None,
            )
    return [name for name in ORDER if name in found]


def read_json(path: Path) -> object:
    """Read a file that another command wrote.

    Raises
    ------
    DataError
        It is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("A result cannot be read.", where=str(path), got=error, expected="JSON") from None

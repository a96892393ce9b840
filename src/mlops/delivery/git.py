"""What git says of a revision that a change is compared with."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from mlops.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["git_output"]


def git_output(root: Path, base: str, *arguments: str) -> str:
    """Return what a git command about the revision `base` prints.

    Raises
    ------
    UsageError
        Git refuses: the revision is not in this clone, or shares no history with it.
    """
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise UsageError(
            "The base revision cannot be compared with.",
            where=str(root),
            got=f"{base}: {told[0] if told else 'git does not know it'}",
            expected="a branch, tag or commit of this clone, with a common history",
            next_step="fetch it; in a workflow: actions/checkout with fetch-depth: 0",
        )
    return done.stdout

"""What a command prints: one result on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops.errors import ProjectError

__all__ = ["Output"]


def _standard_error() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class Output:
    """The two streams of one command.

    Parameters
    ----------
    as_json
        Print results and errors as one JSON document each instead of text.
    """

    as_json: bool = False
    errors: Console = field(default_factory=_standard_error)

    def progress(self, text: str) -> None:
        """Say what happens now; never part of the result."""
        self.errors.print(text, markup=False)

    def result(self, value: Any, text: str | Table | None = None) -> None:
        """Print the command's result: `value` as JSON, or `text` for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")
        elif text is not None:
            # A pipe has no width: what reads it gets whole lines.
            width = None if sys.stdout.isatty() else 240
            console = Console(highlight=False, soft_wrap=isinstance(text, str), width=width)
            console.print(text, markup=not isinstance(text, str))

    def error(self, error: ProjectError) -> None:
        """Print an error on standard error."""
        if self.as_json:
            sys.stderr.write(json.dumps(error.to_dict(), indent=2) + "\n")
        else:
            self.errors.print(f"error: {error}", markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """Return a plain table; cells are shown as they are."""
    grid = Table(*columns, title=title, box=None, pad_edge=False, title_justify="left", header_style="bold")
    for row in rows:
        grid.add_row(*(str(cell).replace("[", "\\[") for cell in row))
    return grid

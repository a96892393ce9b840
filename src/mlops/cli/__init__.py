"""The command line: ``mlops <verb>``.

Exit codes: 0 fine, 1 the check said no, 2 wrong usage or bad input, 130 interrupted. A mistake in
input never shows a traceback; a fault of ours does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from mlops.cli.application import run

    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))

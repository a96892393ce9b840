"""Pipeline step: split the rows by order."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usecases.declaration import Declaration


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", type=Path, required=True)
    parser.add_argument("--validated", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--recent-from", type=int)
    arguments = parser.parse_args()
    declaration = Declaration.read(arguments.declaration)
    step = declaration.step("prepare")
    try:
        manifest = step.run(
            arguments.validated,
            declaration,
            arguments.training,
            arguments.held_out,
            recent_from=arguments.recent_from,
        )
    except step.NoRecentRowsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a step's log is its console
        return 1
    print(f"rows: {manifest['rows']}")  # noqa: T201 - a step's log is its console
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pipeline step: score the held-out rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usecases.declaration import Declaration
from usecases.tracking import log_metrics


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    arguments = parser.parse_args()
    declaration = Declaration.read(arguments.declaration)
    report = declaration.step("evaluate").run(
        arguments.model, arguments.champion, arguments.held_out, declaration, arguments.evaluation
    )
    for role, entry in report["models"].items():
        if entry["status"] == "ok":
            log_metrics({f"{role}_{name}": value for name, value in entry["metrics"].items()})
        else:
            print(f"{role}: {entry['reason']}", file=sys.stderr)  # noqa: T201 - a step's log is its console
    return 0


if __name__ == "__main__":
    sys.exit(main())

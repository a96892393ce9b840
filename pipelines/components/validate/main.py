"""Pipeline step: check the data against the use case's contract."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usecases.declaration import Declaration


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--validated", type=Path, required=True)
    arguments = parser.parse_args()
    declaration = Declaration.read(arguments.declaration)
    step = declaration.step("validate")
    try:
        report = step.run(arguments.data, declaration, arguments.validated)
    except step.InvalidDataError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a step's log is its console
        return 1
    print(f"{report['rows']} rows of {report['source']} hold the contract")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

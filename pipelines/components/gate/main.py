"""Pipeline step: decide whether the model may be registered."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlops.gate.step import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--gate", type=Path, required=True)
    arguments = parser.parse_args()
    report = run(arguments.declaration, arguments.model, arguments.evaluation, arguments.gate)
    print(report.summary())  # noqa: T201 - a step's log is its console
    # A refusal is a result: the step completes, so that its verdict can be read, and nothing is registered.
    return 0


if __name__ == "__main__":
    sys.exit(main())

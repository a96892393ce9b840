"""Pipeline step: train and save the model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usecases.declaration import Declaration
from usecases.tracking import log_metrics


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--declaration", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    # What else there is to vary is the use case's business: --knots 7 becomes Parameters(knots=7).
    arguments, rest = parser.parse_known_args()
    declaration = Declaration.read(arguments.declaration)
    step = declaration.step("train")
    parameters = step.Parameters.from_options(arguments.seed, rest)
    metrics = step.run(arguments.training, declaration, parameters, arguments.environment, arguments.model)
    log_metrics(metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())

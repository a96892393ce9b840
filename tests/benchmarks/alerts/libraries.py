"""Hold `peers.py` to the libraries themselves, in an environment that has one of them.

::

    python -m tests.benchmarks.alerts.study --export FOLDER          here
    python libraries.py evidently|nannyml FOLDER                     there: evidently 0.7.23 with pandas < 3,
                                                                     or nannyml 0.13.1 with statsmodels
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd


def evidently(reference: Any, windows: list[Any], _rows: int) -> dict[str, Any]:
    """Return drift scores by column, one a window."""
    from evidently import DataDefinition, Dataset, Report  # type: ignore[import-not-found]
    from evidently.metrics import ValueDrift  # type: ignore[import-not-found]

    # Left to guess, it takes whole numbers for categories in windows that happen to hold few of them.
    numbers = [name for name in reference.columns if reference[name].dtype.kind in "if"]
    texts = [name for name in reference.columns if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    reference, *windows = (
        Dataset.from_pandas(frame, data_definition=kinds) for frame in (reference, *windows)
    )
    names = [*numbers, *texts]

    found: dict[str, list[float]] = {name: [] for name in names}
    for window in windows:
        report = Report([ValueDrift(column=name) for name in names])
        for name, metric in zip(names, report.run(window, reference).dict()["metrics"], strict=True):
            found[name].append(float(metric["value"]))
    return {"scores": found, "thresholds": {}}


def nannyml(reference: Any, windows: list[Any], rows: int) -> dict[str, Any]:
    """Return drift scores by column, one a window, and upper thresholds by column."""
    import nannyml  # type: ignore[import-not-found]

    names = list(reference.columns)
    whole = [name for name in names if reference[name].dtype.kind == "i"]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=names, chunk_size=rows, treat_as_numerical=whole
    )
    calculator.fit(reference)
    result = calculator.calculate(pd.concat(windows, ignore_index=True)).filter(period="analysis").to_df()
    return {
        "scores": {name: result[name, "jensen_shannon", "value"].tolist() for name in names},
        "thresholds": {
            name: float(result[name, "jensen_shannon", "upper_threshold"].iloc[0]) for name in names
        },
    }


def main() -> None:
    """Compare all exported streams and print the largest differences."""
    tool, folder = sys.argv[1], Path(sys.argv[2])
    measure = {"evidently": evidently, "nannyml": nannyml}[tool]
    worst, compared, bounds = (0.0, ""), 0, (0.0, "")
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
        reference, production = (
            pd.read_parquet(case / f"{name}.parquet") for name in ("reference", "production")
        )
        rows = expected["window"]
        windows = [
            production.iloc[first : first + rows].reset_index(drop=True)
            for first in range(0, len(production), rows)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = measure(reference, windows, rows)
        for name, scores in expected[tool].items():
            compared += len(scores)
            differences = [abs(a - b) for a, b in zip(scores, found["scores"][name], strict=True)]
            worst = max(worst, (max(differences), f"{case.name} {expected['features'][name]}"))
        for name, threshold in found["thresholds"].items():
            difference = abs(threshold - expected["nannyml_thresholds"][name])
            bounds = max(bounds, (difference, f"{case.name} {expected['features'][name]}"))
    sys.stdout.write(
        f"{tool}: {compared} scores, largest difference {worst[0]:.2g} ({worst[1]}); "
        f"thresholds {bounds[0]:.2g}\n"
    )


if __name__ == "__main__":
    main()

"""Scores files in mini-batches, as the service's batch deployments do.

Not imported by the package: the interpreter of the deployment's environment runs this file, so it
uses nothing of ours. pandas and mlflow are imported when a model needs them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

_logger = logging.getLogger("batch")


class MlflowScorer:
    """An MLflow model without a script: each file is a table, each row of it gets a prediction."""

    def __init__(self, model: Path) -> None:
        import mlflow.pyfunc  # noqa: PLC0415

        self._model = mlflow.pyfunc.load_model(str(model))

    def run(self, files: list[str]) -> list[str]:
        """Return a line ``row,prediction,file`` for each row."""
        lines = []
        for file in files:
            predictions = self._model.predict(_read_table(Path(file)))
            rows = predictions.tolist() if hasattr(predictions, "tolist") else list(predictions)
            lines += [f"{row},{_field(value)},{Path(file).name}" for row, value in enumerate(rows)]
        return lines


class ScriptScorer:
    """A scoring script: ``init()`` once, ``run(mini_batch)`` with the paths of files."""

    def __init__(self, script: Path) -> None:
        sys.path.insert(0, str(script.parent))
        specification = importlib.util.spec_from_file_location("scoring", script)
        if specification is None or specification.loader is None:
            raise SystemExit(f"The scoring script '{script}' cannot be imported.")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        self._run = module.run
        if hasattr(module, "init"):
            module.init()

    def run(self, files: list[str]) -> list[str]:
        """Return a line for each element of what the script returns: rows of a table, or texts."""
        result = self._run(files)
        if hasattr(result, "to_csv"):
            # Rows without a header, separated by spaces, are what the service appends.
            text: str = result.to_csv(sep=" ", header=False, index=False)
            return text.splitlines()
        return [str(item) for item in result]


def score(scorer: Any, files: list[Path], settings: argparse.Namespace) -> int:
    """Score all files and return how many failed; results are appended batch by batch."""
    failed = 0
    size = settings.mini_batch_size
    for number, start in enumerate(range(0, len(files), size)):
        batch = [str(file) for file in files[start : start + size]]
        lines = _attempt(scorer, batch, settings.retries)
        if lines is None:
            failed += len(batch)
            if 0 <= settings.error_threshold < failed:
                return failed
            continue
        _logger.info("mini-batch %d: %d files, %d results", number, len(batch), len(lines))
        if settings.output_action == "AppendRow":
            with (settings.output / settings.output_file).open("a", encoding="utf-8") as stream:
                stream.writelines(f"{line}\n" for line in lines)
    return failed


def _attempt(scorer: Any, batch: list[str], retries: int) -> list[str] | None:
    for attempt in range(retries + 1):
        try:
            lines: list[str] = scorer.run(batch)
        except Exception:  # noqa: BLE001 - whatever a script raises counts against the error threshold
            _logger.warning(
                "attempt %d of %d on %s failed:\n%s", attempt + 1, retries + 1, batch, traceback.format_exc()
            )
        else:
            return lines
    return None


def _read_table(file: Path) -> Any:
    import pandas as pd  # noqa: PLC0415

    readers: dict[str, Any] = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    if file.suffix not in readers:
        raise ValueError(f"'{file.name}' is no table that can be read; known are {', '.join(readers)}")
    return readers[file.suffix](file)


def _field(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, list | dict) else str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text else text


def main() -> int:
    """Score a folder; exit 1 when more files failed than the deployment allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--mini-batch-size", type=int, default=10)
    parser.add_argument("--error-threshold", type=int, default=-1)
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--output-action", choices=["AppendRow", "SummaryOnly"], default="AppendRow")
    parser.add_argument("--output-file", default="predictions.csv")
    settings = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stdout)
    files = (
        [settings.data]
        if settings.data.is_file()
        else sorted(file for file in settings.data.rglob("*") if file.is_file())
    )
    # The model is below the folder that the variable names, under the name with which it was stored.
    models = Path(os.environ["TMPDIR"]) / "azureml-models"
    models.mkdir()
    (models / settings.model_name).symlink_to(settings.model)
    os.environ["AZUREML_MODEL_DIR"] = str(models)
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(settings.output)
    scorer = ScriptScorer(settings.script) if settings.script else MlflowScorer(settings.model)
    failed = score(scorer, files, settings)
    _logger.info("%d of %d files failed", failed, len(files))
    return 1 if 0 <= settings.error_threshold < failed else 0


if __name__ == "__main__":
    sys.exit(main())

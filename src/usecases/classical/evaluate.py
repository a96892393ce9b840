"""Score held-out rows with the new model and, when there is one, with the champion.

Writes predictions, for the gate to judge, and a report for people. The gate recomputes every number that
it decides on from the predictions; it takes none from here.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from usecases.classical import model

if TYPE_CHECKING:
    from pathlib import Path

    from usecases.declaration import Declaration

__all__ = ["calibration_error", "run"]

_BINS = 10
_WARM_UP = 10


def run(
    challenger: Path, champion: Path | None, held_out: Path, declaration: Declaration, output: Path
) -> dict[str, Any]:
    """Write ``predictions.parquet`` and ``evaluation.json``.

    A model that cannot be loaded or cannot score is a result, not a crash: the gate refuses it with the
    reason that is recorded here.

    Parameters
    ----------
    challenger, champion
        Model folders; no champion for the first model.
    held_out
        Folder with ``held_out.parquet``.
    declaration
        The use case.
    output
        Folder to write to.
    """
    frame = pd.read_parquet(held_out / "held_out.parquet")
    report: dict[str, Any] = {"rows": len(frame), "target": declaration.target, "models": {}}
    predictions = frame.copy()
    folders = {"challenger": challenger} | ({"champion": champion} if champion else {})
    for role, folder in folders.items():
        entry, probability = _score(folder, frame, declaration, timed=role == "challenger")
        report["models"][role] = entry
        if probability is not None:
            predictions[f"{role}_probability"] = probability
    output.mkdir(parents=True, exist_ok=True)
    predictions.to_parquet(output / "predictions.parquet", index=False)
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    (output / "evaluation.json").write_text(text, encoding="utf-8")
    return report


def _score(
    folder: Path, frame: pd.DataFrame, declaration: Declaration, *, timed: bool
) -> tuple[dict[str, Any], Any]:
    """Return what the report says about one model, and its probabilities or None."""
    try:
        loaded = model.load(folder)
        probability = loaded.probability(frame) if len(frame) else np.empty(0)
    except (model.ModelFormatError, KeyError, ValueError, TypeError, AttributeError) as error:
        return {
            "status": "error",
            "reason": f"{type(error).__name__}: {error}",
            "digest": _digest(folder),
        }, None
    entry: dict[str, Any] = {
        "status": "ok",
        "digest": _digest(folder),
        "inputs": loaded.inputs,
        "metadata": dict(loaded.metadata),
        "metrics": _metrics(frame[declaration.target].to_numpy(), probability, declaration.threshold),
    }
    if timed and len(frame):
        entry["latency_ms"] = _latency(loaded, frame, declaration.latency_requests)
    return entry, probability


def _digest(folder: Path) -> str | None:
    return model.folder_digest(folder) if folder.is_dir() else None


def _metrics(target: Any, probability: Any, threshold: float) -> dict[str, float | int]:
    """Return the metrics that are defined for these rows; a single class has no ranking to measure."""
    if len(target) == 0 or not np.isfinite(probability).all() or len(np.unique(target)) < 2:
        return {"rows": len(target)}
    return {
        "rows": len(target),
        "positive_rate": float(target.mean()),
        "mean_probability": float(probability.mean()),
        "roc_auc": float(roc_auc_score(target, probability)),
        "log_loss": float(log_loss(target, probability, labels=[0, 1])),
        "brier_score": float(brier_score_loss(target, probability)),
        "calibration_error": calibration_error(target, probability),
        "accuracy": float(accuracy_score(target, probability >= threshold)),
    }


def calibration_error(target: Any, probability: Any) -> float:
    """Return the expected calibration error over ten bins of equal count.

    The mean distance between forecast and observed rate, weighted by the rows of each bin (Naeini et al.
    2015, with equal-count bins, which leave no bin nearly empty).
    """
    edges = np.quantile(probability, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = pd.Series(np.searchsorted(edges, probability, side="right"))
    groups = pd.DataFrame({"target": target, "probability": probability}).groupby(bins.to_numpy())
    means, share = groups.mean(), groups.size() / len(target)
    return float(((means["target"] - means["probability"]).abs() * share).sum())


def _latency(loaded: model.LoadedModel, frame: pd.DataFrame, requests: int) -> list[float]:
    """Time single-row predictions, in milliseconds, after a warm-up that fills caches."""
    samples = []
    for request in range(_WARM_UP + requests):
        row = frame.iloc[[request % len(frame)]]
        start = time.perf_counter()
        loaded.probability(row)
        samples.append((time.perf_counter() - start) * 1000)
    return [round(sample, 3) for sample in samples[_WARM_UP:]]

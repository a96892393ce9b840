"""What the gate judges: held-out rows with both models' probabilities, and the new model's facts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops.gate.metrics import Array

__all__ = ["Evidence", "EvidenceError", "read_evidence"]


class EvidenceError(ValueError):
    """What there is to judge cannot be judged."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the decision rests on.

    Parameters
    ----------
    labels
        0 or 1, shape (n,), in the data's order.
    challenger
        The new model's probabilities, shape (n,).
    champion
        The serving model's, or None for the first model.
    features
        The columns that slices are made of, n rows.
    signature
        The new model's inputs, name to MLflow type, in order; None when it has no signature.
    has_output_signature
        Whether its signature also says what it returns.
    champion_signature
        The serving model's inputs, or None.
    latency_ms
        Durations of single-row predictions.
    """

    labels: Array
    challenger: Array
    champion: Array | None
    features: pd.DataFrame
    signature: Mapping[str, str] | None
    has_output_signature: bool
    champion_signature: Mapping[str, str] | None = None
    latency_ms: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if len(self.labels) == 0:
            raise EvidenceError("there are no held-out rows")
        if not np.isin(self.labels, (0, 1)).all():
            raise EvidenceError("labels other than 0 and 1")
        if len(np.unique(self.labels)) < 2:
            raise EvidenceError(f"all {len(self.labels)} held-out rows have the label {self.labels[0]:g}")
        for role, values in (("challenger", self.challenger), ("champion", self.champion)):
            if values is None:
                continue
            if values.shape != self.labels.shape:
                raise EvidenceError(f"{len(values)} probabilities of the {role} for {len(self.labels)} rows")
            wrong = ~(np.isfinite(values) & (values >= 0) & (values <= 1))
            if wrong.any():
                raise EvidenceError(
                    f"{int(wrong.sum())} probabilities of the {role} are no number from 0 to 1 "
                    f"(row {int(wrong.argmax())}: {values[wrong.argmax()]})"
                )


def read_evidence(model: Path, evaluation: Path, target: str, digest: str) -> Evidence:
    """Read the evaluation step's output and the new model's signature.

    Parameters
    ----------
    model
        The new model's folder; its signature is read from here, not from the evaluation.
    evaluation
        Folder with ``evaluation.json`` and ``predictions.parquet``.
    target
        The label's column.
    digest
        Of the model folder: the evaluation must be of this very model.

    Raises
    ------
    EvidenceError
        Something is missing, unreadable, of another model, or cannot be judged.
    """
    try:
        report = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
        frame = pd.read_parquet(evaluation / "predictions.parquet")
    except (OSError, ValueError) as error:
        raise EvidenceError(f"the evaluation cannot be read: {error}") from error
    models = report.get("models", {})
    for role, entry in models.items():
        if entry.get("status") != "ok":
            raise EvidenceError(f"the {role} could not be scored: {entry.get('reason')}")
    challenger = models.get("challenger")
    if challenger is None:
        raise EvidenceError("the evaluation has no challenger")
    if challenger.get("digest") != digest:
        raise EvidenceError(f"the evaluation is of another model: {challenger.get('digest')} is not {digest}")
    columns = [target, *(f"{role}_probability" for role in models)]
    if missing := [name for name in columns if name not in frame]:
        raise EvidenceError(f"predictions.parquet lacks {', '.join(missing)}")
    inputs, outputs = _signature(model)
    return Evidence(
        labels=frame[target].to_numpy(dtype=float),
        challenger=frame["challenger_probability"].to_numpy(dtype=float),
        champion=frame["champion_probability"].to_numpy(dtype=float) if "champion" in models else None,
        features=frame.drop(columns=columns),
        signature=inputs,
        has_output_signature=outputs,
        champion_signature=models["champion"].get("inputs") if "champion" in models else None,
        latency_ms=np.asarray(challenger.get("latency_ms", []), dtype=float),
    )


def _signature(model: Path) -> tuple[dict[str, str] | None, bool]:
    try:
        description: Any = yaml.safe_load((model / "MLmodel").read_text(encoding="utf-8"))
        signature = description.get("signature") or {}
        inputs = json.loads(signature["inputs"]) if signature.get("inputs") else None
        outputs = json.loads(signature["outputs"]) if signature.get("outputs") else None
        named = {entry["name"]: entry["type"] for entry in inputs} if inputs else None
    except (OSError, yaml.YAMLError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise EvidenceError(f"the model's MLmodel cannot be read: {type(error).__name__}: {error}") from error
    return named, bool(outputs)

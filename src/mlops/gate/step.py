"""The pipeline's gate step: read the evaluation, decide, and write verdict and lineage."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from mlops.digest import folder_digest
from mlops.files import write_json
from mlops.gate.checks import decide
from mlops.gate.evidence import EvidenceError, read_evidence
from mlops.gate.report import Check, GateReport
from mlops.usecase import read_usecase

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


def run(declaration: Path, model: Path, evaluation: Path, output: Path) -> GateReport:
    """Decide, and write ``gate.json``, ``lineage.json`` and the model's ``MLmodel`` into `output`.

    Parameters
    ----------
    declaration
        The use case's ``usecase.yaml``.
    model
        The new model's folder.
    evaluation
        The evaluation step's output.
    output
        Folder to write to.

    Raises
    ------
    SettingsError
        The declaration is wrong. Without bounds there is no verdict, and without a verdict no model is
        registered.
    """
    usecase = read_usecase(declaration)
    digest = folder_digest(model)
    try:
        report = decide(read_evidence(model, evaluation, usecase.target.column, digest), usecase)
    except EvidenceError as error:
        report = GateReport(usecase.name, 0, (Check("evidence", "fail", None, None, str(error)),))
    lineage = _lineage(declaration, model, evaluation, digest)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "lineage.json", lineage)
    if (model / "MLmodel").is_file():
        # Registration reads the signature here: the SDK cannot download an output that is a model.
        shutil.copyfile(model / "MLmodel", output / "MLmodel")
    report.write(
        output / "gate.json", {"model_sha256": digest, "champion_sha256": lineage["champion_sha256"]}
    )
    return report


def _lineage(declaration: Path, model: Path, evaluation: Path, digest: str) -> dict[str, Any]:
    """Return what the model was made from, as far as it says so; null is what it does not say."""
    description = _mapping(model / "MLmodel")
    metadata = description.get("metadata") or {}
    made_from = metadata.get("lineage") or {}
    models = _mapping(evaluation / "evaluation.json").get("models") or {}
    return {
        "version": 1,
        "usecase": metadata.get("usecase"),
        "model_sha256": digest,
        "data_sha256": made_from.get("data_sha256"),
        "code_sha256": made_from.get("code_sha256"),
        "declaration_sha256": hashlib.sha256(declaration.read_bytes()).hexdigest(),
        "environment": made_from.get("environment"),
        "parameters": metadata.get("parameters"),
        "champion_sha256": (models.get("champion") or {}).get("digest"),
        "mlflow_version": description.get("mlflow_version"),
    }


def _mapping(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML mapping; what is not one is empty here, and a failed check elsewhere."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}

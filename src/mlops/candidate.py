"""A model that a training job left behind, and whether it may be registered.

Registration is fail-closed: what is missing, unreadable or undecided is refused like what failed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from mlops.errors import RegistryError
from mlops.jobs import download_output

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

__all__ = ["Candidate", "download_candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """The outputs of one training job.

    Parameters
    ----------
    job
        Name of the pipeline job.
    model
        Folder with the model's description, its ``MLmodel`` file.
    gate
        The gate's verdict, ``gate.json``.
    path
        Where the control plane finds the model: ``azureml://jobs/<job>/outputs/<output>``.
    """

    job: str
    model: Path
    gate: Path
    path: str

    def require_admissible(self) -> None:
        """Raise unless the gate passed and the model carries a signature.

        Raises
        ------
        RegistryError
            ``gate.json`` is missing, unreadable, empty or not a pass; or the model has no ``MLmodel``
            file, or one without a signature for both inputs and outputs.
        """
        self._require_passed_gate()
        self._require_signature()

    def _require_passed_gate(self) -> None:
        retrain = "fix what the failed checks name, then train again: mlops train"
        content = _read_gate(self.gate)
        checks = content.get("checks")
        if not isinstance(checks, list) or not checks:
            raise RegistryError(
                "The gate's verdict holds no checks, so it proves nothing.",
                where=str(self.gate),
                expected="at least one check with status pass",
                next_step=retrain,
            )
        failed = [check for check in checks if not _passed(check)]
        if failed or content.get("verdict") != "pass":
            raise RegistryError(
                f"The gate refused the model of job {self.job}.",
                where=str(self.gate),
                got="; ".join(_describe(check) for check in failed) or f"verdict {content.get('verdict')!r}",
                expected="verdict 'pass', with every check passed",
                next_step=retrain,
            )

    def _require_signature(self) -> None:
        path = self.model / "MLmodel"
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RegistryError(
                f"The model output of job {self.job} is not an MLflow model.",
                where=str(self.model),
                got="no MLmodel file",
                expected="a folder written by mlflow's save_model",
                next_step="let the training step write its model with mlflow.sklearn.save_model",
            ) from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise RegistryError(
                f"The MLmodel file of job {self.job} cannot be read.", where=str(path), got=error
            ) from error
        signature = content.get("signature") if isinstance(content, dict) else None
        missing = [side for side in ("inputs", "outputs") if not _columns(signature, side)]
        if missing:
            raise RegistryError(
                f"The model of job {self.job} has no complete signature, so nothing can check its requests.",
                where=str(path),
                got=f"no {' and no '.join(missing)} in the signature",
                expected="a signature with inputs and outputs",
                next_step="pass signature=infer_signature(...) to save_model in the training step",
            )


def download_candidate(
    client: MLClient, job: str, directory: Path, *, model_output: str = "model", gate_output: str = "gate"
) -> Candidate:
    """Download what the registry must see before it accepts a job's model.

    Parameters
    ----------
    client
        Client of the workspace that ran the job.
    job
        Name of a completed pipeline job.
    directory
        Folder to download into.
    model_output, gate_output
        Names of the pipeline's outputs. The gate's is a folder with ``gate.json`` and a copy of the model's
        ``MLmodel``.

    Raises
    ------
    RegistryError
        The job did not complete.
    PipelineError
        One of the outputs is empty.
    """
    status = client.jobs.get(job).status
    if status != "Completed":
        raise RegistryError(
            f"Only a completed job's model can be registered; {job} is {status}.",
            where=f"job {job}",
            got=status,
            expected="Completed",
            next_step="wait for the job, or read its log to see why it failed",
        )
    # The gate's folder holds a copy of the model's description: azure-ai-ml 1.35.2 cannot download an
    # output that is a model (it passes `values` to a request whose field it has renamed).
    verdict = download_output(client, job, gate_output, directory)
    return Candidate(
        job=job,
        model=_holding("MLmodel", verdict),
        gate=_holding("gate.json", verdict) / "gate.json",
        path=f"azureml://jobs/{job}/outputs/{model_output}",
    )


def _holding(name: str, directory: Path) -> Path:
    """Return the folder below `directory` that holds the file `name`, or `directory` when none does."""
    return min(
        (path.parent for path in directory.rglob(name)), default=directory, key=lambda path: len(path.parts)
    )


def _read_gate(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegistryError(
            "The gate left no verdict, and without one no model is registered.",
            where=str(path),
            got="no gate.json",
            expected="the verdict that the gate step writes",
            next_step="run the whole training pipeline: mlops train",
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RegistryError(
            "The gate's verdict cannot be read, and without one no model is registered.",
            where=str(path),
            got=error,
            expected="JSON as the gate step writes it",
            next_step="run the whole training pipeline: mlops train",
        ) from error
    return content if isinstance(content, dict) else {}


def _passed(check: object) -> bool:
    return isinstance(check, dict) and check.get("status") == "pass"


def _describe(check: object) -> str:
    if not isinstance(check, dict):
        return f"an unreadable check {check!r}"
    facts = f"{check.get('name')} {check.get('status')}"
    return f"{facts} (value {check.get('value')}, bound {check.get('bound')})"


def _columns(signature: object, side: str) -> list[Any]:
    """Return one side of a signature; MLflow stores each as JSON text inside the YAML."""
    text = signature.get(side) if isinstance(signature, dict) else None
    try:
        columns = json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return []
    return columns if isinstance(columns, list) else []

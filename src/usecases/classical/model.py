"""The model on disk: an MLflow model folder whose bytes depend on nothing but what it was trained from.

The estimator is stored with skops, not with pickle: loading a pickle runs whatever code it names, and a
model file comes from a storage account that more people can write to than may run code in production.
skops rebuilds only types that it knows or that are named in :data:`TRUSTED_TYPES`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import skops.io
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sklearn.base import ClassifierMixin

__all__ = ["TRUSTED_TYPES", "LoadedModel", "ModelFormatError", "folder_digest", "load", "save"]

# Types of scikit-learn and scipy that this estimator holds and skops does not trust by itself. Reviewed:
# each is a plain container of arrays or a pure function. `score.py` carries the same list (a test says so).
TRUSTED_TYPES = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")
# A date in the file would make equal models differ; the registry records when a version was made.
_EPOCH = "1970-01-01 00:00:00.000000"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class ModelFormatError(Exception):
    """A folder is not a model that this use case can load."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An estimator with what its folder says about it.

    Parameters
    ----------
    estimator
        Has ``predict_proba`` over a frame of the `inputs`.
    inputs
        Names and types of the signature's inputs, in order.
    metadata
        What training recorded: declaration, parameters, lineage.
    """

    estimator: ClassifierMixin
    inputs: dict[str, str]
    metadata: Mapping[str, Any]

    def probability(self, frame: pd.DataFrame) -> Any:
        """Return the probability of the positive class, shape (rows,)."""
        return self.estimator.predict_proba(frame[list(self.inputs)])[:, 1]


def save(
    estimator: ClassifierMixin, folder: Path, *, example: pd.DataFrame, metadata: Mapping[str, Any]
) -> str:
    """Save an MLflow model with signature and input example; return its digest.

    Saving the same estimator with the same metadata writes the same bytes.
    """
    import mlflow.sklearn  # noqa: PLC0415 - seconds to import, and only saving needs it
    from mlflow.models import Model  # noqa: PLC0415

    # It warns when pip is not installed, as in a virtual environment made by uv.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    fingerprint = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()
    # MLflow refuses a folder that a run before this one left half written, and an output may be a mount
    # that cannot be replaced: so it is made elsewhere and copied over.
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "model"
        mlflow.sklearn.save_model(
            estimator,
            str(made),
            signature=_signature(example),
            input_example=example.head(2),
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            pyfunc_predict_fn="predict_proba",
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            metadata=dict(metadata),
            mlflow_model=Model(model_uuid=fingerprint[:32], utc_time_created=_EPOCH),
        )
        _canonicalise(made / "model.skops")
        _unpin_build_tools(made / "python_env.yaml")
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder_digest(folder)


def load(folder: Path) -> LoadedModel:
    """Load a model that :func:`save` wrote.

    Raises
    ------
    ModelFormatError
        The folder has no MLmodel, no signature, or an estimator that is not stored with skops.
    """
    description_file = folder / "MLmodel"
    if not description_file.is_file():
        raise ModelFormatError(f"{folder.name} is not an MLflow model: it has no file MLmodel")
    description = yaml.safe_load(description_file.read_text(encoding="utf-8"))
    flavor = description.get("flavors", {}).get("sklearn", {})
    if flavor.get("serialization_format") != "skops":
        found = flavor.get("serialization_format") or "no sklearn flavour"
        raise ModelFormatError(
            f"the model is stored as {found}; only skops is loaded, since pickles run code"
        )
    signature = description.get("signature")
    if not signature or not signature.get("inputs"):
        raise ModelFormatError("the model has no signature: save it with one, or inputs cannot be checked")
    inputs = {entry["name"]: entry["type"] for entry in json.loads(signature["inputs"])}
    stored = folder / flavor["pickled_model"]
    try:
        estimator = skops.io.load(stored, trusted=list(TRUSTED_TYPES))
    except (OSError, TypeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelFormatError(f"{stored.name} cannot be loaded: {error}") from error
    return LoadedModel(estimator=estimator, inputs=inputs, metadata=description.get("metadata") or {})


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over every file's relative path and content below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(
        file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    ):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _signature(example: pd.DataFrame) -> Any:
    """Return the MLflow signature: the example's columns, and the probabilities of both classes."""
    from mlflow.models import ModelSignature  # noqa: PLC0415 - see save
    from mlflow.types import ColSpec, Schema, TensorSpec  # noqa: PLC0415

    # Integer columns hold no nulls here (the contract says so), so they may be declared as such.
    columns = [
        ColSpec("long" if pd.api.types.is_integer_dtype(dtype) else "double", name)
        for name, dtype in example.dtypes.items()
    ]
    return ModelSignature(Schema(columns), Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))


def _unpin_build_tools(path: Path) -> None:
    """Name pip, setuptools and wheel without versions.

    MLflow writes those that this process happens to see: importing setuptools makes a `wheel` visible that
    was not before. What the model needs is pinned in its requirements, all of it wheels.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    tools = [name.partition("==")[0] for name in content["build_dependencies"]]
    path.write_text(
        yaml.safe_dump({**content, "build_dependencies": tools}, sort_keys=False), encoding="utf-8"
    )


def _canonicalise(path: Path) -> None:
    """Rewrite a skops file without what differs between runs: memory addresses and the time of day."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    order: dict[str, str] = {}

    def renumber(match: re.Match[str]) -> str:
        return order.setdefault(match[0], str(len(order)))

    # skops names an object, and the file of an array, by the object's address.
    address = r'(?<="__id__": )\d+|(?<="file": ")\d+(?=\.)'
    schema = re.sub(address, renumber, content.pop("schema.json").decode("utf-8"))
    files = {}
    for name, data in content.items():
        stem, dot, suffix = name.partition(".")
        files[order.get(stem, stem) + dot + suffix] = data
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*sorted(files.items()), ("schema.json", schema.encode("utf-8"))]:
            entry = zipfile.ZipInfo(name, date_time=_ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    temporary.replace(path)

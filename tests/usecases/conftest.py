from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from usecases.classical import prepare, sample, train, validate
from usecases.declaration import Declaration

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Prepared:
    validated: Path
    training: Path
    held_out: Path


@pytest.fixture(scope="session")
def declaration() -> Declaration:
    return Declaration.read(ROOT / "pipelines" / "classical" / "usecase.yaml")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> sample.Sample:
    return sample.write(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def prepared(
    written: sample.Sample, declaration: Declaration, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    folders = Prepared(folder / "validated", folder / "training", folder / "held_out")
    validate.run(written.training, declaration, folders.validated)
    prepare.run(folders.validated, declaration, folders.training, folders.held_out)
    return folders


@pytest.fixture(scope="session")
def mlflow_imported() -> None:
    # MLflow warns about its own type hints while it is being imported.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow.sklearn")
        importlib.import_module("mlflow.pyfunc")


@pytest.fixture(scope="session")
def model_folder(
    mlflow_imported: None,
    prepared: Prepared,
    declaration: Declaration,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    train.run(prepared.training, declaration, train.Parameters(), "training:0123", folder)
    return folder

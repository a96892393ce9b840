from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from usecases.classical import model, train

if TYPE_CHECKING:
    from pathlib import Path

    from tests.usecases.conftest import Prepared
    from usecases.declaration import Declaration


def test_training_twice_writes_the_same_bytes(
    prepared: Prepared,
    declaration: Declaration,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a process that has imported setuptools, which brings a `wheel` of its own.
    (tmp_path / "vendored" / "wheel-0.1.dist-info").mkdir(parents=True)
    (tmp_path / "vendored" / "wheel-0.1.dist-info" / "METADATA").write_text("Name: wheel\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path / "vendored")
    # As after a run that was killed while it was writing.
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "MLmodel").write_text("half")
    train.run(prepared.training, declaration, train.Parameters(), "training:0123", tmp_path / "again")
    names = sorted(path.name for path in model_folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (model_folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_model_beats_a_constant_forecast_on_rows_it_never_saw(
    prepared: Prepared, declaration: Declaration, model_folder: Path
) -> None:
    held_out = pd.read_parquet(prepared.held_out / "held_out.parquet")
    probability = model.load(model_folder).probability(held_out)
    base_rate = pd.read_parquet(prepared.training / "train.parquet")[declaration.target].mean()
    target = held_out[declaration.target]
    assert log_loss(target, probability) < log_loss(target, np.full(len(target), base_rate)) - 0.01
    assert roc_auc_score(target, probability) > 0.61


def test_the_signature_is_the_contracts_features_and_the_folder_says_what_made_it(
    declaration: Declaration, model_folder: Path
) -> None:
    loaded = model.load(model_folder)
    assert list(loaded.inputs) == declaration.contract.features
    assert loaded.inputs["idp"] == "long"
    assert loaded.inputs["disea"] == "double"
    lineage = loaded.metadata["lineage"]
    assert lineage["environment"] == "training:0123"
    assert len(lineage["data_sha256"]) == len(lineage["code_sha256"]) == 64
    assert loaded.metadata["parameters"]["seed"] == 20


def test_shuffled_labels_depend_on_the_seed_and_keep_the_rate() -> None:
    labels = np.array([0, 1] * 500)
    shuffled = train._shuffled(labels, 0.5, seed=1)
    assert shuffled.sum() == labels.sum()
    assert 0.15 < (shuffled != labels).mean() < 0.35
    assert (train._shuffled(labels, 0.5, seed=1) == shuffled).all()
    assert (train._shuffled(labels, 0.5, seed=2) != shuffled).any()
    assert (train._shuffled(labels, 0.0, seed=1) == labels).all()


def test_a_dropped_feature_is_not_among_the_models_inputs(
    mlflow_imported: None, prepared: Prepared, declaration: Declaration, tmp_path: Path
) -> None:
    parameters = train.Parameters(drop_feature="disea")
    train.run(prepared.training, declaration, parameters, "training:0123", tmp_path / "model")
    loaded = model.load(tmp_path / "model")
    assert "disea" not in loaded.inputs
    assert "disea" not in [entry["name"] for entry in loaded.metadata["inputs"]]


def test_dropping_what_is_not_a_feature_is_refused(
    prepared: Prepared, declaration: Declaration, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"'diesa' is not a feature: lncoins"):
        train.run(
            prepared.training, declaration, train.Parameters(drop_feature="diesa"), "e", tmp_path / "model"
        )


def test_options_of_the_command_line_become_parameters() -> None:
    options = ["--knots", "5", "--shuffle-labels", "0.5", "--drop-feature", "idp"]
    parameters = train.Parameters.from_options(3, options)
    assert parameters == train.Parameters(seed=3, knots=5, shuffle_labels=0.5, drop_feature="idp")

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from usecases.classical import evaluate, model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.usecases.conftest import Prepared
    from usecases.declaration import Declaration


def test_both_models_are_scored_on_the_same_rows(
    prepared: Prepared, declaration: Declaration, model_folder: Path, tmp_path: Path
) -> None:
    report = evaluate.run(model_folder, model_folder, prepared.held_out, declaration, tmp_path)
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    held_out = pd.read_parquet(prepared.held_out / "held_out.parquet")
    pd.testing.assert_frame_equal(predictions[held_out.columns.tolist()], held_out)
    assert (predictions["challenger_probability"] == predictions["champion_probability"]).all()
    challenger = report["models"]["challenger"]
    assert challenger["digest"] == model.folder_digest(model_folder)
    assert challenger["metrics"]["rows"] == len(held_out)
    assert 0.6 < challenger["metrics"]["roc_auc"] < 0.65
    assert len(challenger["latency_ms"]) == declaration.latency_requests
    assert json.loads((tmp_path / "evaluation.json").read_text()) == report


def test_without_a_champion_there_is_one_model(
    prepared: Prepared, declaration: Declaration, model_folder: Path, tmp_path: Path
) -> None:
    report = evaluate.run(model_folder, None, prepared.held_out, declaration, tmp_path)
    assert list(report["models"]) == ["challenger"]
    assert "champion_probability" not in pd.read_parquet(tmp_path / "predictions.parquet")


def test_an_unreadable_champion_is_reported_and_the_challenger_still_scored(
    prepared: Prepared, declaration: Declaration, model_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "champion"
    broken.mkdir()
    report = evaluate.run(model_folder, broken, prepared.held_out, declaration, tmp_path / "out")
    assert report["models"]["champion"]["status"] == "error"
    assert "no file MLmodel" in report["models"]["champion"]["reason"]
    assert report["models"]["challenger"]["status"] == "ok"


@pytest.mark.parametrize("rows", [0, 5])
def test_rows_that_cannot_be_ranked_get_no_made_up_metric(
    prepared: Prepared, declaration: Declaration, model_folder: Path, tmp_path: Path, rows: int
) -> None:
    frame = pd.read_parquet(prepared.held_out / "held_out.parquet")
    frame = frame[frame[declaration.target] == 1].head(rows)
    frame.to_parquet(tmp_path / "held_out.parquet", index=False)
    report = evaluate.run(model_folder, None, tmp_path, declaration, tmp_path / "out")
    assert report["models"]["challenger"]["metrics"] == {"rows": rows}


def test_calibration_error_is_the_distance_between_forecast_and_rate() -> None:
    probability = np.tile([0.2, 0.8], 500)
    target = np.concatenate([np.tile([1, 1], 100), np.tile([0, 1], 300), np.tile([0, 0], 100)])
    # Observed: 20 % where 20 % was forecast, 80 % where 80 % was.
    assert evaluate.calibration_error(target, probability) == pytest.approx(0, abs=1e-12)
    assert evaluate.calibration_error(target, np.full(1000, 0.9)) == pytest.approx(0.4)

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mlops.digest import folder_digest
from mlops.errors import SettingsError
from mlops.gate.step import run

ROOT = Path(__file__).resolve().parents[3]
DECLARATION = ROOT / "pipelines" / "classical" / "usecase.yaml"
ROWS = 1_200
INPUTS = {
    "lncoins": "double",
    "idp": "long",
    "lpi": "double",
    "fmde": "double",
    "physlm": "double",
    "disea": "double",
    "hlthg": "long",
    "hlthf": "long",
    "hlthp": "long",
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    signature = {
        "inputs": json.dumps([{"name": name, "type": kind} for name, kind in INPUTS.items()]),
        "outputs": json.dumps([{"type": "tensor"}]),
    }
    metadata = {
        "usecase": "classical",
        "lineage": {"data_sha256": "d", "code_sha256": "c", "environment": "e:1"},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump({"signature": signature, "metadata": metadata}))
    return folder


@pytest.fixture
def evaluation(tmp_path: Path, model: Path) -> Path:
    generator = np.random.default_rng(3)
    scores = 1.1 + generator.normal(0, 0.8, ROWS)
    probability = 1 / (1 + np.exp(-scores))
    frame = pd.DataFrame(
        {
            "any_visit": (generator.uniform(size=ROWS) < probability).astype(int),
            "lncoins": generator.choice([0, 3.25], ROWS),
            "physlm": generator.choice([0.0, 1.0], ROWS),
            "hlthg": generator.choice([0, 1], ROWS),
            "hlthf": 0,
            "hlthp": 0,
            "challenger_probability": probability,
            "champion_probability": probability,
        }
    )
    folder = tmp_path / "evaluation"
    folder.mkdir()
    frame.to_parquet(folder / "predictions.parquet")
    entry = {"status": "ok", "inputs": INPUTS}
    models = {
        "challenger": {**entry, "digest": folder_digest(model), "latency_ms": [2.0] * 200},
        "champion": {**entry, "digest": "f" * 64},
    }
    (folder / "evaluation.json").write_text(json.dumps({"models": models}))
    return folder


def written(output: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in gate.json")

    content: dict[str, Any] = json.loads((output / "gate.json").read_text(), parse_constant=refuse)
    return content


def change(evaluation: Path, role: str, **values: object) -> None:
    path = evaluation / "evaluation.json"
    content = json.loads(path.read_text())
    content["models"][role].update(values)
    path.write_text(json.dumps(content))


def test_verdict_and_lineage_are_written(model: Path, evaluation: Path, tmp_path: Path) -> None:
    report = run(DECLARATION, model, evaluation, tmp_path / "gate")
    content = written(tmp_path / "gate")
    assert content["verdict"] == report.verdict == "pass", report.summary()
    assert content["model_sha256"] == folder_digest(model)
    facts = {"name", "status", "value", "bound", "detail"}
    assert all(set(check) - {"comparison"} == facts for check in content["checks"])
    lineage = json.loads((tmp_path / "gate" / "lineage.json").read_text())
    assert lineage["data_sha256"] == "d"
    assert lineage["environment"] == "e:1"
    assert lineage["champion_sha256"] == "f" * 64
    assert len(lineage["declaration_sha256"]) == 64


def test_deciding_twice_writes_the_same_bytes(model: Path, evaluation: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(DECLARATION, model, evaluation, tmp_path / name)
    assert (tmp_path / "one" / "gate.json").read_bytes() == (tmp_path / "two" / "gate.json").read_bytes()


def test_an_unreadable_champion_is_a_refusal_with_the_reason(
    model: Path, evaluation: Path, tmp_path: Path
) -> None:
    change(evaluation, "champion", status="error", reason="no file MLmodel")
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    (check,) = written(tmp_path / "gate")["checks"]
    assert check["status"] == "fail"
    assert check["detail"] == "the champion could not be scored: no file MLmodel"


def test_an_evaluation_of_another_model_is_a_refusal(model: Path, evaluation: Path, tmp_path: Path) -> None:
    (model / "model.skops").write_text("exchanged after the evaluation")
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    content = written(tmp_path / "gate")
    assert content["verdict"] == "fail"
    assert "of another model" in content["checks"][0]["detail"]


def test_a_model_without_signature_is_a_refusal(model: Path, evaluation: Path, tmp_path: Path) -> None:
    (model / "MLmodel").write_text(yaml.safe_dump({"flavors": {}}))
    change(evaluation, "challenger", digest=folder_digest(model))
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    failed = {check["name"] for check in written(tmp_path / "gate")["checks"] if check["status"] != "pass"}
    assert failed == {"schema.inputs", "schema.outputs"}


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.parquet"])
@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_a_missing_or_empty_evaluation_is_a_refusal(
    model: Path, evaluation: Path, tmp_path: Path, name: str, damage: str
) -> None:
    (evaluation / name).unlink()
    if damage == "empty":
        (evaluation / name).touch()
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    assert written(tmp_path / "gate")["verdict"] == "fail"


def test_predictions_without_a_column_are_a_refusal(model: Path, evaluation: Path, tmp_path: Path) -> None:
    path = evaluation / "predictions.parquet"
    pd.read_parquet(path).drop(columns="champion_probability").to_parquet(path)
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    assert "lacks champion_probability" in written(tmp_path / "gate")["checks"][0]["detail"]


def test_no_mlmodel_is_a_refusal(model: Path, evaluation: Path, tmp_path: Path) -> None:
    (model / "MLmodel").unlink()
    change(evaluation, "challenger", digest=folder_digest(model))
    run(DECLARATION, model, evaluation, tmp_path / "gate")
    assert "MLmodel cannot be read" in written(tmp_path / "gate")["checks"][0]["detail"]


def test_without_bounds_there_is_no_verdict(model: Path, evaluation: Path, tmp_path: Path) -> None:
    declaration = Path(shutil.copy(DECLARATION, tmp_path / "usecase.yaml"))
    declaration.write_text(declaration.read_text().replace("\n  absolute:", "\n  absolutes:"))
    with pytest.raises(SettingsError, match="Unknown key 'absolutes'"):
        run(declaration, model, evaluation, tmp_path / "gate")
    assert not (tmp_path / "gate").exists()

"""Batch deployments over folders of files, with a script and with an MLflow model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.azureml_local.jobs.conftest import Bench

SCRIPT = """
import os
from pathlib import Path

def init():
    global factor
    factor = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "weights" / "factor.txt").read_text())

def run(mini_batch):
    print("batch of", len(mini_batch))
    results = []
    for file in mini_batch:
        results.append(f"{Path(file).name} {int(Path(file).read_text()) * factor}")
    return results
"""
FILES = {f"{name}.txt": str(number) for number, name in enumerate("abcde")}


def deployment(bench: Bench, **properties: Any) -> str:
    """Store a model that multiplies, a script, and a deployment of both."""
    container = "azureml-blobstore-test"
    bench.blobs.write(container, "models/weights/factor.txt", b"10")
    model_id = bench.put(
        "models/m/versions/1", modelType="custom_model", modelUri=bench.blobs.url(container, "models/weights")
    )
    code = bench.code("scoring", {"score.py": SCRIPT})
    known = {
        "model": {"assetId": model_id, "referenceType": "Id"},
        "environmentId": f"{bench.config.workspace_id}/environments/training/versions/1",
        "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
    }
    return bench.put("batchEndpoints/e/deployments/d", **(known | properties))


def invoke(bench: Bench, deployed: str, data: dict[str, Any], status: str = "Completed") -> dict[str, Any]:
    job = bench.service.invoke_batch(deployed, {"data": data})
    assert bench.service.wait(job.id, 60) == status, bench.store.require(job.id).properties.get("error")
    return bench.store.require(job.id).properties | {"name": job.name}


def log(bench: Bench, job: dict[str, Any]) -> str:
    (child,) = (
        found.id for found in bench.store.of_type("workspaces/jobs") if found.properties.get("parentJobName")
    )
    return bench.service.log_files(child)["user_logs/std_log.txt"].read_text()


def test_script_scores_files_in_mini_batches(bench: Bench) -> None:
    job = invoke(bench, deployment(bench, miniBatchSize=2), bench.data("in", FILES))
    expected = [f"{name} {int(text) * 10}" for name, text in FILES.items()]
    assert bench.read(job["outputs"]["score"], "predictions.csv").splitlines() == expected
    assert log(bench, job).count("batch of 2\n") == 2
    assert job["tags"]["azureml.batchrun"] == "true"


def test_single_file_and_own_name_of_the_output(bench: Bench) -> None:
    job = invoke(bench, deployment(bench, outputFileName="scored.txt"), bench.data("one.txt", "7"))
    assert bench.read(job["outputs"]["score"], "scored.txt") == "one.txt 70\n"


@pytest.mark.parametrize(("threshold", "status"), [(-1, "Completed"), (1, "Completed"), (0, "Failed")])
def test_files_that_fail_count_against_the_threshold(bench: Bench, threshold: int, status: str) -> None:
    data = bench.data("in", FILES | {"broken.txt": "no number"})
    settings: dict[str, Any] = {
        "miniBatchSize": 1,
        "errorThreshold": threshold,
        "retrySettings": {"maxRetries": 1},
    }
    job = invoke(bench, deployment(bench, **settings), data, status)
    assert "attempt 2 of 2" in log(bench, job)
    if status == "Completed":
        assert len(bench.read(job["outputs"]["score"], "predictions.csv").splitlines()) == len(FILES)


def test_summary_only_leaves_writing_to_the_script(bench: Bench) -> None:
    write = "    (Path(os.environ['AZUREML_BI_OUTPUT_PATH']) / 'mine').write_text('x')\n    return results"
    code = bench.code("writing", {"score.py": SCRIPT.replace("    return results", write)})
    configuration = {"codeId": code, "scoringScript": "score.py"}
    deployed = deployment(bench, outputAction="SummaryOnly", codeConfiguration=configuration)
    job = invoke(bench, deployed, bench.data("in", FILES))
    folder = bench.blobs.resolve(job["outputs"]["score"]["uri"])
    assert [file.name for file in folder.iterdir()] == ["mine"]


def test_what_cannot_run_is_refused(bench: Bench) -> None:
    data = bench.data("in", FILES)
    with pytest.raises(AzureError, match="exactly one input"):
        bench.service.invoke_batch(deployment(bench), {"a": data, "b": data})
    with pytest.raises(AzureError, match="needs a scoring script"):
        bench.service.invoke_batch(deployment(bench, codeConfiguration=None), {"a": data})
    with pytest.raises(AzureError, match="was not found"):
        bench.service.invoke_batch(
            f"{bench.config.workspace_id}/batchEndpoints/e/deployments/none", {"a": data}
        )


@pytest.mark.e2e
def test_mlflow_model_needs_no_script(bench: Bench, tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature
    from mlflow.sklearn import save_model
    from sklearn.linear_model import LinearRegression

    table = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = LinearRegression().fit(table, np.array([1.0, 3.0, 5.0]))
    signature = infer_signature(table, model.predict(table))
    save_model(model, tmp_path / "model", signature=signature, pip_requirements=[])
    bench.blobs.upload(tmp_path / "model", "azureml-blobstore-test", "models/linear")
    model_id = bench.put(
        "models/linear/versions/1",
        modelType="mlflow_model",
        modelUri="azureml://datastores/workspaceblobstore/paths/models/linear",
    )
    deployed = deployment(
        bench,
        model={"assetId": model_id, "referenceType": "Id"},
        codeConfiguration=None,
        environmentId=None,
        # The bench has no tracking service to answer.
        environmentVariables={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )
    job = invoke(bench, deployed, bench.data("in", {"one.csv": "x\n3.0\n4.0\n", "two.csv": "x\n5.0\n"}))
    file = bench.blobs.resolve(job["outputs"]["score"]["uri"]) / "predictions.csv"
    scored = pd.read_csv(file, names=["row", "prediction", "file"])
    assert scored["file"].tolist() == ["one.csv", "one.csv", "two.csv"]
    assert scored["row"].tolist() == [0, 1, 0]
    np.testing.assert_allclose(scored["prediction"], [7.0, 9.0, 11.0])

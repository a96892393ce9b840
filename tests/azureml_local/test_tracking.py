"""The real mlflow client against the tracking service, over TLS with a token, as a node of a job uses it."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local import tls

if TYPE_CHECKING:
    from azureml_local.testing import RunningServer


@pytest.fixture
def tracked(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the client's module, pointed at the instance as the executor points it."""
    plane = server.plane
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", plane.identity.issue(plane.base_url))
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(server.config.home / tls.CA_BUNDLE))
    import mlflow

    mlflow.set_tracking_uri(f"{plane.base_url}/mlflow/v1.0{server.config.workspace_id}")
    return mlflow


@pytest.fixture
def run_id(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the run that a job has made, which the client finds in its environment."""
    run = str(uuid.uuid4())
    experiment = server.plane.tracking.create_run(run, "experiment of jobs", "train")
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    return run


def test_script_logs_to_the_run_of_its_job(tracked: Any, run_id: str, server: RunningServer) -> None:
    with tracked.start_run() as run:
        assert run.info.run_id == run_id
        tracked.log_param("depth", 3)
        tracked.log_metric("loss", 0.5, step=0)
        tracked.log_metrics({"loss": 0.25, "auc": 0.75}, step=1)
        tracked.set_tag("stage", "test")
    assert server.plane.tracking.metrics(run_id) == {"auc": 0.75, "loss": 0.25}
    found = tracked.get_run(run_id)
    assert found.data.params == {"depth": "3"}
    assert found.data.tags["stage"] == "test"
    assert found.info.status == "FINISHED"
    history = tracked.MlflowClient().get_metric_history(run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.5), (1, 0.25)]


def test_metrics_that_are_no_numbers_come_back(tracked: Any, run_id: str, server: RunningServer) -> None:
    client = tracked.MlflowClient()
    client.log_metric(run_id, "undefined", math.nan)
    client.log_metric(run_id, "unbounded", -math.inf)
    metrics = client.get_run(run_id).data.metrics
    assert math.isnan(metrics["undefined"])
    assert metrics["unbounded"] == -1.7976931348623157e308
    assert math.isnan(server.plane.tracking.metrics(run_id)["undefined"])


def test_parameter_keeps_its_first_value(tracked: Any, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    client = tracked.MlflowClient()
    client.log_param(run_id, "seed", 1)
    client.log_param(run_id, "seed", 1)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(run_id, "seed", 2)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_batch(
            run_id, params=[tracked.entities.Param("new", "1"), tracked.entities.Param("seed", "3")]
        )
    assert client.get_run(run_id).data.params == {"seed": "1"}, "a refused batch logs nothing"


def test_experiments_and_runs_of_ones_own(tracked: Any) -> None:
    from mlflow.exceptions import MlflowException

    client, name = tracked.MlflowClient(), f"own {uuid.uuid4().hex}"
    assert client.get_experiment_by_name(name) is None
    experiment = client.create_experiment(name)
    assert client.get_experiment_by_name(name).experiment_id == experiment
    with pytest.raises(MlflowException, match="already exists"):
        client.create_experiment(name)
    runs = [client.create_run(experiment, run_name=f"run {number}").info.run_id for number in range(3)]
    for number, run in enumerate(runs):
        client.log_metric(run, "score", number / 10)
    client.delete_run(runs[2])
    client.set_terminated(runs[0])
    found = client.search_runs([experiment], "metrics.score > 0.05 and attributes.status = 'RUNNING'")
    assert [run.info.run_id for run in found] == [runs[1]]
    ordered = client.search_runs([experiment], order_by=["metrics.score DESC"])
    assert [run.info.run_name for run in ordered] == ["run 1", "run 0"]
    assert name in [found.name for found in client.search_experiments(filter_string="name LIKE 'own %'")]


def test_long_history_comes_in_pages(tracked: Any, run_id: str) -> None:
    client = tracked.MlflowClient()
    metrics = [tracked.entities.Metric("many", float(step), 1, step) for step in range(1000)]
    client.log_batch(run_id, metrics=metrics)
    client.log_batch(run_id, metrics=metrics[:10])
    assert len(client.get_metric_history(run_id, "many")) == 1000, "a repeated batch adds nothing"


def test_what_is_not_kept_is_refused_with_the_way_to_do_it(tracked: Any, run_id: str, tmp_path: Any) -> None:
    from mlflow.exceptions import MlflowException

    file = tmp_path / "report.txt"
    file.write_text("x")
    with pytest.raises(Exception, match="output of the job instead") as caught:
        tracked.MlflowClient().log_artifact(run_id, str(file))
    assert not isinstance(caught.value, AssertionError)
    with pytest.raises(MlflowException, match="save_model"):
        tracked.MlflowClient().create_logged_model(tracked.MlflowClient().get_run(run_id).info.experiment_id)


def test_call_without_a_good_token_is_refused(
    tracked: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "forged")
    with pytest.raises(MlflowException, match="InvalidAuthenticationToken"):
        tracked.MlflowClient().get_run(run_id)


def test_run_that_begins_anew_has_nothing_of_before(tracked: Any, run_id: str, server: RunningServer) -> None:
    """A node that was interrupted runs again under the same id."""
    tracked.MlflowClient().log_param(run_id, "seed", 1)
    server.plane.tracking.create_run(run_id, "experiment of jobs", "train")
    tracked.MlflowClient().log_param(run_id, "seed", 2)
    assert tracked.get_run(run_id).data.params == {"seed": "2"}

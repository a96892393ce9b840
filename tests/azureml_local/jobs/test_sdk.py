"""Jobs as the real SDK submits, streams, lists, cancels and downloads them."""

# No `from __future__ import annotations`: the SDK's decorator reads the annotations of a pipeline's function.
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import Environment

from azureml_local.config import InstanceConfig, Runtime
from azureml_local.testing import RunningServer

pytestmark = pytest.mark.e2e
# The interpreter that runs the tests stands in for the image, as in the other tests of jobs.
RUNTIMES = {"training": Runtime("training", Path(sys.executable))}
ENVIRONMENT = "training:1"
SUMMING = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--data", type=pathlib.Path)
parser.add_argument("--factor", type=int)
parser.add_argument("--offset", type=float, default=0.0)
parser.add_argument("--out", type=pathlib.Path)
arguments = parser.parse_args()
files = [arguments.data] if arguments.data.is_file() else sorted(arguments.data.rglob("*.txt"))
numbers = [float(line) for file in files for line in file.read_text().split()]
print(f"summing {len(numbers)} numbers")
(arguments.out / "sum.txt").write_text(str(sum(numbers) * arguments.factor + arguments.offset))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "summing.py").write_text(SUMMING)
    return folder


def pipeline_of_three(code: Path, data: Path, release: Path, **settings: Any) -> Any:
    """Return a pipeline that does nothing before the file `release` exists."""
    summing = command(
        name="summing",
        code=str(code),
        command="python summing.py --data ${{inputs.data}} --factor ${{inputs.factor}} "
        "$[[--offset ${{inputs.offset}}]] --out ${{outputs.out}}",
        environment=ENVIRONMENT,
        inputs={
            "data": Input(type="uri_folder"),
            "factor": Input(type="integer", default=2, min=1, max=10),
            "offset": Input(type="number", optional=True),
        },
        outputs={"out": Output(type="uri_folder")},
    )
    first = command(
        name="first",
        command=f"until [ -e {release} ]; do sleep 0.05; done; "
        "cat ${{inputs.raw}} > ${{outputs.out}}/numbers.txt && echo copied for ${{inputs.who}}",
        environment=ENVIRONMENT,
        inputs={"raw": Input(type="uri_file"), "who": Input(type="string")},
        outputs={"out": Output(type="uri_folder")},
    )

    @pipeline(name="three", default_compute="cpu-cluster", experiment_name="exp")  # type: ignore[untyped-decorator]
    def three(raw: Input(type="uri_file"), who: str = "tests"):  # type: ignore[no-untyped-def, valid-type]
        one = first(raw=raw, who="all ${{parent.inputs.who}}")
        doubled = summing(data=one.outputs.out)
        tripled = summing(data=doubled.outputs.out, factor=3, offset=0.5)
        return {"total": tripled.outputs.out}

    job = three(raw=Input(type="uri_file", path=str(data)))
    for name, value in settings.items():
        setattr(job.settings, name, value)
    return job


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.csv"
    path.write_text("1\n2\n3\n")
    return path


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return tmp_path / "release"


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.ai.ml.operations._run_history_constants import RunHistoryConstants

    monkeypatch.setattr(RunHistoryConstants, "_WAIT_COMPLETION_POLLING_INTERVAL_MIN", 0)


def total(ml: Any, job: str, folder: Path) -> str:
    ml.jobs.download(job, download_path=folder, output_name="total")
    return (folder / "named-outputs" / "total" / "sum.txt").read_text()


def test_pipeline_runs_streams_and_is_reused(
    ml: Any, code: Path, data: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path = code.parent
    job = ml.jobs.create_or_update(pipeline_of_three(code, data, release))
    assert job.status in {"NotStarted", "Preparing", "Running"}
    ml.workspaces.get(ml.workspace_name)
    threading.Timer(0.5, release.touch).start()
    ml.jobs.stream(job.name)
    printed = capsys.readouterr().out
    assert "Streaming logs/azureml/executionlogs.txt" in printed
    assert "Submitting 1 runs, first five are: one:" in printed

    assert ml.jobs.get(job.name).status == "Completed"
    children = {child.display_name: child for child in ml.jobs.list(parent_job_name=job.name)}
    assert {name: child.status for name, child in children.items()} == {
        "one": "Completed",
        "doubled": "Completed",
        "tripled": "Completed",
    }
    assert total(ml, job.name, tmp_path / "got") == "36.5"
    ml.jobs.download(children["one"].name, download_path=tmp_path / "child", all=True)
    log = tmp_path / "child" / "artifacts" / "user_logs" / "std_log.txt"
    assert log.read_text() == "copied for all tests\n"

    child = ml.jobs.get(children["one"].name)
    assert (child.status, child.experiment_name) == ("Completed", "exp")
    ml.jobs.stream(child.name)

    again = ml.jobs.create_or_update(pipeline_of_three(code, data, release))
    ml.jobs.stream(again.name)
    for child in ml.jobs.list(parent_job_name=again.name):
        assert child.properties["azureml.isreused"] == "true"
    assert total(ml, again.name, tmp_path / "again") == "36.5"


def test_job_is_canceled_with_its_processes(
    ml: Any, job_server: RunningServer, code: Path, data: Path, release: Path
) -> None:
    job = ml.jobs.create_or_update(pipeline_of_three(code, data, release, force_rerun=True))
    logs = job_server.plane.config.home / "jobs" / "work"
    wait_until(lambda: any(logs.glob("*/code")))
    ml.jobs.begin_cancel(job.name).result()
    wait_until(lambda: ml.jobs.get(job.name).status == "Canceled")
    assert {child.status for child in ml.jobs.list(parent_job_name=job.name)} == {"Canceled"}
    assert not any(logs.iterdir())
    release.touch()


def test_script_logs_metrics_to_the_run_of_its_job(ml: Any, job_server: RunningServer) -> None:
    script = "import mlflow; mlflow.log_metric('auc', 0.75); mlflow.log_param('depth', 3)"
    logging = command(command=f'python -c "{script}"', environment=ENVIRONMENT, compute="cpu-cluster")
    job = ml.jobs.create_or_update(logging)
    wait_until(lambda: ml.jobs.get(job.name).status in {"Completed", "Failed"}, 60)
    assert job_server.plane.tracking.metrics(job.name) == {"auc": 0.75}


def test_failed_job_says_why(ml: Any) -> None:
    from azure.ai.ml.exceptions import JobException

    failing = command(
        command="echo the reason is here; exit 3", environment=ENVIRONMENT, compute="cpu-cluster"
    )
    job = ml.jobs.create_or_update(failing)
    wait_until(lambda: ml.jobs.get(job.name).status == "Failed")
    with pytest.raises(JobException, match=r"status code 3(.|\n)*the reason is here"):
        ml.jobs.stream(job.name)


def test_job_outlives_a_killed_control_plane(
    connect: Any, code: Path, data: Path, release: Path, tmp_path: Path
) -> None:
    """``kill -9`` in the middle of the first node: nothing keeps running; the same job completes later."""
    config = InstanceConfig(home=tmp_path / "instance", runtimes=RUNTIMES)
    with serving(config) as process:
        client = connect_to(config, connect)
        client.environments.create_or_update(Environment(name="training", version="1", image="local:1"))
        job = client.jobs.create_or_update(pipeline_of_three(code, data, release))
        wait_until(lambda: any(config.home.glob("jobs/logs/*/user_logs/std_log.txt")))
        process.kill()
    wait_until(lambda: f"until [ -e {release} ]" not in processes())
    with serving(config):
        client = connect_to(config, connect)
        assert client.jobs.get(job.name).status in {"Preparing", "Running"}
        release.touch()
        client.jobs.stream(job.name)
        assert client.jobs.get(job.name).status == "Completed"
        assert total(client, job.name, tmp_path / "got") == "36.5"


@contextmanager
def serving(config: InstanceConfig) -> Iterator[subprocess.Popen[bytes]]:
    """Run an instance as a process of its own."""
    config.home.mkdir(exist_ok=True)
    connection, file = config.home / "connection.json", config.home / "config.json"
    connection.unlink(missing_ok=True)
    file.write_text(config.to_json())
    command = [
        sys.executable,
        "-m",
        "azureml_local",
        "serve",
        "--home",
        str(config.home),
        "--config",
        str(file),
    ]
    with (config.home / "server.log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            wait_until(connection.exists, 60)
            yield process
        finally:
            process.terminate()


def connect_to(config: InstanceConfig, connect: Any) -> Any:
    connection = json.loads((config.home / "connection.json").read_text())
    group, workspace = config.resource_group, config.workspace
    return connect(connection, config.subscription_id, resource_group_name=group, workspace_name=workspace)


def processes() -> str:
    return subprocess.run(["/bin/ps", "-A", "-o", "args="], capture_output=True, check=True, text=True).stdout


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.05)

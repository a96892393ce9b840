"""The loop by single commands, with the mistakes and mishaps that people and machines make."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.workflows.bench import Bench, make_repository, serving_commands
from tests.workflows.node_service import NodeService
from tests.workflows.simulation.github_api import GitHubApi
from usecases.classical import sample

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def champion(mlops: Any) -> str:
    """A model that was trained, registered and deployed; returns its job's name."""
    mlops("local", "up")
    job = str(json.loads(mlops("train", "--json").stdout)["job"])
    version = json.loads(mlops("register", "--job", job, "--json").stdout)
    assert (version["version"], version["tags"]["role"]) == ("1", "challenger")
    # By the files that the gate judged: what a promotion goes by.
    assert version["tags"]["digest"].startswith("sha256:")
    assert json.loads(mlops("deploy", "--json").stdout)["status"] == "completed"
    return job


def test_the_same_commands_again_change_nothing(mlops: Any, champion: str) -> None:
    again = json.loads(mlops("register", "--job", champion, "--json").stdout)
    assert (again["version"], again["tags"]["role"]) == ("1", "champion")
    assert json.loads(mlops("deploy", "--json").stdout)["status"] == "unchanged"


def test_rows_are_scored_and_joined_to_their_ids(mlops: Any, champion: str, tmp_path: Path) -> None:
    rows = sample.load().iloc[9000:9250].drop(columns=["any_visit"])
    data, out = tmp_path / "rows.parquet", tmp_path / "answers.csv"
    rows.to_parquet(data)
    summary = json.loads(mlops("score", "--data", str(data), "--out", str(out), "--json").stdout)
    assert (summary["rows"], summary["errors"], summary["requests"]) == (250, 0, 3)
    answers = pd.read_csv(out)
    assert answers["row_id"].tolist() == rows["row_id"].tolist()
    assert answers["probability"].between(0, 1).all()


def test_a_row_that_cannot_be_scored_says_why(mlops: Any, champion: str, tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    sample.load().head(3).drop(columns=["any_visit", "disea"]).to_csv(data, index=False)
    refused = mlops("score", "--data", str(data), "--json", code=1)
    assert json.loads(refused.stdout)["errors_by_status"]


def test_the_gate_refuses_a_worse_model_and_the_champion_keeps_serving(mlops: Any, champion: str) -> None:
    refused = json.loads(mlops("train", "--set", "shuffle_labels=0.67", "--json", code=1).stdout)
    assert refused["gate"]["verdict"] == "fail"
    error = mlops("register", "--job", refused["job"], code=2).stderr
    assert "gate refused the model" in error
    assert json.loads(mlops("deploy", "--json").stdout)["status"] == "unchanged"


def test_the_workflow_of_a_pull_request_trains_here_and_comments(
    mlops: Any, champion: str, tmp_path: Path
) -> None:
    with closing(NodeService()) as node, GitHubApi() as api, serving_commands(tmp_path) as socket_path:
        repository = make_repository(tmp_path / "repository")
        bench = Bench.build(node, api, repository, tmp_path, socket_path)
        bench.machine.home = mlops.home
        bench.change("src/usecases/classical/model.py", "# more\n")
        # Its model is the champion that serves here already.
        bench.answer({"arguments": ["ci", "champion"]})
        run = bench.pull_request("ml-pr")
    assert run.job("train (classical)").result == run.job("gate").result == "success"
    (comment,) = api.comments[7]
    assert "The gate **passes** it" in comment["body"]
    assert "Slices against the champion" in comment["body"]


def drop(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="disea")


def retype(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(physlm=frame["physlm"].map(lambda value: "yes" if value else "no"))


@pytest.mark.parametrize(("spoil", "column"), [(drop, "disea"), (retype, "physlm")])
def test_bad_training_data_is_refused_by_column(
    mlops: Any,
    champion: str,
    tmp_path: Path,
    spoil: Callable[[pd.DataFrame], pd.DataFrame],
    column: str,
) -> None:
    data = tmp_path / "training.csv"
    spoil(sample.load().head(3000)).to_csv(data, index=False)
    error = mlops("train", "--data", str(data), code=2).stderr
    assert "The step validate failed" in error
    assert column in error


def test_an_empty_file_is_refused_before_anything_is_uploaded(
    mlops: Any, champion: str, tmp_path: Path
) -> None:
    data = tmp_path / "training.csv"
    data.touch()
    error = mlops("train", "--data", str(data), code=2).stderr
    assert "an empty file" in error
    assert str(data) in error


def test_a_port_in_use_is_named(tmp_path: Path, mlops: Any) -> None:
    other = type(mlops)(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = other("local", "up", "--port", port, code=2).stderr
    assert port in error
    assert other("local", "status", code=1)


def test_two_instances_do_not_disturb_each_other(mlops: Any, champion: str, tmp_path: Path) -> None:
    other = type(mlops)(tmp_path)
    other("local", "up")
    try:
        assert "no online endpoint" in other("score", "--data", "pyproject.json", code=2).stderr
        ours = json.loads(mlops("local", "status", "--json").stdout)
        theirs = json.loads(other("local", "status", "--json").stdout)
        assert ours["pid"] != theirs["pid"]
    finally:
        other("local", "down")
    assert other.processes() == []
    assert json.loads(mlops("local", "status", "--json").stdout) == ours


def test_a_job_killed_with_the_control_plane_finishes_with_the_same_command(
    mlops: Any, champion: str
) -> None:
    command = ("train", "--set", "knots=6", "--json")
    running = mlops.start(*command)
    lines: list[str] = []
    while "train: running" not in "".join(lines):
        line = running.stderr.readline()
        assert line, lines
        lines.append(line)
    os.kill(json.loads(mlops("local", "status", "--json").stdout)["pid"], signal.SIGKILL)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "does not answer" in error
    deadline = time.monotonic() + 10
    while mlops.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mlops.processes() == []

    mlops("local", "up")
    assert json.loads(mlops(*command).stdout)["gate"]["verdict"] == "pass"
    # The deployment came back with the control plane, by itself.
    assert json.loads(mlops("deploy", "--json", "--version", "1").stdout)["status"] == "unchanged"

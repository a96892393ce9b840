"""The training job as it would be sent, and that building it needs nothing but the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import PipelineError
from mlops.settings import ENVIRONMENTS, ROOT, load
from mlops.usecase import UseCase, load_usecase
from pipelines import training
from pipelines.environments import training_specification
from pipelines.validation import check

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = "rand-hie@latest"


@pytest.fixture(scope="module")
def usecase() -> UseCase:
    return load_usecase("classical", ROOT)


def body(name: str, usecase: UseCase, **options: Any) -> dict[str, Any]:
    job = training.build(load(name), usecase, training_data=DATA, **options)
    content: dict[str, Any] = json.loads(json.dumps(job._to_dict()))
    return content


def edges(content: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{node}.{port}": value["path"].removeprefix("${{parent.").removesuffix("}}")
        for node, job in content["jobs"].items()
        for port, value in job["inputs"].items()
        if isinstance(value, dict) and port != "declaration"
    }


def test_the_steps_are_wired_in_order(usecase: UseCase) -> None:
    content = body("local", usecase)
    assert edges(content) == {
        "validate.data": "inputs.training_data",
        "prepare.validated": "jobs.validate.outputs.validated",
        "train.training": "jobs.prepare.outputs.training",
        "evaluate.model": "jobs.train.outputs.model",
        "evaluate.held_out": "jobs.prepare.outputs.held_out",
        "gate.model": "jobs.train.outputs.model",
        "gate.evaluation": "jobs.evaluate.outputs.evaluation",
    }
    assert {name: output["type"] for name, output in content["outputs"].items()} == {
        "model": "mlflow_model",
        "evaluation": "uri_folder",
        "gate": "uri_folder",
    }


def test_training_never_receives_the_held_out_rows(usecase: UseCase) -> None:
    takers = [port for port, source in edges(body("local", usecase)).items() if source.endswith("held_out")]
    assert takers == ["evaluate.held_out"]


def test_a_champion_is_an_input_of_the_evaluation(usecase: UseCase) -> None:
    content = body("local", usecase, champion="azureml:mlops-classical:3")
    assert content["inputs"]["champion"] == {"type": "mlflow_model", "path": "azureml:mlops-classical:3"}
    assert edges(content)["evaluate.champion"] == "inputs.champion"
    assert "champion" not in body("local", usecase)["inputs"]


def test_a_retraining_says_since_when_rows_are_recent(usecase: UseCase) -> None:
    content = body("local", usecase, recent_from=14_676)
    assert content["jobs"]["prepare"]["inputs"]["recent_from"] == 14_676
    assert "recent_from" not in body("local", usecase)["jobs"]["prepare"]["inputs"]


def test_every_step_runs_in_the_image_of_the_lock(usecase: UseCase) -> None:
    image = training_specification()
    content = body("local", usecase)
    assert {job["component"]["environment"] for job in content["jobs"].values()} == {image.reference}
    assert content["jobs"]["train"]["inputs"]["environment"] == f"training:{image.version}"


def test_no_component_has_a_version_to_forget(usecase: UseCase) -> None:
    for name, job in body("local", usecase)["jobs"].items():
        assert "version" not in job["component"], name


def test_parameters_come_from_the_declaration_and_overrides_replace_them(usecase: UseCase) -> None:
    given = body("local", usecase)["jobs"]["train"]["inputs"]
    assert (given["seed"], given["knots"], given["regularization"]) == (20, 7, 0.1)
    worse = {"shuffle_labels": 0.5, "drop_feature": "disea", "knots": 5}
    given = body("local", usecase, overrides=worse)["jobs"]["train"]["inputs"]
    assert (given["shuffle_labels"], given["drop_feature"], given["knots"]) == (0.5, "disea", 5)


@pytest.mark.parametrize("name", ["knot", "environment", "training"])
def test_an_override_of_what_is_no_parameter_is_refused(usecase: UseCase, name: str) -> None:
    with pytest.raises(PipelineError, match=f"no parameter '{name}'"):
        body("local", usecase, overrides={name: 3})


def test_a_missing_component_is_explained(usecase: UseCase, tmp_path: Path) -> None:
    for folder in ("environments/locks", "pipelines/environments/training"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "environments/locks/training.txt").write_text("numpy==2\n")
    with pytest.raises(PipelineError, match="component of the pipeline is missing"):
        training.build(load("local"), usecase, training_data=DATA, root=tmp_path)


def test_environments_differ_in_names_and_limits_alone(usecase: UseCase) -> None:
    bodies = {name: body(name, usecase) for name in ENVIRONMENTS}
    for content in bodies.values():
        content["tags"].pop("environment")
        content["settings"].pop("default_compute")
        for job in content["jobs"].values():
            job["limits"].pop("timeout")
    assert all(content == bodies["local"] for content in bodies.values())


def test_building_reads_no_environment_variable_and_opens_no_connection(
    usecase: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load("local")
    expected = training.build(settings, usecase, training_data=DATA)._to_dict()

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    for name in [name for name in os.environ if name.startswith(("AZURE", "MLFLOW", "MLOPS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", "another")
    assert training.build(settings, usecase, training_data=DATA)._to_dict() == expected


@pytest.mark.parametrize("champion", [None, "azureml:mlops-classical:3"])
def test_the_job_has_no_problem(usecase: UseCase, champion: str | None) -> None:
    job = training.build(load("local"), usecase, training_data=DATA, champion=champion)
    assert check(job) == []


def test_the_wire_body_can_be_made_without_a_client(usecase: UseCase) -> None:
    rest = training.build(load("local"), usecase, training_data=DATA)._to_rest_object().as_dict()
    assert set(rest["properties"]["jobs"]) == set(training.STEPS)

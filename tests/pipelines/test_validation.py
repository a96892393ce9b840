"""Planted mistakes, each of which azure-ai-ml's own offline validation lets through or words badly."""

from __future__ import annotations

import copy
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from azure.ai.ml import Input, load_component
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import BatchDeployment, CodeConfiguration, ManagedOnlineDeployment
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import PipelineError
from pipelines.ports import find_cycle
from pipelines.validation import check, require_valid

if TYPE_CHECKING:
    from collections.abc import Callable

COMPONENTS: dict[str, dict[str, Any]] = {
    "prepare": {
        "inputs": {
            "raw": {"type": "uri_file"},
            "share": {"type": "number", "default": 0.2, "min": 0.05, "max": 0.5},
            "folds": {"type": "integer", "default": 3, "min": 2},
            "shuffle": {"type": "boolean", "default": True},
            "mode": {"type": "string", "default": "fast", "enum": ["fast", "exact"]},
        },
        "outputs": {"rows": {"type": "uri_folder"}},
    },
    "train": {"inputs": {"rows": {"type": "uri_folder"}}, "outputs": {"model": {"type": "mlflow_model"}}},
    "evaluate": {
        "inputs": {"model": {"type": "mlflow_model"}, "rows": {"type": "uri_folder"}},
        "outputs": {"report": {"type": "uri_folder"}},
    },
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Any]:
    def component(name: str, change: Callable[[dict[str, Any]], Any] | None = None) -> Any:
        content = copy.deepcopy(COMPONENTS[name])
        ports = [
            f"--{kind}-{port} ${{{{{kind}.{port}}}}}"
            for kind in ("inputs", "outputs")
            for port in content[kind]
        ]
        content |= {
            "$schema": "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json",
            "name": name,
            "type": "command",
            "code": ".",
            "command": " ".join(["python main.py", *ports]),
            "environment": "azureml:training@latest",
        }
        if change is not None:
            change(content)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "component.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return load_component(folder / "component.yaml")

    return component


@pytest.fixture
def job(write: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that builds the pipeline, with what a test changes about it."""

    def build(
        *,
        raw: str = "rows@latest",
        values: dict[str, Any] | None = None,
        components: dict[str, Any] | None = None,
        rewire: Callable[[Any, Any, Any], None] | None = None,
    ) -> Any:
        made = components or {}
        made |= {name: write(name) for name in COMPONENTS if name not in made}

        @pipeline(default_compute="cpu-cluster", experiment_name="test")
        def example(raw):  # type: ignore[no-untyped-def]
            prepare = made["prepare"](raw=raw, **(values or {}))
            train = made["train"](rows=prepare.outputs.rows)
            evaluate = made["evaluate"](model=train.outputs.model, rows=prepare.outputs.rows)
            if rewire is not None:
                rewire(prepare, train, evaluate)

        return example(raw=Input(type="uri_file", path=raw))

    return build


def test_a_sound_pipeline_has_no_problem(job: Callable[..., Any]) -> None:
    assert check(job()) == []
    require_valid(job())


@pytest.mark.parametrize(
    ("values", "where", "got"),
    [
        ({"share": 0.9}, "prepare.share", "0.9"),
        ({"share": 0.01}, "prepare.share", "0.01"),
        ({"folds": 1}, "prepare.folds", "1"),
        ({"folds": 2.5}, "prepare.folds", "2.5"),
        ({"folds": "three"}, "prepare.folds", "'three'"),
        ({"share": "a lot"}, "prepare.share", "'a lot'"),
        ({"share": float("nan")}, "prepare.share", "nan"),
        ({"shuffle": "maybe"}, "prepare.shuffle", "'maybe'"),
        ({"mode": "slow"}, "prepare.mode", "'slow'"),
    ],
)
def test_a_literal_of_the_wrong_type_or_out_of_range(
    job: Callable[..., Any], values: dict[str, Any], where: str, got: str
) -> None:
    problems = check(job(values=values))
    assert {problem.where.removeprefix("jobs.").replace(".inputs", "") for problem in problems} == {where}
    assert any(problem.got == got for problem in problems)


@pytest.mark.parametrize(
    "values",
    [{"share": 0.05}, {"share": 0.5}, {"folds": 2}, {"folds": 3.0}, {"shuffle": False}, {"mode": "exact"}],
)
def test_values_on_the_edge_are_fine(job: Callable[..., Any], values: dict[str, Any]) -> None:
    assert check(job(values=values)) == []


def test_a_file_wired_to_a_model(job: Callable[..., Any]) -> None:
    def rewire(prepare: Any, _train: Any, evaluate: Any) -> None:
        evaluate.inputs.model = prepare.outputs.rows

    (problem,) = check(job(rewire=rewire))
    assert problem.where == "evaluate.model"
    assert (problem.got, problem.expected) == ("uri_folder", "mlflow_model")


def test_a_job_input_wired_to_a_port_of_another_type(job: Callable[..., Any]) -> None:
    def rewire(prepare: Any, train: Any, _evaluate: Any) -> None:
        train.inputs.rows = prepare.inputs.raw._data

    (problem,) = check(job(rewire=rewire))
    assert (problem.where, problem.got) == ("train.rows", "uri_file")


def test_a_cycle(job: Callable[..., Any]) -> None:
    def rewire(_prepare: Any, train: Any, evaluate: Any) -> None:
        train.inputs.rows = evaluate.outputs.report

    (problem,) = check(job(rewire=rewire))
    assert problem.got == "evaluate needs train needs evaluate"


def test_data_written_at_the_node_is_checked_too(job: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")

    def rewire(_prepare: Any, train: Any, _evaluate: Any) -> None:
        train.inputs.rows = Input(type="uri_folder", path=str(tmp_path / "rows.csv"))

    (problem,) = check(job(rewire=rewire))
    assert problem.where == "train.rows"
    assert "folder" in problem.expected


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("./nowhere.csv", "does not exist"),
        (".", "a folder where a file belongs"),
        ("azureml:rows@latest", "write rows@latest"),
        ("rows@champion", "no asset has this label"),
        ("azureml:rows", "add the version"),
    ],
)
def test_a_path_or_an_asset_that_cannot_be_there(job: Callable[..., Any], raw: str, said: str) -> None:
    (problem,) = check(job(raw=raw))
    assert problem.where == "inputs.raw"
    assert said in str(problem)


@pytest.mark.parametrize(
    "raw",
    [
        "rows@latest",
        "azureml:rows:3",
        "azureml://datastores/workspaceblobstore/paths/rows.csv",
        "azureml://registries/shared/data/rows/versions/2",
        "https://example.blob.core.windows.net/data/rows.csv",
        __file__,
    ],
)
def test_every_form_that_the_service_knows_is_fine(job: Callable[..., Any], raw: str) -> None:
    assert check(job(raw=raw)) == []


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        (lambda c: c["inputs"]["share"].update(default=0.9), "prepare.share", "the default is out of range"),
        (lambda c: c["inputs"]["share"].update(min=0.9), "prepare.share", "min is above max"),
        (lambda c: c.update(enviroment="x"), "prepare.enviroment", "write 'environment'"),
        (lambda c: c.update(additional_includes=["../nowhere"]), "prepare.code", "does not exist"),
        (lambda c: c.update(command="python main.py"), "prepare.rows", "no one writes this output"),
        (lambda c: c.update(environment="azureml:training@stable"), "prepare.environment", "label"),
    ],
)
def test_a_mistake_in_a_components_file(
    job: Callable[..., Any],
    write: Callable[..., Any],
    change: Callable[[dict[str, Any]], Any],
    where: str,
    said: str,
) -> None:
    problems = check(job(components={"prepare": write("prepare", change)}))
    assert [problem.where for problem in problems] == [where]
    assert said in str(problems[0])


def test_an_environment_that_python_names_with_prefix_and_label(
    job: Callable[..., Any], write: Callable[..., Any]
) -> None:
    component = write("train")
    component.environment = "azureml:training@latest"
    (problem,) = check(job(components={"train": component}))
    assert problem.where == "train.environment"
    assert problem.fix == "write training@latest"


def test_findings_of_the_sdk_are_kept(job: Callable[..., Any]) -> None:
    broken = job()
    broken.settings.default_compute = None
    assert any("compute" in problem.where for problem in check(broken))


def test_all_problems_are_named_in_one_error(job: Callable[..., Any]) -> None:
    with pytest.raises(PipelineError, match="2 problems") as caught:
        require_valid(job(raw="./nowhere.csv", values={"share": 0.9}))
    assert "inputs.raw" in str(caught.value)
    assert "prepare.share" in str(caught.value)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6))
def test_a_cycle_is_found_exactly_when_there_is_one(needs: dict[str, set[str]]) -> None:
    graph = {name: needs.get(name, set()) for name in "abcdef"}
    circle = find_cycle(graph)

    def reaches(start: str, goal: str) -> bool:
        seen, waiting = set(), list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        return goal in seen

    assert bool(circle) == any(reaches(name, name) for name in graph)
    for after, before in pairwise(circle):
        assert before in graph[after]


@pytest.fixture
def deployment(tmp_path: Path) -> Callable[..., ManagedOnlineDeployment]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").touch()

    def build(**options: Any) -> ManagedOnlineDeployment:
        arguments: dict[str, Any] = {
            "name": "blue",
            "endpoint_name": "endpoint",
            "model": "azureml:m:1",
            "environment": "azureml:serving:1",
            "code_configuration": CodeConfiguration(code=str(tmp_path / "code"), scoring_script="score.py"),
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
        }
        return ManagedOnlineDeployment(**{**arguments, **options})

    return build


def test_a_sound_deployment_has_no_problem(deployment: Callable[..., ManagedOnlineDeployment]) -> None:
    assert check(deployment()) == []


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"instance_count": 0}, "instance_count"),
        ({"instance_type": "Standard_FAKE"}, "instance_type"),
        ({"model": "azureml:m@champion"}, "model"),
        ({"environment": "azureml:serving@latest"}, "environment"),
    ],
)
def test_a_deployment_that_cannot_be_made(
    deployment: Callable[..., ManagedOnlineDeployment], options: dict[str, Any], where: str
) -> None:
    assert [problem.where for problem in check(deployment(**options))] == [where]


@pytest.mark.parametrize(
    "size", ["Standard_DS3_v2", "Standard_NC24ads_A100_v4", "Standard_E4s_v3", "Standard_F2s_v2"]
)
def test_real_sizes_are_known_by_their_form(
    deployment: Callable[..., ManagedOnlineDeployment], size: str
) -> None:
    assert check(deployment(instance_type=size)) == []


def test_a_missing_scoring_script_or_folder(
    deployment: Callable[..., ManagedOnlineDeployment], tmp_path: Path
) -> None:
    made = deployment()
    (tmp_path / "code" / "score.py").rename(tmp_path / "code" / "serve.py")
    (problem,) = check(made)
    assert (problem.where, problem.expected) == ("code_configuration.scoring_script", "one of: serve.py")
    shutil.rmtree(tmp_path / "code")
    assert [problem.where for problem in check(made)] == ["code_configuration.code"]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"mini_batch_size": -1}, "mini_batch_size"),
        ({"mini_batch_size": 0}, "mini_batch_size"),
        ({"max_concurrency_per_instance": 0}, "max_concurrency_per_instance"),
        ({"error_threshold": -2}, "error_threshold"),
    ],
)
def test_a_batch_deployment_that_could_never_run(options: dict[str, Any], where: str) -> None:
    made = BatchDeployment(name="d", endpoint_name="e", model="azureml:m:1", compute="cpu", **options)
    assert [problem.where for problem in check(made)] == [where]

"""The endpoint's and the deployment's entities, down to the body that the client would send."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mlops.errors import PipelineError
from mlops.settings import ENVIRONMENTS, ROOT, Environment, load
from mlops.usecase import UseCase, load_usecase
from pipelines import scoring
from pipelines.environments import serving_specification

MODEL = "azureml:mlops-classical:3"


@pytest.fixture(scope="module")
def usecase() -> UseCase:
    return load_usecase("classical", ROOT)


def deployed(settings: Environment, usecase: UseCase, **options: Any) -> Any:
    return scoring.deployment(settings, usecase, **{"model": MODEL, "color": "blue", **options})


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_endpoint_follows_the_settings(name: str, usecase: UseCase) -> None:
    settings = load(name)
    endpoint = scoring.endpoint(settings, usecase)
    assert endpoint.name == settings.names.endpoint("classical")
    assert endpoint.auth_mode == settings.serving.auth_mode
    assert endpoint.public_network_access == settings.serving.public_network_access
    assert endpoint.traffic == {}
    assert endpoint.tags == {
        "project": settings.project.name,
        "environment": name,
        "owner": settings.project.owner,
        "usecase": "classical",
    }


def test_the_request_body_of_a_deployment(usecase: UseCase) -> None:
    """What goes over the wire; the rest of the body is ids that the client resolves."""
    settings = load("prod")
    deployment = deployed(settings, usecase)
    body = deployment._to_rest_object(location="westeurope").as_dict()
    properties = body["properties"]
    assert properties["model"] == MODEL
    assert properties["environmentId"] == serving_specification().reference
    assert properties["codeConfiguration"]["scoringScript"] == "score.py"
    assert properties["instanceType"] == "Standard_DS3_v2"
    assert properties["egressPublicNetworkAccess"] == "enabled"
    assert properties["appInsightsEnabled"] is True
    assert properties["requestSettings"] == {
        "maxConcurrentRequestsPerInstance": 4,
        "requestTimeout": "PT5S",
    }
    collections = properties["dataCollector"]["collections"]
    assert set(collections) == {"model_inputs", "model_outputs"}
    assert {c["dataCollectionMode"].lower() for c in collections.values()} == {"enabled"}
    assert {c["samplingRate"] for c in collections.values()} == {settings.serving.sampling_rate}
    assert body["sku"]["capacity"] == settings.serving.instance_count == 3


def test_the_scoring_script_and_its_folder_exist(usecase: UseCase) -> None:
    code = deployed(load("local"), usecase).code_configuration
    assert (Path(code.code) / code.scoring_script).is_file()


def test_colors_share_their_definition(usecase: UseCase) -> None:
    settings = load("local")
    blue, green = (deployed(settings, usecase, color=color) for color in ("blue", "green"))
    assert (blue.name, green.name) == ("blue", "green")
    assert blue.tags == green.tags
    assert blue.tags["model"] == "mlops-classical:3"


def changed(settings: Environment, **serving: Any) -> Environment:
    return settings.model_copy(update={"serving": settings.serving.model_copy(update=serving)})


@pytest.mark.parametrize(
    "serving",
    [
        {"instance_type": "Standard_F4s_v2"},
        {"instance_count": 2},
        {"sampling_rate": 0.5},
        {"request_timeout_ms": 600},
        {"max_concurrent_requests": 2},
    ],
)
def test_a_changed_setting_is_another_definition(usecase: UseCase, serving: dict[str, Any]) -> None:
    settings = load("local")
    before = deployed(settings, usecase).tags
    after = deployed(changed(settings, **serving), usecase).tags
    assert before["definition"] != after["definition"]
    assert before["code"] == after["code"]


def test_another_model_is_another_definition(usecase: UseCase) -> None:
    settings = load("local")
    other = deployed(settings, usecase, model="azureml:mlops-classical:4")
    assert other.tags["definition"] != deployed(settings, usecase).tags["definition"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("src/usecases/classical", "pipelines/environments", "environments/locks"):
        shutil.copytree(ROOT / path, tmp_path / path, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_changed_code_is_another_definition(usecase: UseCase, root: Path) -> None:
    settings = load("local")
    before = deployed(settings, usecase, root=root).tags
    script = root / "src/usecases/classical/score.py"
    script.write_text(script.read_text() + "# changed\n")
    after = deployed(settings, usecase, root=root).tags
    assert before["code"] != after["code"]
    assert before["definition"] != after["definition"]


def test_a_renamed_file_is_other_code(usecase: UseCase, root: Path) -> None:
    before = deployed(load("local"), usecase, root=root).tags["code"]
    (root / "src/usecases/classical/model.py").rename(root / "src/usecases/classical/models.py")
    assert deployed(load("local"), usecase, root=root).tags["code"] != before


def test_what_python_caches_is_not_code(usecase: UseCase, root: Path) -> None:
    before = deployed(load("local"), usecase, root=root).tags
    cache = root / "src/usecases/classical/__pycache__"
    cache.mkdir()
    (cache / "score.cpython-311.pyc").write_bytes(b"\x00")
    assert deployed(load("local"), usecase, root=root).tags == before


def test_a_missing_scoring_script_is_told(usecase: UseCase, root: Path) -> None:
    (root / "src/usecases/classical/score.py").unlink()
    with pytest.raises(PipelineError, match="scoring script"):
        deployed(load("local"), usecase, root=root)

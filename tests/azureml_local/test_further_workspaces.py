"""Further workspaces: assets and endpoints of each are its own; what runs jobs is the first one's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.config import ConfigError, InstanceConfig
from azureml_local.testing import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDER = "providers/Microsoft.MachineLearningServices/workspaces"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("two")
    with RunningServer(InstanceConfig(home=home, further_workspaces=("rg-second/mlw-second",))) as running:
        yield running


def second(server: RunningServer, path: str = "") -> str:
    root = f"/subscriptions/{server.config.subscription_id}/resourceGroups/rg-second/{PROVIDER}/mlw-second"
    return f"{root}/{path}" if path else root


ENDPOINT: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "Key"}}


def test_each_has_datastores_and_assets_of_its_own(two: RunningServer) -> None:
    first = two.request("GET", "").body["properties"]["workspaceId"]
    assert two.request("GET", second(two)).body["properties"]["workspaceId"] != first
    name = "datastores/workspaceblobstore"
    stores = [two.request("GET", path) for path in (name, second(two, name))]
    containers = [one.body["properties"]["containerName"] for one in stores]
    assert len(set(containers)) == 2
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/x"}}
    made = two.request("PUT", second(two, "models/m/versions/1"), body)
    assert made.status == 201
    assert "/workspaces/mlw-second/datastores/" in made.body["properties"]["modelUri"]
    assert two.plane.blobs.locate(made.body["properties"]["modelUri"]) == (containers[1], "x")
    assert two.request("GET", "models/m/versions/1").status == 404


def test_an_endpoint_is_its_name_in_the_whole_region(two: RunningServer) -> None:
    assert two.request("PUT", second(two, "onlineEndpoints/scores"), ENDPOINT).status in {200, 201}
    taken = two.request("PUT", "onlineEndpoints/scores", ENDPOINT)
    assert taken.status == 400
    assert "another workspace" in taken.message


@pytest.mark.parametrize("kind", ["jobs", "schedules", "batchEndpoints"])
def test_what_runs_jobs_is_refused_in_it(two: RunningServer, kind: str) -> None:
    for found in (two.request("GET", second(two, kind)), two.request("PUT", second(two, f"{kind}/x"), {})):
        assert found.status == 400
        assert "'mlw-local' alone" in found.message
    assert two.request("GET", kind).status == 200


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="further_workspaces"):
        InstanceConfig(home=tmp_path, further_workspaces=("mlw-second",))
    config = InstanceConfig(home=tmp_path, further_workspaces=("rg-second/mlw-second",))
    assert InstanceConfig.from_json(config.to_json(), home=tmp_path) == config

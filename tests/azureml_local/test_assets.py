"""Assets through the SDK and on the wire: versions, labels, immutability, archive, pages, etags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.entities import Data, Environment, Model
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.testing import RunningServer


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    return folder


def model(server: RunningServer, name: str, version: str, **properties: Any) -> Any:
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/x", **properties}}
    return server.request("PUT", f"models/{name}/versions/{version}", body)


def test_versions_count_up_as_numbers(server: RunningServer, client: Any, model_folder: Path) -> None:
    for number in range(1, 12):
        assert model(server, "counted", str(number)).status == 201
    assert client.models.get("counted", label="latest").version == "11"
    created = client.models.create_or_update(Model(name="counted", path=model_folder, type="mlflow_model"))
    assert created.version == "12"
    container = server.request("GET", "models/counted").body["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("12", "13")


def test_a_model_comes_back_as_it_was_uploaded(client: Any, model_folder: Path, tmp_path: Path) -> None:
    client.models.create_or_update(
        Model(name="round-trip", path=model_folder, type="mlflow_model", tags={"role": "challenger"})
    )
    client.models.download("round-trip", "1", download_path=tmp_path / "download")
    found = next((tmp_path / "download").rglob("weights.bin"))
    assert found.read_bytes() == bytes(range(256))
    assert client.models.get("round-trip", "1").tags == {"role": "challenger"}


def test_tags_and_description_of_a_version_change_and_nothing_else(
    server: RunningServer, client: Any
) -> None:
    model(server, "fixed", "1", properties={"a": "1"})
    known = client.models.get("fixed", "1")
    known.tags = {"role": "champion"}
    known.description = "the best so far"
    assert client.models.create_or_update(known).tags == {"role": "champion"}
    refused = model(server, "fixed", "1", modelUri="azureml://datastores/workspaceblobstore/paths/other")
    assert (refused.status, refused.code) == (409, "Conflict")
    assert "modelUri cannot change" in refused.message
    assert model(server, "fixed", "1", properties={"a": "2"}).status == 409
    grown = model(server, "fixed", "1", properties={"b": "2"})
    assert grown.body["properties"]["properties"] == {"a": "1", "b": "2"}


def test_the_same_content_again_is_no_conflict(server: RunningServer) -> None:
    assert model(server, "again", "1").status == 201
    assert model(server, "again", "1").status == 200


def test_archived_versions_and_containers_are_hidden(server: RunningServer, client: Any) -> None:
    model(server, "hidden", "1")
    model(server, "hidden", "2")
    client.models.archive("hidden", version="1")
    assert [m.version for m in client.models.list("hidden")] == ["2"]
    assert {m.version for m in client.models.list("hidden", list_view_type="ALL")} == {"1", "2"}
    assert [m.version for m in client.models.list("hidden", list_view_type="ARCHIVED_ONLY")] == ["1"]
    client.models.restore("hidden", version="1")
    assert {m.version for m in client.models.list("hidden")} == {"1", "2"}
    client.models.archive("hidden")
    assert "hidden" not in {m.name for m in client.models.list()}
    client.models.restore("hidden")
    assert "hidden" in {m.name for m in client.models.list()}


def test_latest_of_nothing_is_not_found(client: Any) -> None:
    with pytest.raises(ResourceNotFoundError):
        client.models.get("absent", version="1")
    with pytest.raises(MlException, match="does not exist"):
        client.data.get("absent", label="latest")


def test_data_keeps_its_type(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    created = client.data.create_or_update(Data(name="rows", version="1", type="uri_file", path=file))
    assert created.path.endswith("rows.csv")
    assert client.data.get("rows", label="latest").version == "1"
    with pytest.raises(HttpResponseError, match="holds 'uri_file'"):
        client.data.create_or_update(Data(name="rows", version="2", type="uri_folder", path=tmp_path))


def test_environments_need_something_to_build_from(server: RunningServer, client: Any) -> None:
    made = client.environments.create_or_update(
        Environment(name="image-only", version="ab12", image="python:3.11")
    )
    assert (made.version, made.image) == ("ab12", "python:3.11")
    assert client.environments.get("image-only", label="latest").version == "ab12"
    reply = server.request("PUT", "environments/empty/versions/1", {"properties": {}})
    assert (reply.status, reply.body["error"]["target"]) == (400, "properties.image")


def test_a_component_must_not_dangle(server: RunningServer) -> None:
    specification = {
        "type": "command",
        "command": "true",
        "environment": "/subscriptions/x/environments/e/versions/1",
    }
    reply = server.request(
        "PUT", "components/dangling/versions/1", {"properties": {"componentSpec": specification}}
    )
    assert reply.status == 400
    assert "was not found" in reply.message


def test_pages_link_to_the_next(server: RunningServer) -> None:
    for number in range(1, 8):
        model(server, "paged", str(number))
    page = server.request("GET", "models/paged/versions?count=3").body
    seen = [item["name"] for item in page["value"]]
    while "nextLink" in page:
        path = page["nextLink"].removeprefix(server.plane.base_url)
        page = server.request("GET", path, api_version=None).body
        assert 0 < len(page["value"]) <= 3
        seen += [item["name"] for item in page["value"]]
    assert seen == [str(number) for number in range(1, 8)]
    newest = server.request(
        "GET", "models/paged/versions?$orderBy=createdtime desc&$top=2".replace(" ", "%20")
    )
    assert [item["name"] for item in newest.body["value"]] == ["7", "6"]
    assert server.request("GET", "models/paged/versions?$orderBy=colour").status == 400
    assert server.request("GET", "models/paged/versions?$top=many").status == 400


def test_etags_guard_against_lost_updates(server: RunningServer) -> None:
    first = model(server, "guarded", "1")
    etag = first.headers["etag"]
    path, body = (
        "models/guarded/versions/1",
        first.body | {"properties": {**first.body["properties"], "tags": {"a": "1"}}},
    )
    assert server.request("PUT", path, body, headers={"If-Match": etag}).status == 200
    late = server.request("PUT", path, body, headers={"If-Match": etag})
    assert (late.status, late.code) == (412, "PreconditionFailed")
    assert server.request("PUT", path, body, headers={"If-None-Match": "*"}).status == 412
    assert server.request("PUT", path, body, headers={"If-Match": "*"}).status == 200


def test_what_get_returned_can_be_put_back(server: RunningServer) -> None:
    model(server, "echo", "1", tags={"a": "1"})
    body = server.request("GET", "models/echo/versions/1").body
    assert server.request("PUT", "models/echo/versions/1", body).status == 200


def test_sharing_copies_a_model_into_the_registry(
    server: RunningServer, client: Any, registry_client: Any, model_folder: Path, tmp_path: Path
) -> None:
    client.models.create_or_update(
        Model(name="shared", path=model_folder, type="mlflow_model", tags={"a": "1"})
    )
    client.models.share(
        "shared", "1", share_with_name="shared", share_with_version="7", registry_name=server.config.registry
    )
    found = registry_client.models.get("shared", version="7")
    assert found.tags == {"a": "1"}
    assert found.id == f"azureml://registries/{server.config.registry}/models/shared/versions/7"
    copy = server.plane.blobs.resolve(found.path)
    assert (copy / "weights.bin").read_bytes() == bytes(range(256))
    original = server.plane.blobs.resolve(client.models.get("shared", "1").path)
    assert copy != original
    registry_client.models.download("shared", version="7", download_path=tmp_path)
    (folder,) = (tmp_path / "shared").iterdir()
    assert {path.name for path in folder.iterdir()} == {path.name for path in model_folder.iterdir()}
    assert (folder / "weights.bin").read_bytes() == bytes(range(256))
    with pytest.raises(Exception, match="already exists in registry"):
        client.models.share(
            "shared",
            "1",
            share_with_name="shared",
            share_with_version="7",
            registry_name=server.config.registry,
        )

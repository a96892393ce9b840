from __future__ import annotations

import errno
import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.config import Runtime
from azureml_local.endpoints.deployment import read_deployment
from azureml_local.endpoints.storage_initializer import Mounts, StorageInitializer, runtime_of
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.azureml_local.endpoints.conftest import Workspace


def mount(workspace: Workspace, tmp_path: Path, code_id: str, **properties: Any) -> Mounts:
    deployment_id = workspace.add_deployment("blue", code_id, **properties)
    initializer = StorageInitializer(store=workspace.store, blobs=workspace.blobs, config=workspace.config)
    deployment = read_deployment(workspace.store.require(deployment_id))
    return initializer.mount(deployment, tmp_path / "app", tmp_path / "log")


def test_code_and_model_are_copies_in_azures_layout(workspace: Workspace, tmp_path: Path) -> None:
    code = workspace.add_code("c", {"score.py": "one", "more/data.txt": "two"})
    mounts = mount(workspace, tmp_path, code, model=workspace.add_model("linear"))
    assert mounts.model_dir == tmp_path / "app" / "azureml-models" / "linear" / "3"
    assert mounts.entry_script == "score.py"
    assert (mounts.app_root / "more" / "data.txt").read_text() == "two"
    weights = mounts.model_dir / "model" / "weights.json"
    weights.write_text("changed by the server")
    (mounts.app_root / "score.py").write_text("changed by the server")
    assert (
        "changed"
        not in workspace.blobs.path("workspaceblobstore", "models/linear/model/weights.json").read_text()
    )
    assert workspace.blobs.path("c-code", "code/score.py").read_text() == "one"
    assert "azureml-models/linear/3" in (tmp_path / "log").read_text()


def test_the_script_may_be_in_a_folder_of_the_code(workspace: Workspace, tmp_path: Path) -> None:
    code = workspace.add_code("c", {"src/serving/score.py": "", "score.txt": ""})
    configuration = {"codeId": code, "scoringScript": "serving/score.py"}
    mounts = mount(workspace, tmp_path, code, codeConfiguration=configuration)
    assert mounts.app_root == tmp_path / "app" / "code" / "src" / "serving"
    assert mounts.model_dir is None


@pytest.mark.parametrize("files", [{"other.py": ""}, {"a/score.py": "", "b/score.py": ""}])
def test_a_missing_or_ambiguous_script_is_refused(
    workspace: Workspace, tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(AzureError, match=r"has no file 'score\.py'") as refused:
        mount(workspace, tmp_path, workspace.add_code("c", files))
    assert refused.value.code == "ScoringScriptNotFound"
    assert "ScoringScriptNotFound" in (tmp_path / "log").read_text()


def test_assets_are_found_by_every_form_of_id(workspace: Workspace) -> None:
    config = workspace.config
    expected = workspace.add_model("linear")
    workspace.store.put(f"{config.registry_id}/models/shared/versions/1", {"properties": {}})
    initializer = StorageInitializer(store=workspace.store, blobs=workspace.blobs, config=config)
    for form in (
        expected,
        expected.upper(),
        "azureml:linear:3",
        "azureml://locations/westeurope/workspaces/0-0/models/linear/versions/3",
    ):
        assert initializer.asset("models", form).id == expected
    shared = f"azureml://registries/{config.registry}/models/shared/versions/1"
    assert initializer.asset("models", shared).id == f"{config.registry_id}/models/shared/versions/1"
    with pytest.raises(AzureError, match="Registry 'other' is unknown"):
        initializer.asset("models", "azureml://registries/other/models/shared/versions/1")
    with pytest.raises(AzureError) as missing:
        initializer.asset("models", "azureml:linear:4")
    assert missing.value.status == 404


def test_an_asset_without_content_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    code = workspace.add("codes/gone/versions/1", {"codeUri": workspace.blobs.url("gone", "code")})
    with pytest.raises(AzureError) as refused:
        mount(workspace, tmp_path, code)
    assert refused.value.code == "BlobNotFound"


def test_an_environment_names_its_runtime_and_lock(workspace: Workspace, tmp_path: Path) -> None:
    lock = tmp_path / "serving.txt"
    lock.write_text("flask==3")
    digest = hashlib.sha256(b"flask==3").hexdigest()[:12]
    pinned = Runtime("serving", tmp_path / "python", lock)
    config = replace(workspace.config, runtimes={"serving": pinned})
    assert runtime_of(f"/x/environments/serving/versions/{digest}", config) == pinned
    assert runtime_of(f"azureml://registries/r/environments/serving/versions/{digest}", config) == pinned
    with pytest.raises(AzureError, match=f"has version '1'.*lock '{digest}'"):
        runtime_of("/x/environments/serving/versions/1", config)
    with pytest.raises(AzureError, match="Known environments: serving"):
        runtime_of(f"/x/environments/other/versions/{digest}", config)
    with pytest.raises(AzureError, match="Known environments"):
        runtime_of("curated", config)


def test_a_full_disk_is_named(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = workspace.add_code("c", {"score.py": ""})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(AzureError, match="disk is full") as refused:
        mount(workspace, tmp_path, code)
    assert refused.value.code == "OutOfDiskSpace"

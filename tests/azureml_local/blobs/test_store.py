"""The account as the other parts of the control plane use it: by path and by address."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azureml_local.blobs import BlobStore


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/data/paths/a/b.txt",
        "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/data/paths/a/b.txt",
        "{account}/data/a/b.txt",
        "{account}/data/a%2Fb.txt?sv=2021-12-02&sig=x",
    ],
)
def test_every_form_of_an_address_means_the_same_file(blobs: BlobStore, uri: str) -> None:
    blobs.write("data", "a/b.txt", b"here")
    assert blobs.resolve(uri.replace("{account}", blobs.storage_url)).read_bytes() == b"here"


@pytest.mark.parametrize(
    "uri", ["https://example.com/x", "/etc/passwd", "azureml://jobs/j/outputs/o", "file:///x"]
)
def test_other_addresses_are_refused(blobs: BlobStore, uri: str) -> None:
    with pytest.raises(AzureError, match="cannot be read here"):
        blobs.resolve(uri)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a/../b"])
def test_no_address_leaves_its_container(blobs: BlobStore, path: str) -> None:
    for uri in (f"azureml://datastores/data/paths/{path}", f"{blobs.storage_url}/data/{path}"):
        with pytest.raises(AzureError, match="not valid"):
            blobs.resolve(uri)


@pytest.mark.parametrize("name", ["", "Upper", "a", ".staging", "a--b", "a/b", "..", "x" * 64])
def test_wrong_container_names_are_refused(blobs: BlobStore, name: str) -> None:
    with pytest.raises(AzureError, match="container name"):
        blobs.create_container(name)


def test_folder_is_stored_copied_and_removed_as_a_whole(blobs: BlobStore, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors")
    (folder / "sub" / "weights").write_text("1234")
    blobs.create_container("other")
    assert blobs.upload(folder, "data", "models/m", move=True) == 2
    assert list(folder.rglob("*")) == [folder / "sub"], "moved files are gone"
    assert blobs.copy(("data", "models/m"), ("other", "m")) == 2
    assert blobs.space.used == 2 * len("flavors1234")
    blobs.remove_tree("data", "models/m")
    blobs.remove_tree("data", "models/m")
    assert not blobs.path("data", "models/m").exists()
    assert blobs.path("other", "m/sub/weights").read_text() == "1234"
    assert blobs.space.used == len("flavors1234")


def test_file_that_is_moved_in_is_no_other_files_twin(blobs: BlobStore, tmp_path: Path) -> None:
    """A hard link that a job kept would let it change what is stored."""
    original, twin = tmp_path / "original", tmp_path / "twin"
    original.write_text("stored")
    twin.hardlink_to(original)
    blobs.upload(original, "data", "x", move=True)
    twin.write_text("changed")
    assert blobs.path("data", "x").read_text() == "stored"


def test_link_out_of_a_folder_is_stored_as_its_content(blobs: BlobStore, tmp_path: Path) -> None:
    target, folder = tmp_path / "target", tmp_path / "folder"
    folder.mkdir()
    target.write_text("content")
    (folder / "link").symlink_to(target)
    blobs.upload(folder, "data", "f", move=True)
    assert not blobs.path("data", "f/link").is_symlink()
    assert target.read_text() == "content"


def test_blob_and_folder_of_one_name_are_refused(blobs: BlobStore) -> None:
    blobs.write("data", "a", b"x")
    with pytest.raises(AzureError, match="at the same time"):
        blobs.write("data", "a/b", b"x")
    blobs.write("data", "c/d", b"x")
    with pytest.raises(AzureError, match="at the same time"):
        blobs.write("data", "c", b"x")
    assert blobs.space.used == 2


def test_full_disk_is_told_as_a_full_account(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs.write("data", "kept", b"before")

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AzureError, match="disk below the account is full"):
        blobs.write("data", "kept", b"after it")
    monkeypatch.undo()
    assert blobs.path("data", "kept").read_bytes() == b"before"
    assert blobs.space.used == len(b"before")
    assert list(blobs.staging.iterdir()) == []


def test_append_that_does_not_fit_changes_nothing(serve: Callable[..., BlobStore]) -> None:
    blobs = serve(10)
    blobs.create_container("data")
    blobs.write("data", "log", b"12345", kind="AppendBlob")
    with pytest.raises(AzureError, match="The storage account is full"):
        blobs.append("data", "log", b"67890+")
    assert blobs.append("data", "log", b"67890") == 5
    assert blobs.path("data", "log").read_bytes() == b"1234567890"

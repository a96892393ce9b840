"""The real azure-storage-blob clients against the account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    ContainerClient,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azureml_local.blobs import BlobStore


def container(blobs: BlobStore, **options: Any) -> ContainerClient:
    return ContainerClient.from_container_url(blobs.sas_url("data"), retry_total=0, **options)


def test_small_blob_comes_back_with_its_metadata_and_type(blobs: BlobStore) -> None:
    with container(blobs) as client:
        client.upload_blob("a/b c.txt", b"hello", metadata={"Stage": "raw"})
        with client.get_blob_client("a/b c.txt") as blob:
            known = blob.get_blob_properties()
            assert (known.size, known.metadata, known.blob_type) == (5, {"Stage": "raw"}, "BlockBlob")
            assert blob.download_blob().readall() == b"hello"
    assert blobs.path("data", "a/b c.txt").read_bytes() == b"hello"


def test_large_blob_goes_up_in_blocks_and_comes_down_in_ranges(blobs: BlobStore) -> None:
    content = bytes(range(256)) * 4096
    small = {"max_single_put_size": 1 << 16, "max_block_size": 1 << 16, "max_single_get_size": 1 << 17}
    with container(blobs, **small, max_chunk_get_size=100_000) as client:
        client.upload_blob("large", content, max_concurrency=4)
        assert client.download_blob("large", max_concurrency=3).readall() == content
    assert blobs.space.used == len(content), "no block stays counted"
    assert list(blobs.staging.iterdir()) == []


def test_empty_blob_is_read_although_every_range_of_it_is_invalid(blobs: BlobStore) -> None:
    with container(blobs) as client:
        client.upload_blob("empty", b"")
        assert client.download_blob("empty").readall() == b""


def test_part_of_a_blob(blobs: BlobStore) -> None:
    with container(blobs) as client:
        client.upload_blob("digits", b"0123456789")
        assert client.download_blob("digits", offset=3, length=4).readall() == b"3456"
        with pytest.raises(HttpResponseError, match="InvalidRange"):
            client.download_blob("digits", offset=20, length=4)


def test_existing_blob_is_kept_unless_overwriting_is_asked_for(blobs: BlobStore) -> None:
    with container(blobs) as client:
        client.upload_blob("kept", b"first")
        with pytest.raises(ResourceExistsError):
            client.upload_blob("kept", b"second")
        assert client.download_blob("kept").readall() == b"first"
        client.upload_blob("kept", b"second", overwrite=True)
        assert client.download_blob("kept").readall() == b"second"


def test_etag_guards_against_a_change_in_between(blobs: BlobStore) -> None:
    from azure.core import MatchConditions

    with container(blobs) as client, client.get_blob_client("guarded") as blob:
        before = blob.upload_blob(b"one")
        blob.upload_blob(b"two", overwrite=True)
        with pytest.raises(ResourceModifiedError):
            blob.upload_blob(
                b"three", overwrite=True, etag=before["etag"], match_condition=MatchConditions.IfNotModified
            )
        with pytest.raises(HttpResponseError) as caught:
            blob.download_blob(
                etag=blob.get_blob_properties().etag, match_condition=MatchConditions.IfModified
            )
        assert caught.value.status_code == 304


def test_same_size_contents_written_at_once_have_different_etags(blobs: BlobStore) -> None:
    tags = {blobs.write("data", "busy", bytes([number])).etag for number in range(20)}
    assert len(tags) == 20


def test_metadata_is_replaced_and_changes_the_etag(blobs: BlobStore) -> None:
    with container(blobs) as client, client.get_blob_client("marked") as blob:
        before = blob.upload_blob(b"x")["etag"]
        blob.set_blob_metadata({"upload_status": "completed"})
        known = blob.get_blob_properties()
        assert known.metadata == {"upload_status": "completed"}
        assert known.etag != before


def test_listing_by_prefix_delimiter_and_page(blobs: BlobStore) -> None:
    names = ["a-b", "a/1", "a/2", "a/sub/3", "b", "c/4"]
    with container(blobs) as client:
        for name in names:
            client.upload_blob(name, name.encode(), metadata={"for": "list"})
        listed = list(client.list_blobs(include=["metadata"]))
        assert [blob.name for blob in listed] == sorted(names)
        assert listed[0].metadata == {"for": "list"}
        assert [blob.size for blob in listed] == [len(name) for name in sorted(names)]
        assert [blob.name for blob in client.list_blobs(name_starts_with="a/s")] == ["a/sub/3"]
        assert list(client.list_blobs(name_starts_with="../")) == []
        assert {item.name for item in client.walk_blobs(delimiter="/")} == {"a-b", "a/", "b", "c/"}
        pages = [[blob.name for blob in page] for page in client.list_blobs(results_per_page=4).by_page()]
        assert pages == [["a-b", "a/1", "a/2", "a/sub/3"], ["b", "c/4"]]


def test_append_blob_grows(blobs: BlobStore) -> None:
    with container(blobs) as client, client.get_blob_client("log") as blob:
        blob.create_append_blob(metadata={"of": "test"})
        assert blob.append_block(b"one ")["blob_append_offset"] == "0"
        assert blob.append_block(b"two")["blob_append_offset"] == "4"
        with pytest.raises(HttpResponseError, match="AppendPositionConditionNotMet"):
            blob.append_block(b"late", appendpos_condition=4)
        assert blob.download_blob().readall() == b"one two"
        assert blob.get_blob_properties().metadata == {"of": "test"}
        client.upload_blob("block", b"")
        with (
            client.get_blob_client("block") as other,
            pytest.raises(HttpResponseError, match="InvalidBlobType"),
        ):
            other.append_block(b"no")


def test_delete_and_exists(blobs: BlobStore) -> None:
    with container(blobs) as client, client.get_blob_client("gone/soon") as blob:
        assert not blob.exists()
        blob.upload_blob(b"x")
        assert blob.exists()
        assert client.exists()
        blob.delete_blob()
        assert not blob.exists()
        assert blobs.space.used == 0
        with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
            blob.download_blob()
    assert not blobs.path("data", "gone").exists()


def test_block_list_of_unknown_blocks_is_refused(blobs: BlobStore) -> None:
    with container(blobs) as client, client.get_blob_client("holes") as blob:
        blob.stage_block("0001", b"here")
        with pytest.raises(HttpResponseError, match="InvalidBlockList"):
            blob.commit_block_list([BlobBlock("0001"), BlobBlock("0002")])
        blob.commit_block_list([BlobBlock("0001")])
        assert blob.download_blob().readall() == b"here"


def test_content_that_was_damaged_on_the_way_is_refused(blobs: BlobStore) -> None:
    with container(blobs) as client, client.get_blob_client("sum") as blob:
        blob.upload_blob(b"content", validate_content=True)
        assert blob.download_blob(validate_content=True).readall() == b"content"
        with pytest.raises(HttpResponseError, match="Md5Mismatch"):
            blob.upload_blob(b"x", overwrite=True, headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
        assert blob.download_blob().readall() == b"content"


@pytest.mark.parametrize(
    ("permission", "hours", "key", "code"),
    [
        ("racwdl", -1.0, None, "AuthenticationFailed"),
        ("racwdl", 1.0, "b3RoZXIga2V5", "AuthenticationFailed"),
        ("rl", 1.0, None, "AuthorizationPermissionMismatch"),
    ],
    ids=["expired", "wrong key", "read only"],
)
def test_signature_that_does_not_allow_a_write(
    blobs: BlobStore, permission: str, hours: float, key: str | None, code: str
) -> None:
    token = generate_container_sas(
        blobs.account,
        "data",
        account_key=key or blobs.key,
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )
    with (
        ContainerClient(blobs.storage_url, "data", credential=token, retry_total=0) as client,
        pytest.raises((ClientAuthenticationError, HttpResponseError), match=code),
    ):
        client.upload_blob("secret", b"x")
    assert not blobs.path("data", "secret").exists()


def test_signature_over_one_blob_opens_that_blob_alone(blobs: BlobStore) -> None:
    for name in ("mine", "other"):
        blobs.write("data", name, name.encode())
    token = generate_blob_sas(
        blobs.account,
        "data",
        "mine",
        account_key=blobs.key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    with BlobClient(blobs.storage_url, "data", "mine", credential=token) as client:
        assert client.download_blob().readall() == b"mine"
    with (
        BlobClient(blobs.storage_url, "data", "other", credential=token) as client,
        pytest.raises(ClientAuthenticationError, match="AuthenticationFailed"),
    ):
        client.download_blob()


def test_other_container_is_not_opened_by_a_signature(blobs: BlobStore) -> None:
    blobs.create_container("other")
    token = blobs.sas_token("data")
    with (
        ContainerClient(blobs.storage_url, "other", credential=token) as client,
        pytest.raises(ClientAuthenticationError, match="AuthenticationFailed"),
    ):
        client.upload_blob("x", b"x")


def test_bearer_token_is_verified_and_no_credential_is_refused(blobs: BlobStore) -> None:
    import urllib.error
    import urllib.request

    blobs.write("data", "open", b"x")

    def status(**headers: str) -> int:
        request = urllib.request.Request(blobs.url("data", "open"), headers=headers)
        try:
            with urllib.request.urlopen(request) as response:
                code: int = response.status
                return code
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert status(Authorization="Bearer good") == 200
    assert status(Authorization="Bearer bad") == 401
    assert status() == 401


@pytest.mark.parametrize("name", ["../../outside", "a/../../outside", "a//b", "./a"])
def test_name_that_would_leave_the_container_is_refused(blobs: BlobStore, name: str, tmp_path: Path) -> None:
    import http.client
    from urllib.parse import quote, urlsplit

    address = urlsplit(blobs.sas_url("data"))
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    try:
        # Sent as it is: the clients would tidy the path up.
        path = f"{address.path}/{quote(name).replace('.', '%2E')}?{address.query}"
        connection.request("PUT", path, b"x", {"x-ms-blob-type": "BlockBlob"})
        response = connection.getresponse()
        assert (response.status, response.headers["x-ms-error-code"]) == (400, "InvalidResourceName")
    finally:
        connection.close()
    assert not list(tmp_path.rglob("outside"))


def test_quota_refuses_and_leaves_nothing_half_written(serve: Callable[..., BlobStore]) -> None:
    blobs = serve(10_000)
    blobs.create_container("data")
    with container(blobs, max_single_put_size=2_000, max_block_size=2_000) as client:
        client.upload_blob("fits", b"x" * 6_000)
        client.upload_blob("in-one", b"y" * 1_999)
        with pytest.raises(HttpResponseError, match="StorageAccountCapacityExceeded"):
            client.upload_blob("too-much", b"y" * 5_000)
        assert [blob.name for blob in client.list_blobs()] == ["fits", "in-one"]
        client.upload_blob("fits", b"z" * 100, overwrite=True)
        assert client.download_blob("fits").readall() == b"z" * 100
    assert not blobs.path("data", "too-much").exists()


def test_metadata_survives_a_restart_and_staged_blocks_do_not(serve: Callable[..., BlobStore]) -> None:
    blobs = serve()
    blobs.create_container("data")
    with container(blobs) as client, client.get_blob_client("kept") as blob:
        blob.upload_blob(b"content", metadata={"upload_status": "completed"})
        client.get_blob_client("half").stage_block("01", b"never committed")
    again = serve()
    with container(again) as client, client.get_blob_client("kept") as blob:
        assert blob.get_blob_properties().metadata == {"upload_status": "completed"}
    assert again.space.used == len(b"content")


def test_metadata_of_a_replaced_content_is_not_shown(blobs: BlobStore) -> None:
    blobs.write("data", "swapped", b"old", metadata={"upload_status": "completed"})
    # What a process that is killed between the two writes leaves behind.
    blobs.path("data", "swapped").write_bytes(b"new and longer")
    assert blobs.require("data", "swapped").metadata == {}


def test_a_deployment_s_collected_events_are_read_from_its_container(blobs: BlobStore) -> None:
    import json

    from modelwatch import Window, run
    from modelwatch.sources.collector import Collection, DeploymentSource

    start = datetime(2026, 2, 1, tzinfo=UTC)
    with container(blobs) as client:
        for hour in range(30):
            moment = start + timedelta(hours=hour, minutes=3)
            for collection, row in (("model_inputs", {"x": float(hour)}), ("model_outputs", {"p": hour % 2})):
                event = {"time": moment.isoformat(), "correlationid": f"c{hour}", "data": [row]}
                name = f"modelDataCollector/e/d/{collection}/{moment:%Y/%m/%d/%H}/instance.jsonl"
                client.upload_blob(name, json.dumps(event) + "\n")
        source = DeploymentSource(Collection(client, "modelDataCollector/e/d"))
        found = run(
            {"monitor": "m", "signals": {"inputs": {"type": "data_drift"}}},
            {"x": [float(i % 24) for i in range(200)], "p": [0, 1] * 100},
            source,
            Window(start, start + timedelta(hours=24)),
        )
    assert {m["feature"]: m["n_production"] for m in found["measurements"]} == {"x": 24, "p": 24}

"""The resource store: identity of ids, order, transactions, and a full disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from azureml_local.errors import AzureError
from azureml_local.store import ResourceStore, resource_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResourceStore]:
    made = ResourceStore(tmp_path / "state.db")
    yield made
    made.close()


def test_ids_compare_without_case_and_keep_the_first_spelling(store: ResourceStore) -> None:
    first = store.put(f"{ROOT}/jobs/One", {"properties": {"a": 1}})
    second = store.put(f"{ROOT.upper()}/JOBS/ONE", {"properties": {"a": 2}})
    assert second.id == first.id
    assert second.etag != first.etag
    assert second.created_at == first.created_at
    found = store.get(f"{ROOT}/jobs/one")
    assert found is not None
    assert found.properties == {"a": 2}
    assert found.body["type"] == "Microsoft.MachineLearningServices/workspaces/jobs"


def test_children_are_direct_and_in_order_of_creation(store: ResourceStore) -> None:
    for name in ("b", "a", "c"):
        store.put(f"{ROOT}/models/{name}", {"properties": {}})
        store.put(f"{ROOT}/models/{name}/versions/1", {"properties": {}})
    store.put(f"{ROOT}/models/b", {"properties": {"again": True}})
    assert [resource.name for resource in store.children(f"{ROOT}/models")] == ["b", "a", "c"]
    assert len(store.of_type("workspaces/models/versions")) == 3


def test_deletion_takes_what_is_below_and_nothing_beside(store: ResourceStore) -> None:
    for path in ("models/m", "models/m/versions/1", "models/m2", "models/m-x/versions/1"):
        store.put(f"{ROOT}/{path}", {"properties": {}})
    assert store.delete(f"{ROOT}/models/m")
    assert not store.delete(f"{ROOT}/models/m")
    assert store.get(f"{ROOT}/models/m/versions/1") is None
    assert store.get(f"{ROOT}/models/m2") is not None
    assert store.get(f"{ROOT}/models/m-x/versions/1") is not None


def test_what_is_missing_is_named_as_arm_does(store: ResourceStore) -> None:
    with pytest.raises(AzureError) as missing:
        store.require(f"{ROOT}/onlineEndpoints/e/deployments/d")
    assert (missing.value.status, missing.value.code) == (404, "ResourceNotFound")
    expected = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/w/e/d"
    assert expected in missing.value.message


def test_a_failed_transaction_leaves_nothing(store: ResourceStore) -> None:
    def fail_halfway() -> None:
        with store.transaction():
            store.put(f"{ROOT}/jobs/half", {"properties": {}})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert store.get(f"{ROOT}/jobs/half") is None
    store.put(f"{ROOT}/jobs/whole", {"properties": {}})
    assert store.get(f"{ROOT}/jobs/whole") is not None


def test_updates_from_many_threads_are_all_counted(store: ResourceStore) -> None:
    store.put(f"{ROOT}/jobs/count", {"properties": {"n": 0}})

    def add() -> None:
        for _ in range(25):
            store.update(
                f"{ROOT}/jobs/count", lambda body: body["properties"].update(n=body["properties"]["n"] + 1)
            )

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.require(f"{ROOT}/jobs/count").properties == {"n": 100}


def test_a_full_disk_is_said_and_loses_nothing(store: ResourceStore) -> None:
    store.put(f"{ROOT}/jobs/kept", {"properties": {"a": "1"}})
    with store.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(AzureError) as full:
        store.put(f"{ROOT}/jobs/big", {"properties": {"a": "x" * 200_000}})
    assert (full.value.status, full.value.code) == (507, "InsufficientStorage")
    assert store.get(f"{ROOT}/jobs/big") is None
    assert store.require(f"{ROOT}/jobs/kept").properties == {"a": "1"}
    store._connection.execute("PRAGMA max_page_count=1000000")
    store.put(f"{ROOT}/jobs/big", {"properties": {"a": "x" * 200_000}})


def test_types_are_read_from_ids() -> None:
    assert (
        resource_type(f"{ROOT}/onlineEndpoints/e/deployments/d") == "workspaces/onlineEndpoints/deployments"
    )

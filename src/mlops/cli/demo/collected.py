"""Reading the data collector's files of an endpoint through the workspace's own datastore."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from mlops.client import visible_errors

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from azure.ai.ml import MLClient

__all__ = ["collected_ids"]

COLLECTIONS: Final = ("model_inputs", "model_outputs")
# The collector's client sends from a queue of its own, so the last rows arrive after their answers.
_WAIT_SECONDS: Final = 20.0


def collected_ids(
    client: MLClient, endpoint: str, *, expected: Collection[str], folder: Path
) -> dict[str, set[str]]:
    """Return the ids of the requests whose data was collected, for each collection.

    Parameters
    ----------
    client
        Client of the workspace.
    endpoint
        The endpoint's name.
    expected
        Ids to wait for, up to 20 seconds.
    folder
        Where the files are downloaded to.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        found = _read(client, endpoint, folder)
        if all(set(expected) <= ids for ids in found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(1.0)


def _read(client: MLClient, endpoint: str, folder: Path) -> dict[str, set[str]]:
    # The SDK downloads a datastore's folder for jobs and models, and offers no public call for just that.
    from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri

    uri = f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{endpoint}/"
    with visible_errors():
        download_artifact_from_aml_uri(uri, str(folder), client.datastores)
    return {
        name: {
            # Each row carries <request id>_<position>; a line may hold the rows of several requests.
            str(row["correlationid"]).rpartition("_")[0]
            for file in folder.rglob(f"*/{name}/**/*.jsonl")
            for line in file.read_text(encoding="utf-8").splitlines()
            for row in json.loads(line)["data"]
        }
        for name in COLLECTIONS
    }

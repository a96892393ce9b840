"""Reading the data collector's files of an endpoint through the workspace's own datastore."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from mlops.client import visible_errors
from mlops.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from azure.ai.ml import MLClient

__all__ = ["COLLECTIONS", "Collected"]

COLLECTIONS: Final = ("model_inputs", "model_outputs")
_ID: Final = "correlationid"
# The collector's client sends from a queue of its own, so the last rows arrive after their answers.
_WAIT_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.1


@dataclass
class Collected:
    """What the collector wrote for one endpoint, read as it grows.

    Parameters
    ----------
    client
        Client of the workspace.
    endpoint
        The endpoint's name.
    folder
        Where the files are downloaded to.
    """

    client: MLClient
    endpoint: str
    folder: Path
    # Rows by collection and deployment, then by correlation id; a repeated id keeps its first row.
    _rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    _read: dict[Path, int] = field(default_factory=dict)

    def wait_for(self, answers: Mapping[str, str]) -> pd.DataFrame:
        """Return the rows of answers, inputs beside outputs, once all of them were written.

        Parameters
        ----------
        answers
            The deployment that gave each answer, by correlation id: a mirrored request leaves rows of the
            same id with a deployment that nobody heard.

        Raises
        ------
        DeploymentError
            Some are still missing after 20 seconds.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while missing := list(self._missing(answers.items())):
            if time.monotonic() > deadline:
                raise DeploymentError(
                    "Answers are missing among the collected data.",
                    where=f"modelDataCollector/{self.endpoint}",
                    got=f"{len(missing)} of {len(answers)} missing, such as {missing[0]}",
                    expected="the inputs and outputs of every row that was answered",
                )
            self._download()
            if any(self._missing(answers.items())):
                time.sleep(_PAUSE_SECONDS)
        inputs, outputs = COLLECTIONS
        return pd.DataFrame(
            {**self._rows[outputs, deployment][identifier], **self._rows[inputs, deployment][identifier]}
            for identifier, deployment in answers.items()
        )

    def requests(self) -> dict[str, int]:
        """Return how many requests left rows in each collection; mirrored ones are among them."""
        found: dict[str, set[tuple[str, str]]] = {name: set() for name in COLLECTIONS}
        for (name, deployment), rows in self._rows.items():
            # Each row carries <request id>_<position>; a line may hold the rows of several requests.
            found[name] |= {(deployment, identifier.rpartition("_")[0]) for identifier in rows}
        return {name: len(ids) for name, ids in found.items()}

    def _missing(self, answers: Iterable[tuple[str, str]]) -> Iterator[str]:
        for identifier, deployment in answers:
            if any(identifier not in self._rows[name, deployment] for name in COLLECTIONS):
                yield identifier

    def _download(self) -> None:
        # The SDK downloads a datastore's folder for jobs and models, and has no public call for just that.
        from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri

        uri = f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{self.endpoint}/"
        with visible_errors():
            download_artifact_from_aml_uri(uri, str(self.folder), self.client.datastores)
        for name in COLLECTIONS:
            for file in sorted(self.folder.glob(f"*/{name}/**/*.jsonl")):
                deployment = file.relative_to(self.folder).parts[0]
                for line in self._new_lines(file):
                    for row in json.loads(line)["data"]:
                        self._rows[name, deployment].setdefault(str(row[_ID]), row)

    def _new_lines(self, file: Path) -> Iterator[bytes]:
        """Yield the whole lines that were added to a file since it was last read: it only ever grows."""
        start = self._read.get(file, 0)
        with file.open("rb") as stream:
            stream.seek(start)
            content = stream.read()
        whole = content.rfind(b"\n") + 1
        self._read[file] = start + whole
        yield from content[:whole].splitlines()

"""A full disk: said clearly, nothing lost, and the same command goes on when there is room again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.constants import _common

from azureml_local.testing import RunningServer
from mlops.cli.application import run
from mlops.cli.local import instance_config
from mlops.client import Home
from mlops.settings import load


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    # What the client factory sets for its process is taken back with the test.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv(_common.AZUREML_CLOUD_ENV_NAME, "")
    monkeypatch.delenv(_common.AZUREML_CLOUD_ENV_NAME)
    monkeypatch.setitem(_common.STORAGE_ACCOUNT_URLS, "AzureBlob", "")


def submit(tmp_path: Path, quota: int | None) -> int:
    config = replace(instance_config(load("local"), Home(tmp_path)), blob_quota_bytes=quota)
    with RunningServer(config) as server:
        connection: dict[str, Any] = {"version": 1, **server.server.connection()}
        (config.home / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
        return run(["pipeline", "submit", "--json"])


def test_a_full_disk_is_explained_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(tmp_path, quota=1000) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "StorageAccountCapacityExceeded" in error
    assert "free space on the disk" in error
    left = [path for path in (tmp_path / "local" / "blobs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in left) <= 1000

    assert submit(tmp_path, quota=None) == 0
    assert json.loads(capsys.readouterr().out)["data"].startswith("classical-training:")

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from azureml_local.config import Runtime
from azureml_local.endpoints.deployment import Deployment
from azureml_local.endpoints.inference_server import server_environment
from azureml_local.endpoints.log_file import bound, tail
from azureml_local.endpoints.storage_initializer import Mounts

if TYPE_CHECKING:
    import pytest

ID = "/subscriptions/s/resourceGroups/r/providers/p/workspaces/w/onlineEndpoints/price/deployments/blue"
RUNTIME = Runtime("serving", Path("/venv/bin/python"))


def environment(
    variables: dict[str, str], *, model_dir: Path | None = Path("/app/models/m/1")
) -> dict[str, str]:
    deployment = Deployment(ID, "price", "blue", "e", "c", "score.py", "m", variables)
    mounts = Mounts(Path("/app/code"), "score.py", model_dir)
    return server_environment(deployment, mounts, RUNTIME, home=Path("/home"), instance_id="i-1")


def test_the_environment_is_azures_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    variables = environment({})
    assert "AZURE_CLIENT_SECRET" not in variables
    assert variables["AZUREML_MODEL_DIR"] == "/app/models/m/1"
    assert variables["AML_APP_ROOT"] == "/app/code"
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert variables["PATH"].split(":")[0] == "/venv/bin"
    assert variables["WORKSPACE_NAME"] == "w"
    assert not any(name.startswith("AZUREML_MDC") for name in variables)
    assert "AZUREML_MODEL_DIR" not in environment({}, model_dir=None)


def test_the_deployments_variables_win_but_for_the_services_own() -> None:
    variables = environment({"WORKER_COUNT": "3", "LANG": "de_DE.UTF-8", "AZUREML_MODEL_DIR": "/elsewhere"})
    assert variables["WORKER_COUNT"] == "3"
    assert variables["LANG"] == "de_DE.UTF-8"
    assert variables["AZUREML_MODEL_DIR"] == "/app/models/m/1"


def test_tail_returns_whole_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log, 5) == ""
    log.write_bytes(b"1\n2\n\xff3\n")
    assert tail(log, 2) == "2\n\N{REPLACEMENT CHARACTER}3\n"
    assert tail(log, 0) == ""


def test_a_log_is_cut_when_it_is_too_long_and_the_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    bound(log)
    with log.open("ab", buffering=0) as writer:
        line = b"x" * 1023 + b"\n"
        writer.write(line * 1024 * 31)
        bound(log)
        assert log.stat().st_size == 31 * 1024 * 1024
        writer.write(line * 1024 * 2)
        bound(log)
        writer.write(b"after\n")
    content = log.read_bytes()
    assert len(content) < 5 * 1024 * 1024
    assert content.startswith(line)
    assert content.endswith(b"x\nafter\n")

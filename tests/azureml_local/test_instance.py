"""Instances as processes: up, status, down, reset, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azureml_local.config import Compute, ConfigError, InstanceConfig, Runtime
from azureml_local.instance import AlreadyRunningError, Instance, InstanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENVIRONMENT_ONLY = """
import sys
from azure.ai.ml import MLClient
from azure.identity import ClientSecretCredential
base, tenant, client, secret, subscription, group, workspace = sys.argv[1:]
credential = ClientSecretCredential(tenant, client, secret, authority=base, disable_instance_discovery=True)
ml = MLClient(credential, subscription, group, workspace, enable_telemetry=False)
print(ml.workspaces.get(workspace).name, sorted(store.name for store in ml.datastores.list()))
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "home")
    yield made
    made.down()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or ") Z " not in state.read_text(encoding="utf-8")


@pytest.mark.e2e
def test_up_status_down(instance: Instance) -> None:
    assert not instance.status().running
    status = instance.up(InstanceConfig(home=instance.home))
    assert status.ready
    assert status.pid is not None
    connection = instance.connection()
    assert connection is not None
    assert connection["version"] == 1
    assert connection["base_url"] == status.base_url
    for name in ("connection.json", "secrets.json", "config.json", "ca-key.pem"):
        assert stat.S_IMODE((instance.home / name).stat().st_mode) == 0o600, name
    with pytest.raises(AlreadyRunningError, match=str(status.pid)):
        instance.up(InstanceConfig(home=instance.home))
    assert instance.down()
    assert not _is_alive(status.pid)
    assert instance.connection() is None
    assert not instance.down()


@pytest.mark.e2e
def test_a_restart_keeps_address_authority_and_secrets(instance: Instance) -> None:
    config = InstanceConfig(home=instance.home)
    instance.up(config)
    before, authority = instance.connection(), (instance.home / "ca.pem").read_bytes()
    instance.down()
    instance.up(config)
    after = instance.connection()
    assert before is not None
    assert after is not None
    assert {**before, "pid": 0} == {**after, "pid": 0}
    assert (instance.home / "ca.pem").read_bytes() == authority


@pytest.mark.e2e
def test_a_killed_instance_starts_again(instance: Instance) -> None:
    status = instance.up(InstanceConfig(home=instance.home))
    assert status.pid is not None
    os.kill(status.pid, signal.SIGKILL)
    _until(lambda: not instance.status().running)
    again = instance.up(InstanceConfig(home=instance.home))
    assert again.ready
    assert again.base_url == status.base_url


@pytest.mark.e2e
def test_a_job_survives_the_death_of_its_control_plane(
    instance: Instance, connect: Callable[..., Any]
) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    config = InstanceConfig(
        home=instance.home, runtimes={"training": Runtime("training", Path(sys.executable))}
    )
    status = instance.up(config)
    assert status.pid is not None
    client = connect(
        instance.connection(),
        config.subscription_id,
        resource_group_name=config.resource_group,
        workspace_name=config.workspace,
    )
    client.environments.create_or_update(Environment(name="training", version="1", image="python:3.11"))
    marker = instance.home / "marker"
    # The first run waits to be killed; the second one finds the marker and ends.
    script = f"test -e {marker} && echo again && exit 0; touch {marker}; sleep 300"
    job = command(name="unlucky", command=script, environment="training@latest", compute="cpu-cluster")
    client.jobs.create_or_update(job)
    _until(marker.exists)
    os.kill(status.pid, signal.SIGKILL)
    _until(lambda: not instance.status().running)
    assert instance.up(config).base_url == status.base_url
    _until(lambda: client.jobs.get("unlucky").status == "Completed")


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.e2e
def test_a_taken_port_is_said_clearly(instance: Instance) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(InstanceError, match=f"port {port} of 127.0.0.1 is taken by another process"):
            instance.up(InstanceConfig(home=instance.home, port=port))
    assert not instance.status().running


def _names_by_environment_alone(connection: dict[str, Any], config: InstanceConfig) -> str:
    base = connection["base_url"]
    environment = os.environ | {
        "ARM_CLOUD_METADATA_URL": f"{base}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{base}/",
        "REQUESTS_CA_BUNDLE": connection["ca_bundle"],
    }
    environment.pop("AZUREML_CURRENT_CLOUD", None)
    identity = [connection[name] for name in ("base_url", "tenant_id", "client_id", "client_secret")]
    scope = [config.subscription_id, config.resource_group, config.workspace]
    ran = subprocess.run(
        [sys.executable, "-c", _ENVIRONMENT_ONLY, *identity, *scope],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.e2e
def test_two_instances_live_side_by_side_and_sdk_needs_environment_alone(tmp_path: Path) -> None:
    instances = [Instance(tmp_path / name) for name in ("one", "two")]
    try:
        configs = [InstanceConfig(home=each.home, workspace=f"ws-{each.home.name}") for each in instances]
        for each, config in zip(instances, configs, strict=True):
            each.up(config)
        connections = [each.connection() or {} for each in instances]
        for field in ("base_url", "account", "client_secret"):
            assert connections[0][field] != connections[1][field]
        instances[0].down()
        assert instances[1].status().ready
        assert _names_by_environment_alone(connections[1], configs[1]) == (
            "ws-two ['workspaceartifactstore', 'workspaceblobstore']"
        )
    finally:
        for each in instances:
            each.reset()
    assert not any(each.home.exists() for each in instances)


@pytest.mark.e2e
def test_the_foreground_server_ends_with_its_parent(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"workspace": "ws-child"}), encoding="utf-8")
    command = [sys.executable, "-m", "azureml_local", "serve", "--home", str(home), "--config", str(config)]
    server = subprocess.Popen([*command, "--exit-with-parent"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    _until((home / "connection.json").exists)
    assert Instance(home).status().ready
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "an instance already runs" in second.stderr
    server.communicate(timeout=20)
    assert server.returncode == 0
    assert not Instance(home).status().running


def test_a_stale_connection_file_is_no_instance(tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text(
        '{"pid": 1, "base_url": "https://127.0.0.1:1"}', encoding="utf-8"
    )
    (tmp_path / "lock").write_text("1\n", encoding="utf-8")
    instance = Instance(tmp_path)
    assert not instance.status().running
    assert not instance.down()
    assert instance.connection() is None


def test_reset_spares_a_folder_that_is_no_instance(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(InstanceError, match="nothing was deleted"):
        Instance(tmp_path).reset()
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"prot": 1}', "unknown keys prot"),
        ('{"port": 70000}', "expected 0"),
        ('{"account": "Bad-Name"}', "3 to 24 lower-case"),
        ('{"job_slots": 0}', "at least 1"),
        ('{"computes": {"c": {"nodes": 1}}}', "computes or runtimes"),
    ],
)
def test_a_bad_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        InstanceConfig.from_json(text, home=tmp_path)


def test_a_configuration_survives_being_written(tmp_path: Path) -> None:
    config = InstanceConfig(
        home=tmp_path,
        computes={"gpu": Compute(size="Standard_NC6", max_instances=2)},
        runtimes={"training": Runtime("training", tmp_path / "python", tmp_path / "lock.txt")},
        blob_quota_bytes=10,
        faults=({"kind": "latency"},),
    )
    assert InstanceConfig.from_json(config.to_json(), home=tmp_path) == config

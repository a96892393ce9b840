"""The pinned environments: their names, and what can be checked of their images without an engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from mlops.errors import PipelineError
from mlops.settings import ENVIRONMENTS, ROOT, load
from pipelines import environments

NAMES = ("training", "serving")


def dockerfile(name: str) -> str:
    return (ROOT / "pipelines" / "environments" / name / "Dockerfile").read_text()


def instructions(name: str) -> list[tuple[str, str]]:
    """Return each instruction with its arguments, continuation lines joined, comments left out."""
    lines = [line for line in dockerfile(name).splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(kind, rest) for kind, _, rest in (line.partition(" ") for line in joined.splitlines())]


@pytest.mark.parametrize("name", NAMES)
def test_the_version_is_the_digest_of_the_lock(name: str) -> None:
    lock = ROOT / "environments" / "locks" / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    build = {"training": environments.training_environment, "serving": environments.serving_environment}[name]
    built = build(load("local"))
    assert (built.name, built.version) == (name, digest[:12])
    assert built.tags["lock_sha256"] == digest
    assert built.image.endswith(f"/{name}:{digest[:12]}")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_image_is_in_the_environments_own_registry(environment: str) -> None:
    settings = load(environment)
    image = environments.serving_environment(settings).image
    assert image.partition(".")[0] == settings.names.container_registry


def copied(folder: Path) -> Path:
    for path in ("environments/locks/serving.txt", "pipelines/environments/serving/Dockerfile"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((ROOT / path).read_bytes())
    return folder


def test_a_changed_lock_is_another_version(tmp_path: Path) -> None:
    before = environments.serving_specification(copied(tmp_path)).version
    lock = tmp_path / "environments" / "locks" / "serving.txt"
    lock.write_bytes(lock.read_bytes() + b"\n")
    assert environments.serving_specification(tmp_path).version != before


def test_a_changed_dockerfile_shows_in_the_tags(tmp_path: Path) -> None:
    specification = environments.serving_specification(copied(tmp_path))
    before = specification.tags()
    specification.dockerfile.write_text("FROM scratch\n")
    assert specification.tags()["dockerfile_sha256"] != before["dockerfile_sha256"]


def test_a_missing_lock_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="make lock"):
        environments.training_environment(load("local"), tmp_path)


def test_azure_is_told_where_the_server_answers() -> None:
    routes = environments.serving_environment(load("local")).inference_config
    assert routes == {
        "liveness_route": {"port": 5001, "path": "/"},
        "readiness_route": {"port": 5001, "path": "/"},
        "scoring_route": {"port": 5001, "path": "/score"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_image_installs_its_own_lock_with_hashes(name: str) -> None:
    steps = instructions(name)
    assert ("COPY", f"{name}.txt /opt/environment/{name}.txt") in steps
    (install,) = (rest for kind, rest in steps if kind == "RUN" and "pip install" in rest)
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", f"/opt/environment/{name}.txt"):
        assert option in install
    assert "pip check" in install
    assert sum(kind == "COPY" for kind, _ in steps) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_image_runs_as_a_user_other_than_root(name: str) -> None:
    users = [rest for kind, rest in instructions(name) if kind == "USER"]
    assert users
    assert users[-1].isdecimal()
    assert users[-1] != "0"


@pytest.mark.parametrize("name", NAMES)
def test_the_base_image_is_an_argument_with_a_fixed_short_name(name: str) -> None:
    steps = instructions(name)
    assert ("FROM", "${BASE_IMAGE}") in steps
    (base,) = (rest.partition("=")[2] for kind, rest in steps if kind == "ARG")
    assert re.fullmatch(r"python:3\.11-slim-\w+", base)
    assert "latest" not in dockerfile(name)
    assert "://" not in dockerfile(name)


def test_the_images_interpreter_is_the_one_that_the_tests_run() -> None:
    for folder in (".venv", ".venv-serving"):
        version = (ROOT / folder / "pyvenv.cfg").read_text()
        assert re.search(r"^version(_info)? = 3\.1[1-3]\b", version, re.MULTILINE)


def start_command() -> list[str]:
    (command,) = (rest for kind, rest in instructions("serving") if kind == "CMD")
    parsed: list[str] = json.loads(command)
    return parsed


def test_the_server_starts_on_the_port_that_is_declared() -> None:
    assert f"--port {environments.SERVER_PORT}" in start_command()[-1]
    assert ("EXPOSE", str(environments.SERVER_PORT)) in instructions("serving")


SCRIPT = """
import os

def init():
    print("model directory", os.environ["AZUREML_MODEL_DIR"])

def run(data):
    return {"predictions": [1.0]}
"""


@pytest.mark.e2e
@pytest.mark.parametrize("absolute", [False, True])
def test_the_start_command_brings_the_pinned_server_up(tmp_path: Path, absolute: bool) -> None:
    """The image's own command, with the locked server, but on loopback and at a free port."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    python = ROOT / ".venv-serving" / "bin" / "python"
    # The image's server listens on all interfaces, which a test must not.
    stand_in = tmp_path / "bin" / "azmlinfsrv"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"#!{python}\nfrom azureml_inference_server_http import amlserver\n"
        "amlserver.DEFAULT_HOST = '127.0.0.1'\namlserver.run()\n"
    )
    stand_in.chmod(0o755)
    shell, flag, line = start_command()
    environment = {
        "PATH": f"{stand_in.parent}:{os.defpath}",
        "AML_APP_ROOT": str(tmp_path / "code"),
        "AZUREML_ENTRY_SCRIPT": str(tmp_path / "code" / "score.py") if absolute else "score.py",
        "AZUREML_MODEL_DIR": str(tmp_path),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [shell, flag, line.replace(f"--port {environments.SERVER_PORT}", f"--port {port}")],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert ready(f"http://127.0.0.1:{port}/", process), (tmp_path / "log").read_text()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/score", data=b'{"data": 1}', method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response) == {"predictions": [1.0]}
        # `exec` makes the server the process that gets the stop signal.
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.1)
    return False

"""Which images there are, what a registry has of them, and what is built and pushed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlops.cli.application import run
from mlops.cli.delivery.imaging import images_of
from mlops.delivery.container_tools import ContainerRegistry, Docker
from mlops.delivery.images import Image, look, push, to_markdown
from mlops.errors import DeploymentError, PipelineError, SettingsError, UsageError
from mlops.settings import ROOT, load
from pipelines.environments import serving_environment, training_environment

TRAINING, SERVING = IMAGES = images_of(load("dev"), ROOT)
BASE = f"python@sha256:{'0a' * 32}"


class Registry(ContainerRegistry):
    """A registry that is asked in memory."""

    content: dict[str, set[str]]
    done: list[str]

    @classmethod
    def holding(cls, content: dict[str, set[str]]) -> Registry:
        made = cls("cr")
        object.__setattr__(made, "content", content)
        object.__setattr__(made, "done", [])
        return made

    def repositories(self) -> frozenset[str]:
        return frozenset(self.content)

    def tags(self, repository: str) -> frozenset[str]:
        return frozenset(self.content[repository])

    def log_in(self) -> None:
        self.done.append("log in")


class Engine(Docker):
    """A container engine that writes down what it is told; pushes fail after `pushes` of them."""

    registry: Registry
    pushes: int

    @classmethod
    def beside(cls, registry: Registry, pushes: int = 99) -> Engine:
        made = cls(ROOT)
        object.__setattr__(made, "registry", registry)
        object.__setattr__(made, "pushes", pushes)
        return made

    def build(self, image: Image) -> None:
        self.registry.done.append(f"build {image.name}")

    def push(self, reference: str) -> None:
        if sum(one.startswith("push") for one in self.registry.done) == self.pushes:
            raise DeploymentError("docker push failed.")
        repository, tag = reference.rpartition("/")[2].split(":")
        self.registry.content.setdefault(repository, set()).add(tag)
        self.registry.done.append(f"push {repository}:{tag}")


def test_images_are_those_that_jobs_and_deployments_name() -> None:
    settings = load("dev")
    assets = (training_environment(settings), serving_environment(settings))
    assert [image.reference for image in IMAGES] == [asset.image for asset in assets]
    for image in IMAGES:
        lock = ROOT / image.context / f"{image.name}.txt"
        assert image.lock_sha256 == hashlib.sha256(lock.read_bytes()).hexdigest()
        assert image.dockerfile_sha256 == hashlib.sha256((ROOT / image.dockerfile).read_bytes()).hexdigest()
        assert image.tag == image.lock_sha256[:12]


def test_what_an_image_is_built_upon_is_in_its_second_tag_alone() -> None:
    settings = load("dev")
    images = settings.images.model_copy(update={"base": BASE})
    (other, _) = images_of(settings.model_copy(update={"images": images}), ROOT)
    assert other.tag == TRAINING.tag
    assert other.definition_tag != TRAINING.definition_tag
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{12}", other.definition_tag)


def test_a_missing_lock_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="make lock"):
        images_of(load("dev"), tmp_path)


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ({}, "missing"),
        ({"training": {"e"}}, "missing"),
        ({"training": {TRAINING.definition_tag}}, "missing"),
        ({"training": {TRAINING.tag, TRAINING.definition_tag}}, "there"),
        ({"training": {TRAINING.tag}}, "there, from another definition"),
    ],
    ids=["empty-registry", "another-lock", "push-cut-off", "there", "another-dockerfile"],
)
def test_state_of_an_image_is_read_off_the_tags(content: dict[str, set[str]], state: str) -> None:
    assert look([TRAINING], Registry.holding(content)) == {"training": state}


def test_only_what_is_missing_is_built_and_the_locks_tag_is_pushed_last() -> None:
    registry = Registry.holding({"serving": {SERVING.tag}})
    assert push(IMAGES, registry, Engine.beside(registry)) == ("training",)
    assert registry.done == [
        "log in",
        "build training",
        f"push training:{TRAINING.definition_tag}",
        f"push training:{TRAINING.tag}",
    ]
    registry.done.clear()
    assert push(IMAGES, registry, Engine.beside(registry)) == ()
    assert registry.done == []


@pytest.mark.parametrize("pushes", range(4))
def test_a_push_that_is_cut_off_is_finished_by_the_next(pushes: int) -> None:
    registry = Registry.holding({})
    with pytest.raises(DeploymentError):
        push(IMAGES, registry, Engine.beside(registry, pushes))
    finished = [image.name for image in IMAGES if image.tag in registry.content.get(image.name, ())]
    pushed = push(IMAGES, registry, Engine.beside(registry))
    assert [*finished, *pushed] == ["training", "serving"]
    assert set(look(IMAGES, registry).values()) == {"there"}


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo 'ERROR: DENIED: the client 10.0.0.4 is refused' >&2; exit 1",
            "the client 10.0.0.4 is refused",
        ),
        ("exit 7", "exit code 7"),
        ("echo '{}'", "a JSON list"),
        ("echo nonsense", "nonsense"),
    ],
    ids=["refused", "silent", "no-list", "no-json"],
)
def test_a_registry_that_does_not_say_is_not_an_empty_one(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, "az", script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DeploymentError) as refused:
        look(IMAGES, ContainerRegistry("crmlopsdev"))
    assert words in str(refused.value)
    assert "crmlopsdev" in str(refused.value)


def test_docker_is_told_everything_by_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "docker", f'printf "%s\\n" "$@" >> {tmp_path}/said; exit 3')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker = Docker(ROOT)
    with pytest.raises(DeploymentError, match="docker build failed"):
        docker.build(TRAINING)
    said = (tmp_path / "said").read_text().splitlines()
    assert "--build-arg" not in said
    assert said[-1] == str(ROOT / "environments/locks")
    for words in (
        ["--platform", "linux/amd64"],
        ["--file", str(ROOT / "pipelines/environments/training/Dockerfile")],
        ["--label", f"lock_sha256={TRAINING.lock_sha256}"],
        ["--label", f"dockerfile_sha256={TRAINING.dockerfile_sha256}"],
        ["--tag", TRAINING.reference],
        ["--tag", TRAINING.definition_reference],
    ):
        assert any(said[i : i + 2] == words for i in range(len(said)))


def test_a_runner_without_docker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="docker is not installed"):
        Docker(ROOT).push("a/b:c")


def test_page_warns_of_what_was_not_rebuilt() -> None:
    text = to_markdown("dev", [TRAINING], {"training": "there, from another definition"})
    assert TRAINING.reference in text
    assert "[!WARNING]" in text
    assert "[!WARNING]" not in to_markdown("dev", [TRAINING], {"training": "there"})


def test_command_asks_nobody_and_writes_the_steps_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert run(["ci", "images", "--env", "prod", "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["images"]] == ["training", "serving"]
    outputs = (tmp_path / "GITHUB_OUTPUT").read_text()
    assert json.loads(outputs.removeprefix("images=")) == document["images"]
    assert document["images"][0]["reference"] in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


@pytest.mark.parametrize("arguments", [["images", "--missing"], ["push-images"]], ids=lambda one: one[0])
def test_this_machine_has_no_images(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ci", *arguments, "--env", "local"]) == 2
    assert "its virtual environments" in capsys.readouterr().err


@pytest.mark.parametrize("base", ["python:3.11-slim-bookworm", "python@sha256:0a", f"{BASE} --privileged"])
def test_a_base_is_a_digest_or_nothing(base: str, tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    for name in ("project", "base", "dev"):
        text = (ROOT / f"environments/{name}.yaml").read_text()
        (tmp_path / f"environments/{name}.yaml").write_text(text)
    file = tmp_path / "environments/dev.yaml"
    file.write_text(f"{file.read_text()}\nimages:\n  base: {BASE}\n")
    assert load("dev", tmp_path).images.base == BASE
    file.write_text(file.read_text().replace(BASE, f'"{base}"'))
    with pytest.raises(SettingsError, match=r"images\.base"):
        load("dev", tmp_path)

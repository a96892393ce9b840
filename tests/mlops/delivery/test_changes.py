"""Which files touch what."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops.cli.application import run
from mlops.delivery.changes import ORDER, changed_files, touched
from mlops.errors import UsageError

WORKLOADS = ("dev", "staging", "prod")


@pytest.mark.parametrize(
    ("path", "stacks"),
    [
        ("environments/dev.yaml", ("dev",)),
        ("environments/staging.yaml", ("staging",)),
        ("environments/prod.yaml", ("prod",)),
        ("environments/local.yaml", ()),
        ("environments/base.yaml", ORDER),
        ("environments/project.yaml", ORDER),
        ("environments/access.yaml", ORDER),
        ("environments/pulumi/Pulumi.prod.yaml", ("prod",)),
        ("environments/locks/development.txt", ORDER),
        ("environments/locks/serving.txt", ()),
        ("environments/releases/prod/classical.yaml", ()),
        ("environments/README.md", ()),
        ("infra/bootstrap/program.py", ("bootstrap",)),
        ("infra/platform/program.py", ("shared", *WORKLOADS)),
        ("infra/workload/scope.py", WORKLOADS),
        ("infra/mlops_infra/roles.py", ORDER),
        ("infra/policy/network.py", ORDER),
        ("infra/README.md", ()),
        ("src/mlops/naming.py", ORDER),
        ("src/mlops/settings/model.py", ORDER),
        ("src/mlops/registry.py", ()),
        ("src/modelwatch/drift.py", ()),
    ],
)
def test_a_file_touches_stacks(path: str, stacks: tuple[str, ...]) -> None:
    assert touched([path], []).stacks == stacks


def test_every_file_of_infra_and_its_settings_is_judged() -> None:
    root = Path(__file__).resolve().parents[3]
    files = [path for path in (root / "infra").rglob("*") if path.suffix in {".py", ".yaml"}]
    untouched = [path for path in files if not touched([path.relative_to(root).as_posix()], []).stacks]
    assert untouched == []


@pytest.mark.parametrize(
    ("path", "usecases", "rules"),
    [
        ("src/usecases/classical/model.py", ("classical",), False),
        ("pipelines/cv/usecase.yaml", ("cv",), False),
        ("pipelines/components/train/main.py", ("classical", "cv"), False),
        ("src/mlops/gate/checks.py", ("classical", "cv"), False),
        ("environments/locks/training.txt", ("classical", "cv"), False),
        ("pipelines/classical/monitor.yaml", (), True),
        ("pipelines/classical/monitor_test.yaml", (), True),
        ("src/modelwatch/alerts/machine.py", (), True),
        ("pipelines/README.md", (), False),
    ],
)
def test_a_file_touches_models_and_rules(path: str, usecases: tuple[str, ...], rules: bool) -> None:
    found = touched([path], ["cv", "classical"])
    assert (found.usecases, found.alert_rules) == (usecases, rules)


@pytest.mark.parametrize(
    ("path", "images"),
    [
        ("environments/locks/training.txt", True),
        ("environments/locks/serving.txt", True),
        ("environments/locks/development.txt", False),
        ("pipelines/environments/serving/Dockerfile", True),
        ("pipelines/environments/README.md", False),
        ("pipelines/classical/usecase.yaml", False),
        ("environments/dev.yaml", False),
    ],
)
def test_a_file_touches_images(path: str, images: bool) -> None:
    assert touched([path], []).images is images


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("environments/locks/training.txt", ["dev", "prod"]),
        ("environments/dev.yaml", ["dev"]),
        ("environments/prod.yaml", ["prod"]),
        ("environments/README.md", []),
    ],
)
def test_images_come_where_they_changed_and_where_a_stack_is_applied(
    file: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mlops.cli.delivery.changing.changed_files", lambda base, root: [file])
    monkeypatch.setattr("infra.diff.diff", lambda *_, **__: SimpleNamespace(changes=()))
    assert run(["ci", "changes", "--base", "main", "--cloud", '["prod", "shared", "dev"]', "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["image_environments"] == expected


def test_without_a_base_everything_counts() -> None:
    found = touched(None, ["classical"])
    assert (found.stacks, found.usecases, found.alert_rules) == (ORDER, ("classical",), True)


def test_files_are_those_since_the_work_branched_off(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.com"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout

    def commit(name: str, message: str) -> None:
        (tmp_path / name).write_text(message)
        git("add", ".")
        git("commit", "--quiet", "-m", message)

    git("init", "--quiet", "--initial-branch", "main")
    commit("a", "first")
    git("checkout", "--quiet", "-b", "work")
    commit("ü b", "mine")
    git("checkout", "--quiet", "main")
    commit("theirs", "theirs")
    git("checkout", "--quiet", "work")
    assert changed_files("main", tmp_path) == ["ü b"]
    git("mv", "a", "c")
    git("commit", "--quiet", "-m", "renamed")
    assert changed_files("main", tmp_path) == ["a", "c", "ü b"]
    assert changed_files("0" * 40, tmp_path) is None
    with pytest.raises(UsageError, match="fetch-depth: 0"):
        changed_files("nowhere", tmp_path)
    with pytest.raises(UsageError):
        changed_files("--output=/tmp/x", tmp_path)

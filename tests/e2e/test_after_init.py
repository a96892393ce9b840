"""A repository that is somebody's own: after `mlops init` it still loads, lints and tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.settings import ROOT

pytestmark = pytest.mark.e2e
ANSWERS = """
name: churn
owner: team@contoso.com
location: northeurope
subscription: {dev: 11111111-2222-3333-4444-555555555555, staging: 11111111-2222-3333-4444-555555555555,
  prod: 21111111-2222-3333-4444-555555555555}
"""
# What speaks of the project, its owner, its region and its ids most.
TESTS = (
    "tests/mlops/settings",
    "tests/infra/settings/test_names.py",
    "tests/mlops/cli/test_application.py::test_settings_show_prints_values_and_origins",
)
MLOPS = "from mlops.cli import main; main()"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the working tree after `mlops init`, and a way to run Python in it."""
    root = tmp_path_factory.mktemp("own") / "churn"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    for folder in (".venv", ".venv-serving"):
        (root / folder).symlink_to(ROOT / folder)
    # The copy's own packages come before those that the virtual environment was made for.
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "MLOPS_HOME": str(root / ".mlops")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    (root.parent / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    initialised = run("-c", MLOPS, "init", "--from", str(root.parent / "answers.yaml"),
                      "--tenant", "72f988bf-86f1-41af-91ab-2d7cd011db47")  # fmt: skip
    assert initialised.returncode == 0, initialised.stderr
    return run


def test_its_names_are_its_own(own: Run) -> None:
    shown = own("-c", "from mlops.settings import ROOT, load; print(ROOT, load('prod').names.workspace)")
    folder, workspace = shown.stdout.split()
    assert Path(folder).name == "churn"
    assert workspace == "mlw-churn-prod"


def test_it_lints(own: Run) -> None:
    for command in (("-m", "yamllint", "--strict", "environments"), ("-c", MLOPS, "pipeline", "validate")):
        finished = own(*command)
        assert finished.returncode == 0, finished.stdout + finished.stderr


def test_its_tests_pass(own: Run) -> None:
    finished = own("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert finished.returncode == 0, finished.stdout
    assert " passed" in finished.stdout

"""An environment runs only on the interpreter that holds what its lock pins."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azureml_local.config import Runtime
from azureml_local.errors import AzureError
from azureml_local.jobs.runtimes import Runtimes, pins

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.azureml_local.jobs.conftest import Bench

PYTEST = importlib.metadata.version("pytest")


def runtime(folder: Path, *lines: str, python: Path = Path(sys.executable)) -> Runtime:
    lock = folder / "image.txt"
    lock.write_text("".join(f"{line} \\\n    --hash=sha256:00\n" for line in lines))
    return Runtime("image", python, lock)


def test_interpreter_with_the_locks_pins_is_used(tmp_path: Path) -> None:
    known = runtime(tmp_path, f"pytest=={PYTEST}", "never-there==1.0 ; sys_platform == 'win32'")
    assert Runtimes({"image": known}).require("image", known.digest() or "") is known


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pytest==0.1", rf"pytest 0\.1 \(installed: {PYTEST}\)"),
        ("never-there==1.0", r"never-there 1\.0 \(installed: no\)"),
    ],
)
def test_interpreter_that_differs_from_its_lock_is_refused(tmp_path: Path, line: str, message: str) -> None:
    known = runtime(tmp_path, line)
    with pytest.raises(AzureError, match=message):
        Runtimes({"image": known}).require("image", known.digest() or "")


def test_check_is_made_once(tmp_path: Path) -> None:
    """A second node must not pay for it: the interpreter is a script that notes each start."""
    note, python = tmp_path / "starts", tmp_path / "python"
    python.write_text(f'#!/bin/bash\necho start >> {note}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    known = runtime(tmp_path, f"pytest=={PYTEST}", python=python)
    runtimes = Runtimes({"image": known})
    for _ in range(3):
        runtimes.require("image", known.digest() or "")
    assert note.read_text() == "start\n"


def test_job_in_another_version_of_the_environment_fails_and_says_which(
    new_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    known = runtime(tmp_path, f"pytest=={PYTEST}")
    bench = new_bench(runtimes={"training": known})
    job = bench.run(bench.command("true"), status="Failed")
    assert job["error"]["code"] == "ImageBuildFailure"
    assert f"locked as '{known.digest()}'" in job["error"]["message"]


def test_environment_without_a_runtime_names_the_known_ones(
    new_bench: Callable[..., Bench],
) -> None:
    bench = new_bench(runtimes={"serving": Runtime("serving", Path(sys.executable))})
    job = bench.run(bench.command("true"), status="Failed")
    assert "'training'" in job["error"]["message"]
    assert "known are serving" in job["error"]["message"]


def test_interpreter_that_is_gone_is_named() -> None:
    with pytest.raises(AzureError, match="/nowhere/python, does not exist"):
        Runtimes({"image": Runtime("image", Path("/nowhere/python"))}).require("image", "1")


def test_pins_follow_their_markers(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "# comment\nNum_Py==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "num-py==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:00\nplain==1.0\n"
    )
    assert pins(lock, {"python_full_version": "3.11.7"}) == {"num-py": "2.4.6", "plain": "1.0"}
    assert pins(lock, {"python_full_version": "3.12.0"}) == {"num-py": "2.5.5", "plain": "1.0"}

"""The command that makes the base's model the champion, with a base whose own code answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mlops.cli.application import run

BASE = """
import json, os, sys
def main():
    with open(os.environ["MLOPS_HOME"] + "/calls", "a") as stream:
        stream.write(" ".join(sys.argv[1:]) + "\\n")
    verb = sys.argv[1]
    answers = {"train": {"job": "j"}, "register": {"version": "3"}, "deploy": {"model": {"version": "3"}}}
    print(json.dumps(answers[verb]))
    sys.exit({EXITS}.get(verb, 0))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "repository"))
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    return tmp_path


def base(folder: Path, exits: dict[str, int]) -> None:
    package = folder / "repository" / "src" / "mlops"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(BASE.replace("{EXITS}", json.dumps(exits)))
    usecase = folder / "repository" / "pipelines" / "classical"
    usecase.mkdir(parents=True)
    (usecase / "usecase.yaml").write_text("name: classical\n")
    git = ["git", "-C", str(folder / "repository"), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "base"]):
        subprocess.run([*git, *arguments], check=True)


def test_the_base_makes_its_model_with_its_own_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base(home, {})
    assert run(["ci", "champion", "--base", "HEAD", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["champion"] == {"version": "3"}
    assert (home / "calls").read_text().splitlines() == [
        "train --usecase classical --json",
        "register --usecase classical --job j --json",
        "deploy --usecase classical --json",
    ]


def test_a_use_case_that_the_base_does_not_have_has_no_champion(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base(home, {})
    assert run(["ci", "champion", "--base", "HEAD", "--usecase", "new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["champion"] is None
    assert not (home / "calls").exists()


@pytest.mark.parametrize(
    ("exits", "code", "words"),
    [
        ({"train": 1}, 0, "there is no champion"),
        ({"train": 2}, 2, "mlops train of the base failed"),
        ({"deploy": 1}, 2, "does not get into service"),
    ],
    ids=["refused", "broken", "rolled-back"],
)
def test_a_base_without_a_model_is_told_from_a_broken_one(
    home: Path, capsys: pytest.CaptureFixture[str], exits: dict[str, int], code: int, words: str
) -> None:
    base(home, exits)
    assert run(["ci", "champion", "--base", "HEAD"]) == code
    said = capsys.readouterr()
    assert words in " ".join((said.out + said.err).split())


def test_a_base_that_is_not_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base(home, {})
    assert run(["ci", "champion", "--base", "nowhere"]) == 2
    assert "git fetch origin nowhere" in capsys.readouterr().err

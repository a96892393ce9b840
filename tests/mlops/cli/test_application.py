"""The command line's promises: exit codes, errors a person can act on, JSON on request."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mlops.cli.application import application, run
from mlops.client import Home, connect
from mlops.errors import SettingsError
from mlops.settings import ENVIRONMENTS, load


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))


def every_command() -> dict[str, tuple[list[str], bool]]:
    """Return each command's words, and whether it is a group of others."""

    def walk(command: object, path: list[str]) -> list[tuple[list[str], bool]]:
        children = getattr(command, "commands", {})
        below = [found for name, child in children.items() for found in walk(child, [*path, name])]
        return [(path, bool(children)), *below]

    return {" ".join(path): (path, group) for path, group in walk(typer.main.get_command(application()), [])}


@pytest.mark.parametrize(("path", "is_group"), every_command().values(), ids=list(every_command()))
def test_every_command_has_help(path: list[str], is_group: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: mlops" in text
    assert is_group or "Example:" in text
    assert is_group or "--json" in text


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_settings_show_prints_values_and_origins(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["settings", "show", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["environment"]["name"] == name
    assert shown["sources"]["project.name"] == "environments/project.yaml:3"
    assert shown["names"]["workspace"] == load(name).names.workspace
    assert run(["settings", "show", name]) == 0
    assert "environments/base.yaml:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["settings", "show", "stagin"], ["no environment 'stagin'", "write 'staging'"]),
        (["local", "reset"], ["deletes every job", "mlops local reset --yes"]),
        (["local", "env"], ["not running", "mlops local up"]),
        (["train"], ["not running", "mlops local up"]),
        (["train", "--usecase", "classicl"], ["classicl", "classical"]),
        (["train", "--set", "knots"], ["--set NAME=VALUE", "knots"]),
        (["score", "--data", "rows.csv", "--out", "answers.txt"], ["answers.txt", ".parquet"]),
        (["deploy"], ["not running"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_explained_with_exit_code_2(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    for word in words:
        assert word in " ".join(streams.err.split())


def test_an_environment_without_a_subscription_says_where_to_write_it(tmp_path: Path) -> None:
    settings = load("dev")
    fresh = settings.azure.model_copy(update={"subscription_id": "00000000-0000-0000-0000-000000000000"})
    with pytest.raises(SettingsError, match="mlops init") as caught:
        connect(settings.model_copy(update={"azure": fresh}), Home(tmp_path))
    assert "no subscription" in caught.value.what


def test_an_error_is_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["settings", "show", "stagin", "--json"]) == 2
    error = json.loads(capsys.readouterr().err)
    assert error["error"] == "UsageError"
    assert error["got"] == "stagin"
    assert error["next"] == "write 'staging'"


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--nope"]) == 2
    assert "nope" in capsys.readouterr().err


def test_status_says_down_with_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["local", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_down_of_nothing_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["local", "down"]) == 0
    assert "was not running" in capsys.readouterr().out


def test_reset_refuses_a_folder_that_is_no_instance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "local" / "precious"
    precious.parent.mkdir()
    precious.write_text("keep", encoding="utf-8")
    assert run(["local", "reset", "--yes"]) == 2
    assert precious.read_text(encoding="utf-8") == "keep"
    assert "nothing was deleted" in capsys.readouterr().err


def test_the_installed_command_runs() -> None:
    command = Path(sys.executable).parent / "mlops"
    shown = subprocess.run([command, "settings", "show", "dev"], capture_output=True, text=True, check=True)
    assert load("dev").names.workspace in shown.stdout

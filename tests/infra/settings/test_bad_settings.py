"""Bad settings: each is refused when settings are loaded, with file, line, key, value, rule and remedy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from mlops.errors import SettingsError
from mlops.settings import ROOT
from mlops.settings.together import load_together


@dataclass(frozen=True)
class Bad:
    """One edit of a settings file, the key it is told about, and a word of the rule."""

    name: str
    file: str
    key: str
    rule: str
    edit: dict[str, Any] = field(default_factory=dict)
    replace: dict[str, Any] = field(default_factory=dict)


def _bad_settings() -> list[Bad]:
    rows = yaml.safe_load(Path(__file__).with_name("bad_settings.yaml").read_text("utf-8"))
    return [Bad(**row) for row in rows]


BAD = _bad_settings()


def edited(root: Path, bad: Bad) -> Path:
    """Lay the edit over the file, and return the file."""
    path = root / "environments" / f"{bad.file}.yaml"
    settings = _over(yaml.safe_load(path.read_text("utf-8")), bad.edit) | bad.replace
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


def _over(base: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in edit.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in (ROOT / "environments").glob("*.yaml"):
        (tmp_path / "environments").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "environments")
    return tmp_path


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_each_is_refused_with_file_line_key_value_rule_and_remedy(root: Path, bad: Bad) -> None:
    edited(root, bad)
    with pytest.raises(SettingsError) as caught:
        load_together(root)
    error = caught.value
    assert f"{root}/environments/" in str(error.where)
    assert f"({bad.key})" in str(error.where)
    line = str(error.where).split(":")[1].split(" ")[0]
    assert line.isdigit()
    assert error.got is not None
    assert bad.rule in f"{error.expected} {error.what} {error.next_step}"
    assert error.expected is not None


def test_there_are_thirty_and_the_settings_as_they_are_hold(root: Path) -> None:
    assert len({bad.name for bad in BAD}) >= 30
    assert set(load_together(root)) == {"dev", "staging", "prod"}


def test_a_program_declares_nothing_before_it_refuses(root: Path) -> None:
    from infra.platform.program import build
    from infra.workload.program import build as build_environment

    edited(root, BAD[0])
    declared: list[str] = []

    class Recorder(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            declared.append(args.typ)
            return args.name, {}

        def call(
            self, args: pulumi.runtime.MockCallArgs
        ) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
            return {}, None

    for program, project, stack in (
        (build, "mlops-platform", "shared"),
        (build_environment, "mlops-workload", "dev"),
    ):
        pulumi.runtime.set_mocks(Recorder(), project=project, stack=stack)
        pulumi.runtime.set_all_config({f"{project}:root": str(root)})
        with pytest.raises(SettingsError):
            program()
    assert declared == []


def test_an_exception_lowers_a_control_until_its_date(root: Path) -> None:
    lowered = {
        "protection": {"lock": False},
        "exceptions": [
            {
                "check": "delete-lock",
                "reason": "moving to another subscription",
                "expires": date(2026, 12, 31),
            }
        ],
    }
    edited(root, Bad("", "prod", "", "", edit=lowered))
    assert not load_together(root, today=date(2026, 12, 30))["prod"].environment.protection.lock
    with pytest.raises(SettingsError, match="expired"):
        load_together(root, today=date(2027, 1, 1))

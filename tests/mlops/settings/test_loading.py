"""Settings: files to one checked model, and errors that say where and what to do."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from mlops.errors import SettingsError, UsageError
from mlops.settings import ENVIRONMENTS, ROOT, load, load_settings
from mlops.settings.controls import CONTROLS

TODAY = date(2026, 11, 21)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the repository's settings that a test may spoil."""
    shutil.copytree(ROOT / "environments", tmp_path / "environments", ignore=shutil.ignore_patterns("locks"))
    return tmp_path


def append(root: Path, file: str, text: str) -> None:
    path = root / "environments" / file
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def replace(root: Path, file: str, old: str, new: str) -> None:
    path = root / "environments" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_loads_and_derives_its_names(name: str) -> None:
    environment = load(name)
    assert environment.name == name
    assert environment.names.workspace.endswith(name)


def test_an_overlay_wins_over_base_and_leaves_its_siblings_alone() -> None:
    base, prod = load("dev"), load("prod")
    assert prod.compute["cpu"].max_instances == 4
    assert prod.compute["cpu"].size == base.compute["cpu"].size


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load("local").serving.instance_count = 7


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_overlay_repeats_a_value_of_base(name: str) -> None:
    def leaves(value: object, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
        if isinstance(value, dict):
            return {k: v for key, item in value.items() for k, v in leaves(item, (*at, key)).items()}
        return {at: value}

    folder = ROOT / "environments"
    base = leaves(yaml.safe_load((folder / "base.yaml").read_text(encoding="utf-8")))
    overlay = leaves(yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")))
    assert {key for key, value in overlay.items() if key in base and base[key] == value} == set()


def test_each_value_says_where_it_was_written() -> None:
    sources = {origin.key: origin.source for origin in load_settings("prod").origins()}
    assert sources["serving.rollout.canary_percent"].startswith("environments/prod.yaml:")
    assert sources["serving.auth_mode"].startswith("environments/base.yaml:")
    assert sources["project.name"].startswith("environments/project.yaml:")
    assert sources["training.timeout_minutes"] == "default"
    line = int(sources["serving.auth_mode"].rpartition(":")[2])
    assert "auth_mode" in (ROOT / "environments/base.yaml").read_text(encoding="utf-8").splitlines()[line - 1]


def test_an_unknown_key_names_file_line_and_the_nearest_key(root: Path) -> None:
    append(root, "dev.yaml", "servin:\n  instance_count: 2\n")
    with pytest.raises(SettingsError) as caught:
        load("dev", root)
    assert caught.value.where == f"{root}/environments/dev.yaml:3 (servin)"
    assert caught.value.next_step == "write 'serving' instead of 'servin'"


def test_a_nested_unknown_key_is_found_in_the_overlay_that_wrote_it(root: Path) -> None:
    append(root, "dev.yaml", "serving:\n  rollout:\n    canary_percnt: 2\n")
    with pytest.raises(SettingsError, match="canary_percent") as caught:
        load("dev", root)
    assert "dev.yaml:5" in str(caught.value.where)


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "Mlops"), ("name", "averylongname"), ("owner", "nobody"), ("location", "West Europe")],
)
def test_a_wrong_project_value_is_refused(root: Path, key: str, value: str) -> None:
    replace(root, "project.yaml", f"{key}: {getattr(load('dev').project, key)}", f"{key}: {value}")
    with pytest.raises(SettingsError, match="pattern") as caught:
        load("dev", root)
    assert "project.yaml" in str(caught.value.where)


def test_an_unknown_environment_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="staging"):
        load("stagin")


def test_a_compute_that_is_not_declared_is_refused(root: Path) -> None:
    append(root, "dev.yaml", "training:\n  compute: gpu\n")
    with pytest.raises(SettingsError, match="not one of compute: cpu"):
        load("dev", root)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.check)
def test_prod_cannot_lower_a_control_without_an_exception(root: Path, control: object) -> None:
    lowered = {
        "entra-authentication": ("instance_count: 3", "instance_count: 3\n  auth_mode: key"),
        "private-endpoint": ("public_network_access: disabled", "public_network_access: enabled"),
        "redundant-serving": ("instance_count: 3", "instance_count: 1"),
        "canary-rollout": ("canary_percent: 5", "canary_percent: 100"),
    }
    check = control.check  # type: ignore[attr-defined]
    replace(root, "prod.yaml", *lowered[check])
    with pytest.raises(SettingsError, match=check) as caught:
        load("prod", root, today=TODAY)
    assert "prod.yaml:" in str(caught.value.where)

    append(
        root,
        "prod.yaml",
        f"exceptions:\n  - check: {check}\n    reason: agreed with security until the move is done\n"
        "    expires: 2026-12-31\n",
    )
    assert load("prod", root, today=TODAY).exceptions[0].check == check
    with pytest.raises(SettingsError, match="expired"):
        load("prod", root, today=date(2027, 1, 1))


def test_an_exception_that_is_not_needed_or_not_known_is_refused(root: Path) -> None:
    entry = (
        "  - check: {}\n    reason: agreed with security until the move is done\n    expires: 2027-12-31\n"
    )
    append(root, "prod.yaml", "exceptions:\n" + entry.format("private-endpoint"))
    with pytest.raises(SettingsError, match="not needed"):
        load("prod", root, today=TODAY)
    replace(root, "prod.yaml", "check: private-endpoint", "check: private-endpont")
    with pytest.raises(SettingsError, match="write 'private-endpoint'"):
        load("prod", root, today=TODAY)

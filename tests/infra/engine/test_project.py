"""Reading Pulumi.yaml and a stack's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from infra.engine import EngineError
from infra.engine.project import load_project

PROJECT = """
name: small
runtime: {name: python}
main: source
stackConfigDir: stacks
config:
  plain: text
  azure-native:location: westeurope
  counted: {type: integer, default: 3}
  switched: {type: boolean, default: false}
  listed: {type: array, items: {type: string}, default: [a, b]}
  word: {type: string, secret: true, default: hunter2}
  needed: {type: string}
"""
STACK = """
config:
  small:needed: here
  needed-by-nobody: {deep: [1, 2]}
  sealed: {secure: v1:AAAA}
"""


def write(folder: Path, project: str = PROJECT, stack: str = STACK) -> Path:
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text(dedent(project))
    (folder / "stacks" / "Pulumi.dev.yaml").write_text(dedent(stack))
    return folder


def test_both_files_are_read_and_values_are_encoded_as_the_protocol_has_them(tmp_path: Path) -> None:
    project = load_project(write(tmp_path), "dev", {"plain": "over", "azure-native:location": "northeurope"})
    assert project.program == tmp_path / "source"
    sealed = project.config["small:sealed"]
    assert project.config == {
        "small:plain": "over",
        "azure-native:location": "northeurope",
        "small:counted": "3",
        "small:switched": "false",
        "small:listed": '["a", "b"]',
        "small:word": "hunter2",
        "small:needed": "here",
        "small:needed-by-nobody": json.dumps({"deep": [1, 2]}),
        "small:sealed": sealed,
    }
    assert project.secret_keys == {"small:word", "small:sealed"}
    assert "AAAA" not in sealed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"counted": "three"}, "'counted'"),
        ({"counted": 1.5}, "'counted'"),
        ({"switched": "yes"}, "'switched'"),
        ({"listed": [{"a": 1}]}, "'listed'"),
        ({"needed": {"a": 1}}, "'needed'"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    tmp_path: Path, overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(EngineError, match=f"key {message} of the stack 'dev' has the wrong type"):
        load_project(write(tmp_path), "dev", overrides)


def test_a_value_that_nobody_gives_is_missed(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no value for the configuration key 'needed'") as refused:
        load_project(write(tmp_path), "prod")
    assert refused.value.next_step == "add it to Pulumi.prod.yaml, or give it a default"


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ("name: small\nruntime: nodejs\n", "not a Python program"),
        ("runtime: python\n", "not a Python program"),
        ("- a\n", "must be a mapping"),
        ("a: [\n", "not YAML"),
    ],
)
def test_what_is_no_python_project_is_refused(tmp_path: Path, project: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        load_project(write(tmp_path, project), "dev")


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not exist"):
        load_project(tmp_path, "dev")

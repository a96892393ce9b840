from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.errors import SettingsError
from mlops.yaml_source import describe, load_yaml, mark_of

if TYPE_CHECKING:
    from pathlib import Path


class Leaf(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    location: str
    size: int = 1


class Top(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    leaf: Leaf | None = None
    leaves: list[Leaf] = []
    named: dict[str, Leaf] = {}


def write(folder: Path, text: str) -> Path:
    path = folder / "dev.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> SettingsError:
    data, marks = load_yaml(path)
    with pytest.raises(ValidationError) as caught:
        Top.model_validate(data)
    return describe(caught.value, marks, Top)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    data, marks = load_yaml(
        write(tmp_path, "# top\nleaf:\n  location: x\nleaves:\n- location: y\n-\n  location: z\n")
    )
    assert data == {"leaf": {"location": "x"}, "leaves": [{"location": "y"}, {"location": "z"}]}
    lines = {location: mark.line for location, mark in marks.items()}
    assert lines[("leaf",)] == 2
    assert lines[("leaf", "location")] == 3
    assert lines[("leaves", 0)] == 5
    assert lines[("leaves", 1, "location")] == 7


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("leaf:\n  location: x\n  loction: y\n", 3),
        ("leaves:\n- location: x\n- loction: y\n  location: z\n", 3),
        ("named:\n  a:\n    location: x\n    loction: y\n", 4),
    ],
)
def test_an_unknown_key_names_its_line_and_the_nearest_valid_key(
    tmp_path: Path, text: str, line: int
) -> None:
    error = refusal(write(tmp_path, text))
    assert "Unknown key 'loction'" in error.what
    assert error.where is not None
    assert error.where.startswith(f"{tmp_path / 'dev.yaml'}:{line} ")
    assert error.next_step == "write 'location' instead of 'loction'"


def test_a_missing_key_is_reported_on_the_mapping_that_lacks_it(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "named: {}\nleaf:\n  size: 2\n"))
    assert "'location' is missing" in error.what
    assert f"{tmp_path / 'dev.yaml'}:2" in str(error.where)


def test_a_wrong_value_shows_what_was_found_and_every_further_problem(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "leaf:\n  location: x\n  size: many\nextra: 1\n"))
    assert error.got == "'many'"
    assert "integer" in str(error.expected)
    assert "2 problems" in error.what
    assert "dev.yaml:4 extra: unknown key" in error.what


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\na: 2\n", 2, "repeated"),
        ("a: 1\non: 2\n", 2, "quotes"),
        ("a: [1\nb: 2\n", 2, "not valid YAML"),
        ("- 1\n", 1, "mapping"),
        ("a: &x\n  b: *x\n", 1, "alias"),
        ("a: !!python/object:os.system x\n", 1, "not valid YAML"),
    ],
)
def test_what_is_not_a_mapping_of_distinct_text_keys_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_yaml(write(tmp_path, text))
    assert str(caught.value.where).endswith(f"dev.yaml:{line}")


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, "# nothing yet\n"))[0] == {}


def test_a_missing_file_names_the_files_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, "a: 1\n")
    with pytest.raises(SettingsError) as caught:
        load_yaml(tmp_path / "prod.yaml")
    assert caught.value.expected == "one of dev.yaml"


def test_marks_of_two_files_merge_like_their_data(tmp_path: Path) -> None:
    base: dict[Any, Any] = load_yaml(write(tmp_path, "leaf:\n  location: x\n"))[1]
    (tmp_path / "over.yaml").write_text("\n\nleaf: {size: 2}\n", encoding="utf-8")
    merged = {**base, **load_yaml(tmp_path / "over.yaml")[1]}
    assert mark_of(("leaf", "location"), merged).path.name == "dev.yaml"
    assert mark_of(("leaf", "size"), merged).path.name == "over.yaml"

"""Changing values of a YAML file: everything that did not change stays byte for byte."""

from __future__ import annotations

import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.errors import SettingsError
from mlops.yaml_edit import remove_key, set_values

FILE = """# Who owns this.
project:
  name: mlops  # 2-8 characters
  owner: "a@b.c"

# Lists stay where they are.
people: [ann, bob]
endpoints:
  classical:
    owner: ann
  cv:
    owner: bob   # for now
    slo:
      p95_ms: 500
"""
WORDS = st.text(string.ascii_letters + string.digits + " -_:#@'\"{}[]äß,.", min_size=1, max_size=12)
VALUES = st.one_of(WORDS, st.integers(), st.booleans(), st.lists(WORDS, max_size=3))
LOCATIONS = [("project", "name"), ("project", "owner"), ("people",), ("endpoints", "cv", "slo", "p95_ms")]
NEW = [("azure", "tenant"), ("project", "region"), ("endpoints", "nlp", "owner"), ("flag",)]


@given(values=st.dictionaries(st.sampled_from([*LOCATIONS, *NEW]), VALUES))
@settings(deadline=None, max_examples=30)
def test_what_is_set_is_read_back_and_nothing_else_changes(values: dict[tuple[str, ...], Any]) -> None:
    edited = set_values(FILE, values, where="f.yaml")
    expected = yaml.safe_load(FILE)
    for location, value in values.items():
        inner = expected
        for key in location[:-1]:
            inner = inner.setdefault(key, {})
        inner[location[-1]] = value
    assert yaml.safe_load(edited) == expected
    for comment in (
        "# Who owns this.\n",
        "  # 2-8 characters\n",
        "# Lists stay where they are.\n",
        "   # for now\n",
    ):
        assert comment in edited
    assert set_values(edited, values, where="f.yaml") == edited


@pytest.mark.parametrize(
    ("location", "rest"),
    [
        (("endpoints", "cv"), "endpoints:\n  classical:\n    owner: ann\n"),
        (("endpoints", "cv", "slo", "p95_ms"), "  cv:\n    owner: bob   # for now\n"),
        (("people",), "# Lists stay where they are.\nendpoints:\n"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_key_goes_with_all_that_is_below_it(location: tuple[str, ...], rest: str) -> None:
    edited = remove_key(FILE, location, where="f.yaml")
    assert rest in edited
    assert remove_key(edited, location, where="f.yaml") == edited
    assert edited.endswith("\n")
    assert not edited.endswith("\n\n")


def test_what_was_added_and_removed_leaves_the_file_as_it_was() -> None:
    edited = set_values(FILE, {("azure", "id"): "1"}, where="f.yaml")
    assert remove_key(edited, ("azure", "id"), where="f.yaml") == FILE


@pytest.mark.parametrize("text", ["a: {b: 1}\n", "a:\n- 1\n", "a: 1\n"])
def test_a_place_that_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="by hand"):
        set_values(text, {("a", "c"): 2}, where="f.yaml")

"""Property paths: written as Pulumi writes them, read back, compared and restored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.engine.properties import UNKNOWN, Secret
from infra.engine.property_path import (
    ABSENT,
    changes,
    format_path,
    matches,
    parse_path,
    restore,
)

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=4)


@given(st.lists(keys.filter(lambda key: key != "*") | st.integers(0, 9), min_size=1, max_size=4))
@settings(deadline=None)
def test_a_path_reads_back_as_it_was_written(steps: list[str | int]) -> None:
    assert parse_path(format_path(tuple(steps))) == tuple(steps)


@given(objects)
@settings(deadline=None)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert changes(value, value) == ()


@given(objects, objects)
@settings(deadline=None)
def test_what_differs_is_found_at_paths_that_hold_it(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = changes(old, new)
    assert bool(found) == (repr(old) != repr(new) and _normal(old) != _normal(new))
    for change in found:
        assert _at(old, change.path) == change.old
        assert _at(new, change.path) == change.new


@given(objects, objects)
@settings(deadline=None)
def test_restoring_a_key_ends_its_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    # As a pattern a star is every key.
    for key in {*old, *new} - {"*"}:
        restored = restore(new, old, (key,))
        assert restored.get(key, ABSENT) == old.get(key, ABSENT)
        assert {name: restored[name] for name in restored if name != key} == {
            name: new[name] for name in new if name != key
        }


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return (type(value) is bool, value)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError):
            return ABSENT
    return value


def test_a_change_is_named_where_both_sides_still_have_the_same_shape() -> None:
    old = {"rules": [{"port": 80, "name": "a"}], "tags": {"x.y": "1"}, "on": 1}
    new = {"rules": [{"port": 443, "name": "a"}, {"port": 1}], "tags": {"x.y": "2"}, "on": True}
    assert [change.name for change in changes(old, new)] == ["rules[0].port", "rules[1]", 'tags["x.y"]', "on"]


def test_secrets_are_compared_by_content_and_never_shown() -> None:
    (change,) = changes({"password": Secret("one")}, {"password": Secret("other")})
    assert "one" not in repr(change)
    assert "other" not in repr(change)
    assert changes({"password": Secret("same")}, {"password": Secret("same")}) == ()
    assert changes({"password": "same"}, {"password": Secret("same")}) == ()


def test_an_unknown_differs_from_everything_known() -> None:
    assert [change.path for change in changes({"name": "a"}, {"name": UNKNOWN})] == [("name",)]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("tags", ("tags", "owner"), True),
        ("tags.owner", ("tags",), True),
        ("rules[*].port", ("rules", 3, "port"), True),
        ("rules[0].port", ("rules", 1, "port"), False),
        ("tag", ("tags",), False),
    ],
)
def test_a_pattern_names_what_is_below_and_above_it(
    pattern: str, path: tuple[str | int, ...], expected: bool
) -> None:
    assert matches(parse_path(pattern), path) is expected


@pytest.mark.parametrize("text", ["a[", 'a["b', "[x]", ".."])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a property path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("traffic", {"traffic": {"blue": 90}, "size": 2}),
        ("traffic.green", {"traffic": {"blue": 100}, "size": 2}),
        ("traffic.blue", {"traffic": {"blue": 90, "green": 0}, "size": 2}),
        ("*", {"traffic": {"blue": 90}, "size": 1}),
        ("missing.deep", {"traffic": {"blue": 100, "green": 0}, "size": 2}),
    ],
)
def test_restoring_puts_back_what_the_pattern_names_alone(pattern: str, expected: dict[str, Any]) -> None:
    old = {"traffic": {"blue": 90}, "size": 1}
    new = {"traffic": {"blue": 100, "green": 0}, "size": 2}
    assert restore(new, old, parse_path(pattern)) == expected


def test_restoring_reaches_into_lists_and_secrets() -> None:
    old = {"rules": [{"port": 80}], "login": Secret({"user": "a", "word": "x"})}
    new = {"rules": [{"port": 443}, {"port": 1}], "login": Secret({"user": "b", "word": "y"})}
    assert restore(new, old, parse_path("rules[*].port"))["rules"] == [{"port": 80}, {"port": 1}]
    assert restore(new, old, parse_path("login.word"))["login"] == Secret({"user": "b", "word": "x"})

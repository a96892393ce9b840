"""Property values between the wire and Python."""

from __future__ import annotations

import json

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.engine.properties import (
    MASK,
    OUTPUT_SIGNATURE,
    SIGNATURE_KEY,
    UNKNOWN,
    Secret,
    contains_secret,
    contains_unknown,
    from_struct,
    masked,
    revealed,
    secret_texts,
    to_struct,
)

leaves = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(max_size=5)
    | st.just(UNKNOWN)
)
values = st.recursive(
    leaves | leaves.map(Secret),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4)


@given(objects)
@settings(deadline=None)
def test_values_survive_the_wire_and_numbers_stay_whole(value: dict[str, object]) -> None:
    back = from_struct(to_struct(value))
    assert back == value
    assert sorted(repr(back)) == sorted(repr(value))
    assert from_struct(to_struct(dict(reversed(value.items())))) == back


@given(objects)
@settings(deadline=None)
def test_what_may_be_shown_is_json_without_a_secret(value: dict[str, object]) -> None:
    hidden = {"word": Secret("do-not-show-this"), "value": value}
    text = json.dumps(masked(hidden))
    assert "do-not-show-this" not in text
    assert "do-not-show-this" not in repr(hidden)
    assert not contains_secret(revealed(value))


def test_a_secret_object_keeps_its_shape_when_it_is_shown() -> None:
    shown = masked({"properties": Secret({"value": "x", "attributes": {"enabled": True, "exp": 7}})})
    assert shown == {"properties": {"value": MASK, "attributes": {"enabled": True, "exp": MASK}}}


def test_outputs_are_read_as_what_they_hold() -> None:
    output = {SIGNATURE_KEY: OUTPUT_SIGNATURE, "dependencies": ["urn"]}
    wire = json_format.ParseDict(
        {
            "known": {**output, "value": 3},
            "unknown": output,
            "secret": {**output, "value": "x", "secret": True},
        },
        to_struct({}),
    )
    assert from_struct(wire) == {"known": 3, "unknown": UNKNOWN, "secret": Secret("x")}


def test_nulls_in_objects_are_left_out_and_kept_in_lists() -> None:
    wire = json_format.ParseDict({"a": None, "b": {"c": None, "d": [None, 1]}}, to_struct({}))
    assert from_struct(wire) == {"b": {"d": [None, 1]}}


def test_unknowns_are_found_inside_secrets() -> None:
    assert contains_unknown([Secret({"a": UNKNOWN})])
    assert secret_texts({"a": Secret(["x", {"b": "y"}]), "c": "z"}) == {"x", "y"}

"""The committed shapes are the SDK's, and what has a shape's form passes while what has not is refused."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azureml_local import shapes, shapes_from_sdk
from azureml_local.arm.schedules import cron_error
from azureml_local.arm.traffic import check_traffic
from azureml_local.errors import AzureError

NAMES = ["blue", "green", "red"]


def test_the_committed_shapes_are_those_of_the_installed_sdk() -> None:
    current = shapes_from_sdk.as_text(shapes_from_sdk.shapes_of_sdk())
    assert shapes.SHAPES_FILE.read_text(encoding="utf-8") == current, (
        "python -m azureml_local.shapes_from_sdk"
    )


def test_every_shape_that_is_named_exists() -> None:
    content = shapes.published()
    known = set(content["shapes"]) | set(content["enums"]) | set(shapes._SCALARS) | {"any"}
    for name, shape in content["shapes"].items():
        for field, notation in shape["fields"].items():
            assert notation.strip("!^{}[]") in known, (name, field)
        assert set(shape.get("variants", {}).values()) <= known, name


def test_server_filled_members_are_dropped_and_case_is_put_right() -> None:
    body = {
        "Location": "x",
        "id": "anything",
        "properties": {"authmode": "key", "scoringUri": "x", "traffic": None},
    }
    assert shapes.read("OnlineEndpoint", body) == {"location": "x", "properties": {"authMode": "Key"}}


def test_a_number_in_a_map_of_strings_becomes_one() -> None:
    body = {"properties": {"codeUri": "x", "properties": {"hash_version": 202208}}}
    assert shapes.read("CodeVersion", body)["properties"]["properties"] == {"hash_version": "202208"}


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(AzureError) as refused:
        shapes.read("OnlineEndpoint", {"nope": 1, "properties": {"authMode": "x", "traffic": {"a": "b"}}})
    targets = {detail["target"] for detail in refused.value.details}
    assert targets == {"nope", "location", "properties.authMode", "properties.traffic.a"}


@given(
    st.sampled_from(sorted(shapes.published()["shapes"])),
    st.text(string.ascii_letters, min_size=1),
    st.integers(),
)
@settings(max_examples=200, deadline=None)
def test_an_unknown_member_never_passes(name: str, member: str, value: int) -> None:
    shape = shapes.published()["shapes"][name]
    if member.lower() in {field.lower() for field in shape["fields"]}:
        return
    with pytest.raises(AzureError):
        shapes.read(name, {member: value})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["properties", "location", "tags", "authMode", "traffic", "jobType", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(["OnlineEndpoint", "OnlineDeployment", "JobBase", "Schedule", "ModelVersion"]), _JSON)
@settings(max_examples=300, deadline=None)
def test_no_body_gets_more_than_a_clean_refusal(name: str, body: Any) -> None:
    refused: AzureError | None = None
    try:
        read = shapes.read(name, body)
    except AzureError as error:
        refused = error
    if refused is None:
        # What was read once is read the same again.
        assert shapes.read(name, read) == read
    else:
        assert refused.status == 400
        assert refused.details
        assert json.loads(json.dumps(refused.body()))["error"]["code"] == "BadRequest"


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(-5, 105)),
    st.dictionaries(st.sampled_from(NAMES), st.integers(-5, 105)),
)
@settings(deadline=None)
def test_traffic_passes_exactly_when_it_keeps_the_rules(
    traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    deployments = {"blue", "green"}
    live = {name: percent for name, percent in mirror.items() if percent}
    allowed = (
        set(traffic) | set(mirror) <= deployments
        and all(0 <= percent <= 100 for percent in [*traffic.values(), *mirror.values()])
        and sum(traffic.values()) in (0, 100)
        and len(live) <= 1
        and all(percent <= 50 and not traffic.get(name) for name, percent in live.items())
    )
    try:
        check_traffic(traffic, mirror, deployments)
    except AzureError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize("good", ["* * * * *", "0 3 * * *", "*/15 0-6 1,15 * 1-5", "0 0 31 12 0"])
def test_good_cron_expressions(good: str) -> None:
    assert cron_error(good) is None


@pytest.mark.parametrize(
    "bad", ["", "0 3 * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "a b c d e"]
)
def test_bad_cron_expressions(bad: str) -> None:
    assert cron_error(bad) is not None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("PT1M", True),
        ("P1DT2H", True),
        ("P7D", True),
        ("PT0.5S", True),
        ("P", False),
        ("PT", False),
        ("5m", False),
        ("P1DT", False),
    ],
)
def test_durations(text: str, good: bool) -> None:
    assert bool(shapes.DURATION.fullmatch(text)) is good

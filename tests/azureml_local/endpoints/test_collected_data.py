from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_local.endpoints.collected_data import (
    LARGEST_INLINE_PAYLOAD,
    CollectedEvent,
    event_line,
    period_folder,
)

SOURCE = "/subscriptions/s/onlineEndpoints/e/deployments/d"
MOMENT = 1_700_000_000  # 2023-11-14 22:13:20 UTC
EVENT = CollectedEvent(
    "id-1",
    "model_inputs",
    MOMENT,
    b'[{"x":1.50,"y":"\\u00fc"}]',
    attributes={
        "correlationid": "c",
        "xrequestid": "c",
        "modelversion": "default",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": "azureml-ai-monitoring/1.0.0",
    },
)


def test_a_line_has_the_documented_fields_in_the_documented_order() -> None:
    line = event_line(EVENT, source=SOURCE)
    assert list(json.loads(line).items()) == [
        ("specversion", "1.0"),
        ("id", "id-1"),
        ("source", SOURCE),
        ("type", "azureml.inference.model_inputs"),
        ("datacontenttype", "application/json"),
        ("time", "2023-11-14T22:13:20Z"),
        ("data", [{"x": 1.5, "y": "ü"}]),
        ("correlationid", "c"),
        ("xrequestid", "c"),
        ("modelversion", "default"),
        ("collectdatatype", "pandas.core.frame.DataFrame"),
        ("agent", "azureml-ai-monitoring/1.0.0"),
        ("contentrange", f"bytes 0-{len(EVENT.payload) - 1}/{len(EVENT.payload)}"),
    ]
    assert EVENT.payload in line, "the payload's own text is kept"


@given(
    st.recursive(st.none() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=8), st.booleans()
)
def test_any_json_becomes_one_line_with_the_same_content(value: object, indented: bool) -> None:
    payload = json.dumps(value, indent=2 if indented else None).encode()
    line = event_line(CollectedEvent("i", "c", MOMENT, payload), source=SOURCE)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"] == value


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"a":1}{"b":2}'])
def test_what_is_no_json_cannot_become_a_line(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        event_line(CollectedEvent("i", "c", MOMENT, payload), source=SOURCE)


def test_a_large_or_binary_payload_is_named_by_its_address() -> None:
    small = CollectedEvent("i", "c", MOMENT, b"1" * LARGEST_INLINE_PAYLOAD)
    large = CollectedEvent("i", "c", MOMENT, b"1" * (LARGEST_INLINE_PAYLOAD + 1))
    binary = CollectedEvent("i", "c", MOMENT, b"\x00", "application/octet-stream")
    assert small.inline
    assert not large.inline
    assert not binary.inline
    line = json.loads(event_line(binary, source=SOURCE, blob_url="https://host/blob"))
    assert line["data"] == "https://host/blob"
    assert line["datainblob"] == "true"
    assert line["datacontenttype"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("rate", "folder"),
    [
        ("Year", "2023"),
        ("Month", "2023/11"),
        ("Day", "2023/11/14"),
        ("Hour", "2023/11/14/22"),
        ("Minute", "2023/11/14/22/13"),
    ],
)
def test_files_roll_by_period(rate: str, folder: str) -> None:
    assert period_folder(rate, MOMENT) == folder

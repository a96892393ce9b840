"""Both REST clients where the answer is not what was asked for, and the comparison of what is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.onboarding.comparison import differences
from mlops.rest import RefusedError, UnreachableError
from tests.mlops.onboarding.conftest import Clouds

VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_a_renamed_repository_is_refused_and_its_token_not_sent_on(clouds: Clouds) -> None:
    clouds.instead = (301, {"Location": "https://elsewhere.example/"}, {"message": "Moved Permanently"})
    _, github = clouds.clients()
    with pytest.raises(RefusedError, match="new address"):
        github.get(github.path())
    assert len(clouds.log) == 1


def test_a_page_of_a_proxy_is_no_answer(clouds: Clouds) -> None:
    clouds.instead = (200, {}, b"<html>Please sign in</html>")
    for service in clouds.fast_clients():
        with pytest.raises(UnreachableError, match=f"Something else than {service.name} answers"):
            service.get("/x")


def test_a_server_that_is_not_there(clouds: Clouds) -> None:
    clouds.base = "https://127.0.0.1:9"
    azure, _ = clouds.clients(retry_total=0)
    with pytest.raises(UnreachableError, match="Azure does not answer"):
        azure.get("/subscriptions/x")


def test_a_list_is_read_to_its_end(clouds: Clouds) -> None:
    class Pages:
        def answer(self, method: str, path: str, query: dict[str, str], body: object, base: str) -> object:
            number = int(query.get("page", 0))
            following = f"{base}{path}?page={number + 1}" if number < 2 else None
            return 200, {}, {"value": [number], "nextLink": following}

    clouds.azure = Pages()  # type: ignore[assignment]
    azure, _ = clouds.clients()
    assert list(azure.list("/subscriptions/x/things")) == [0, 1, 2]


@given(value=VALUES, extra=st.dictionaries(st.text("xyz", min_size=1), st.integers(), max_size=2))
def test_what_azure_adds_is_no_difference(value: object, extra: dict[str, int]) -> None:
    assert differences(value, value) == []
    assert differences({"kept": value}, {"kept": value, **extra}) == []
    assert differences({"kept": value, "left-out": 1}, {"kept": value}) == []


@given(before=VALUES, after=VALUES)
def test_a_value_that_is_another_is_named_by_its_path(before: object, after: object) -> None:
    found = differences({"a": {"b": before}}, {"a": {"b": after}})
    assert all(path.startswith("a.b") for path in found)
    if type(before) is not type(after) and not {type(before), type(after)} <= {bool, int}:
        assert found == ["a.b"]


def test_a_subject_is_compared_to_the_letter() -> None:
    assert differences({"subject": "repo:A/b"}, {"subject": "repo:a/b"}) == ["subject"]
    assert differences({"kind": "StorageV2"}, {"kind": "storagev2"}) == []

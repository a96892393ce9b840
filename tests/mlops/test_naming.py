"""Names: derived from one word, within Azure's limits, or refused before anything is created."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import SettingsError
from mlops.naming import LIMITS, Names

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
PROJECTS = st.from_regex(r"\A[a-z][a-z0-9]{1,7}\Z")


@given(project=PROJECTS, environment=st.sampled_from(["local", "dev", "staging", "prod"]))
def test_every_project_that_settings_accept_has_names_that_azure_accepts(
    project: str, environment: str
) -> None:
    names = Names(project, environment, SUBSCRIPTION)
    for kind, name in names.to_dict().items():
        assert LIMITS[kind].pattern.fullmatch(name), (kind, name)
    assert LIMITS["endpoint"].pattern.fullmatch(names.endpoint("classical"))
    assert LIMITS["compute"].pattern.fullmatch(names.compute("cpu"))


def test_globally_unique_names_differ_between_subscriptions_and_are_stable() -> None:
    first, again = Names("mlops", "dev", SUBSCRIPTION), Names("mlops", "dev", SUBSCRIPTION)
    other = Names("mlops", "dev", SUBSCRIPTION.replace("1", "2"))
    assert first.to_dict() == again.to_dict()
    for key in ("storage_account", "key_vault", "container_registry"):
        assert first.to_dict()[key] != other.to_dict()[key]


@pytest.mark.parametrize(
    ("kind", "name", "fine"),
    [
        ("compute", "cpu-cluster", True),
        ("compute", "cpu-1", False),
        ("compute", "a", False),
        ("endpoint", "a" * 32, True),
        ("endpoint", "a" * 33, False),
        ("endpoint", "1abc", False),
        ("key_vault", "kv-a--b", False),
        ("storage_account", "UPPER", False),
        ("resource_group", "rg.", False),
    ],
)
def test_the_limits_are_azures(kind: str, name: str, fine: bool) -> None:
    assert bool(LIMITS[kind].pattern.fullmatch(name)) is fine


def test_a_name_over_its_limit_says_what_to_change() -> None:
    with pytest.raises(SettingsError) as caught:
        Names("mlops", "staging", SUBSCRIPTION).endpoint("a-use-case-with-a-very-long-name")
    assert "characters" in str(caught.value.got)
    assert caught.value.next_step is not None

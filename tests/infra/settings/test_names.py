"""Names of infrastructure: within Azure's limits for every project that settings accept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.naming import _KINDS, LIMITS, Names

PROJECTS = st.from_regex(r"\A[a-z][a-z0-9]{1,7}\Z")
STACKS = ("bootstrap", "shared", "dev", "staging", "prod")
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


@given(project=PROJECTS, stack=st.sampled_from(STACKS), kind=st.sampled_from(sorted(_KINDS)))
def test_every_kind_has_a_name_that_azure_accepts(project: str, stack: str, kind: str) -> None:
    # Grafana is the shared stack's alone, and has the shortest limit.
    names = Names(project, "shared" if kind == "grafana" else stack, SUBSCRIPTION)
    assert LIMITS[_KINDS[kind][1]].pattern.fullmatch(names.of(kind))
    assert names.of(kind).endswith(names.environment)


@given(project=PROJECTS)
def test_global_names_fit_and_differ_between_all_stacks(project: str) -> None:
    every = [Names(project, stack, SUBSCRIPTION) for stack in STACKS]
    for attribute in ("storage_account", "lake_account", "key_vault", "container_registry"):
        found = {getattr(names, attribute) for names in every}
        assert len(found) == len(STACKS)
    assert len({names.state_account for names in every}) == len(STACKS)


def test_a_purged_vault_of_another_subscription_does_not_block_ours() -> None:
    here = Names("mlops", "dev", SUBSCRIPTION)
    there = Names("mlops", "dev", SUBSCRIPTION.replace("1", "2"))
    assert here.key_vault != there.key_vault
    assert here.of("virtual_network") == there.of("virtual_network")


@pytest.mark.parametrize("qualifier", ["storage-blob", "workspace"])
def test_a_qualifier_ends_the_name(qualifier: str) -> None:
    name = Names("mlops", "prod", SUBSCRIPTION).of("private_endpoint", qualifier)
    assert name == f"pep-mlops-prod-{qualifier}"

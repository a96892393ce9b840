"""Every stack against the SDK's types and the policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.checks import report
from infra.policy.catalog import RESOURCE_CHECKS, STACK_CHECKS
from infra.policy.check import Subject
from tests.infra.stacks.conftest import MANDATORY

if TYPE_CHECKING:
    from tests.infra.stacks.conftest import Graph

# What policies advise where they do not stop: an environment that comes and goes keeps less and guards
# less, and dev answers the internet besides.
COMES_AND_GOES = {
    "governance-lock",
    "ml-endpoint-private",
    "ml-workspace-approved-outbound",
    "storage-soft-delete",
    "vault-purge-protection",
    "vault-soft-delete",
}
ADVISED = {
    "staging": COMES_AND_GOES,
    "dev": COMES_AND_GOES
    | {
        "governance-protect",
        "images-no-export",
        "images-premium",
        "images-private",
        "images-retention",
        "images-zone-redundant",
        "ml-compute-in-network",
        "ml-compute-no-public-ip",
        "ml-workspace-private",
        "storage-default-deny",
        "storage-private",
        "storage-zone-redundant",
        "vault-default-deny",
        "vault-private",
    },
}


@pytest.mark.parametrize("stack", ["bootstrap", "shared", "dev", "staging", "prod"])
def test_a_stack_fits_the_sdk_and_may_be_deployed(graphs: dict[str, Graph], stack: str) -> None:
    judged = report(graphs[stack].result)
    assert judged.passed, judged.to_text()
    assert stack != "prod" or judged.violations == ()


def test_policies_judged_the_stacks_where_they_are_mandatory(graphs: dict[str, Graph]) -> None:
    # Bootstrap comes before any network and any log, and is excepted by name.
    found = {one.policy for one in graphs["bootstrap"].result.violations}
    assert found == {
        "diagnostics-everywhere",
        "storage-default-deny",
        "storage-private",
        "vault-default-deny",
        "vault-private",
    }
    assert "bootstrap" in MANDATORY


@pytest.mark.parametrize("stack", ADVISED)
def test_what_is_advised_is_known(graphs: dict[str, Graph], stack: str) -> None:
    subjects = [
        Subject(
            item.type,
            item.name,
            item.urn,
            item.inputs,
            protect=item.protect,
            dependencies=item.dependencies,
            by_property=item.property_dependencies,
        )
        for item in graphs[stack].result.resources
    ]
    found = {check.id for check in RESOURCE_CHECKS for one in subjects if check.findings(one)}
    found |= {check.id for check in STACK_CHECKS if check.findings(subjects)}
    assert found == ADVISED[stack]

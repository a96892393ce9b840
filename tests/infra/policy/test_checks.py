"""Each check passes what is right and finds what is wrong, and only looks at its own types."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engine.azure_types import azure_types
from infra.policy.catalog import ALL_CHECKS, RESOURCE_CHECKS, level_of, waivers
from infra.policy.check import Subject
from mlops.settings import load
from mlops.settings.controls import CONTROLS
from mlops.settings.infrastructure_controls import INFRASTRUCTURE_CONTROLS
from mlops.settings.model import ControlException

CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())
CHECKS = {check.id: check for check in RESOURCE_CHECKS}


def overlaid(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    merged = {**base, **{key: overlaid(base.get(key), value) for key, value in over.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def subject(case: dict[str, Any], props: dict[str, Any], *, protect: bool = False) -> Subject:
    return Subject(f"azure-native:{case['type']}", "one", "urn::one", props, protect=protect)


FAILING = [(name, wrong) for name, case in CASES.items() for wrong in case["fail"]]


@pytest.mark.parametrize("name", CASES)
def test_what_is_right_passes(name: str) -> None:
    case = CASES[name]
    right = subject(case, overlaid({}, case["pass"]), protect=case.get("protect", False))
    assert CHECKS[name].findings(right) == []


@pytest.mark.parametrize(("name", "wrong"), FAILING, ids=[f"{name}: {wrong}" for name, wrong in FAILING])
def test_what_is_wrong_is_found(name: str, wrong: str) -> None:
    case = CASES[name]
    found = CHECKS[name].findings(subject(case, overlaid(case["pass"], case["fail"][wrong])))
    assert found
    assert all(found)


@pytest.mark.parametrize("name", CASES)
def test_other_types_are_not_its_business(name: str) -> None:
    other = Subject("azure-native:portal:Dashboard", "one", "urn::one", {})
    assert CHECKS[name].findings(other) == []


def test_every_check_has_a_case_and_every_case_a_check() -> None:
    assert set(CASES) == set(CHECKS)


def test_checks_are_described_and_their_types_exist() -> None:
    ids = [check.id for check in ALL_CHECKS]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 65
    for check in RESOURCE_CHECKS:
        assert check.title.endswith(".")
        assert check.remediation.endswith(".")
        assert check.source
        for one in check.types:
            assert f"azure-native:{one}" in azure_types()


def test_a_project_takes_its_settings_from_its_hub() -> None:
    project = Subject("azure-native:machinelearningservices:Workspace", "p", "urn::p", {"kind": "Project"})
    for name in (
        "ml-workspace-user-identity",
        "ml-workspace-approved-outbound",
        "ml-workspace-identity-stores",
    ):
        assert CHECKS[name].findings(project) == []


def test_a_workspace_in_a_network_of_its_own_passes() -> None:
    props = {"managedNetwork": {"isolationMode": "Disabled"}}
    subnet = {"serverlessComputeSettings": {"serverlessComputeCustomSubnet": "/subnets/training"}}
    check = CHECKS["ml-workspace-approved-outbound"]
    kind = "azure-native:machinelearningservices:Workspace"
    assert check.findings(Subject(kind, "w", "urn::w", props))
    assert check.findings(Subject(kind, "w", "urn::w", props | subnet)) == []


def test_a_landing_zone_writes_the_records() -> None:
    environment = load("prod")
    platform = environment.platform.model_copy(update={"private_dns_zones": False})
    today = date(2027, 3, 1)
    assert waivers(environment, "prod", today) == {}
    left = waivers(environment.model_copy(update={"platform": platform}), "prod", today)
    assert set(left) == {"network-endpoint-dns"}


def test_controls_that_checks_name_are_those_of_the_settings() -> None:
    known = {control.check for control in (*CONTROLS, *INFRASTRUCTURE_CONTROLS)}
    named = {check.control for check in ALL_CHECKS} - {None}
    assert named <= known


def test_an_exception_waives_its_checks_until_it_expires() -> None:
    exception = ControlException(
        check="private-network", reason="A migration that ends in spring.", expires=date(2027, 3, 1)
    )
    environment = load("prod").model_copy(update={"exceptions": (exception,)})
    waived = waivers(environment, "prod", date(2027, 3, 1))
    assert {"storage-private", "vault-private", "ml-workspace-private"} <= set(waived)
    assert waived["storage-private"].reason == exception.reason
    assert "storage-tls" not in waived
    assert waivers(environment, "prod", date(2027, 3, 2)) == {}
    private, tls = CHECKS["storage-private"], CHECKS["storage-tls"]
    assert level_of(private, "prod", waived) == "advisory"
    assert level_of(private, "prod", {}) == "mandatory"
    assert level_of(tls, "prod", waived) == "mandatory"
    assert level_of(tls, "dev", {}) == level_of(tls, "staging", {}) == "advisory"


def test_bootstrap_is_excepted_by_name_from_what_it_comes_before() -> None:
    waived = waivers(load("prod"), "bootstrap", date(2027, 3, 1))
    assert set(waived) < {check.id for check in ALL_CHECKS}
    assert "storage-no-shared-key" not in waived
    assert all(waiver.reason for waiver in waived.values())

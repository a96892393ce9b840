"""The access matrix: its shape, each cell, its conditions, and what it refuses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from infra.mlops_infra.access import SERVICES, AccessMatrix, assignments, load_access
from infra.mlops_infra.conditions import CONDITIONS, DELEGABLE
from infra.mlops_infra.roles import ROLES, role_definition_id
from mlops.errors import SettingsError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The Architecture Center's table, cell by cell, in its own abbreviations. `prod` and `dev` name its two
# tables; its Azure DevOps and Azure Artifacts are GitHub's repository and packages here.
ARTICLE = """
data_scientist        prod | |  | R | | | | LAR | MR
data_analyst          prod | |  |  | | | |  |
model_tester          prod | |  |  | | | |  |
business_stakeholder  prod | |  |  | | | |  | MR
project_lead          prod | R | R,KVR | R | | | | LAR | MR
project_owner         prod | |  |  | | | |  | MR
platform_support      prod | O | O,KVA |  | | A | A | O | O
model_end_user        prod | |  |  | | | |  |
ci_cd                 prod | O | O,KVA | ACRPush | | A | A | O | O
aml_workspace         prod | | R | C | C | | |  |
monitoring_process    prod | R |  |  | | | | LAR | MR
data_governance       prod | R |  | R | R | R | R |  |
data_scientist        dev | ADS | R,KVA | C | C | C | C | LAC | MC
data_analyst          dev | R |  |  | C | | | LAR | MC
model_tester          dev | R | R,KVR | R | R | R | R | LAR | MR
business_stakeholder  dev | R |  | R | R | R | R |  |
project_lead          dev | C | C,KVA | C | C | C | C | LAC | MC
project_owner         dev | R |  |  | R | | |  | MR
platform_support      dev | O | O,KVA | O | O | A | A | O | O
model_end_user        dev | |  |  | | | |  |
ci_cd                 dev | O | O,KVA | ACRPush | O | A | A | O | O
aml_workspace         dev | | R,KVR | C | C | | |  |
monitoring_process    dev | R | R | R | R | R | R | LAC |
data_governance       dev | R |  | R | R | | |  |
"""
SAME = {
    "R": "Reader", "C": "Contributor", "ADS": "AzureML Data Scientist", "LAR": "Log Analytics Reader",
    "LAC": "Log Analytics Contributor", "MR": "Monitoring Reader", "MC": "Monitoring Contributor",
    "KVR": "Key Vault Reader", "KVA": "Key Vault Administrator", "ACRPush": "AcrPush",
}  # fmt: skip


def cells() -> list[tuple[str, str, str, frozenset[str]]]:
    found = []
    for line in ARTICLE.strip().splitlines():
        head, *columns = line.split("|")
        persona, table = head.split()
        columns = columns[1:] if len(columns) > 8 else columns
        for service, cell in zip(SERVICES, [*columns, ""], strict=False):
            found.append((persona, table, service, frozenset(filter(None, cell.strip().split(",")))))
    return found


@pytest.fixture(scope="module")
def matrix() -> AccessMatrix:
    return load_access(ROOT)


def roles(matrix: AccessMatrix, persona: str, table: str, service: str) -> set[str]:
    return {
        item.role
        for item in assignments(matrix, table)
        if item.persona == persona and item.service == service
    }


def test_there_are_twelve_personas_and_eight_services(matrix: AccessMatrix) -> None:
    assert len(matrix.personas) == 12
    assert len(SERVICES) == 8
    assert sum(persona.kind == "person" for persona in matrix.personas.values()) == 7


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: "-".join(cell[:3]))
def test_each_cell_is_the_articles_or_a_deviation_with_a_reason(
    matrix: AccessMatrix, cell: tuple[str, str, str, frozenset[str]]
) -> None:
    persona, table, service, article = cell
    ours = roles(matrix, persona, table, service)
    if service in {"repository", "packages"}:
        assert bool(ours) == bool(article)
        return
    deviates = any(item.persona == persona and service in item.services for item in matrix.deviations)
    if not deviates:
        expected = {SAME[name] for name in article}
        # A data scientist who may use the workspace may start and stop its computes.
        assert ours - {"AzureML Compute Operator"} == expected
    assert "Owner" not in ours


@pytest.mark.parametrize("table", ["dev", "staging", "prod"])
def test_nobody_is_owner_and_who_assigns_roles_has_a_condition(matrix: AccessMatrix, table: str) -> None:
    for item in assignments(matrix, table):
        assert item.role not in {"Owner", "User Access Administrator"}
        if item.role == "Role Based Access Control Administrator":
            assert item.condition is not None
            assert ROLES["Role Based Access Control Administrator"] not in item.condition


def test_support_is_eligible_and_never_assigned(matrix: AccessMatrix) -> None:
    azure = [
        item
        for table in ("dev", "prod")
        for item in assignments(matrix, table)
        if item.persona == "platform_support" and item.service not in {"repository", "packages"}
    ]
    assert azure
    assert all(item.eligible for item in azure)


def test_no_human_writes_in_production(matrix: AccessMatrix) -> None:
    reading = {"Reader", "Log Analytics Reader", "Monitoring Reader", "Key Vault Reader"}
    for item in assignments(matrix, "prod"):
        person = matrix.personas[item.persona].kind == "person"
        if person and item.service not in {"repository", "packages"} and not item.eligible:
            assert item.role in reading, (item.persona, item.role)


def test_the_condition_lets_delivery_hand_out_what_it_must_and_nothing_above(matrix: AccessMatrix) -> None:
    expression = CONDITIONS["constrained-delegation"]()
    wanted = {
        item.role
        for table in ("dev", "prod")
        for item in assignments(matrix, table)
        if item.identity in {"workspace", "monitor"} and item.service not in {"repository", "packages"}
    }
    assert wanted <= set(DELEGABLE)
    assert "Role Based Access Control Administrator" not in DELEGABLE
    assert expression.count("(") == expression.count(")")
    assert "'User'" not in expression


def test_the_condition_on_containers_names_them() -> None:
    expression = CONDITIONS["curated-containers"]()
    assert "StringEquals {'curated', 'labels'}" in expression
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("personas", "project_lead", "production", "workspace"), ["Owner"], "no role 'Owner'"),
        (("personas", "data_analyst", "preproduction", "storage"), ["Raeder"], "write 'Reader'"),
        (("personas", "data_analyst", "preproduction", "vault"), ["Reader"], "key_vault"),
        (("personas", "ci_cd", "production", "monitor"), ["Role Based Access Control Administrator"],
         "condition"),
        (("personas", "model_tester", "principal"), {}, "one principal"),
        (("personas", "model_tester", "principal"), {"group": "a-team"}, "pattern"),
        (("personas", "data_analyst", "preproduction", "storage"), [{"role": "Reader", "condition": "x"}],
         "condition"),
        (("deviations",), [{"persona": "intern", "services": ["storage"], "article": "-", "here": "-",
                            "reason": "a reason that is long enough"}], "no persona 'intern'"),
    ],
)  # fmt: skip
def test_a_wrong_matrix_is_refused_with_file_and_line(
    tmp_path: Path, path: tuple[str, ...], value: object, words: str
) -> None:
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "access.yaml"
    shutil.copy(ROOT / "environments" / "access.yaml", file)
    data = yaml.safe_load(file.read_text("utf-8"))
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    file.write_text(yaml.safe_dump(data), "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_access(tmp_path)
    assert words in str(caught.value)
    assert f"{file}:" in str(caught.value.where)


def test_an_unknown_role_has_no_id() -> None:
    with pytest.raises(SettingsError, match="Owner"):
        role_definition_id("Owner", "s")

"""Rules that contradict themselves or name what does not exist are refused, with file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from modelwatch import Monitor
from modelwatch.alerts.rules import Rule, Severity
from modelwatch.errors import ContractError
from modelwatch.monitor_schema import monitor_schema

MONITOR = """\
monitor: loans
owner: team-risk
contract: contract.yaml
signals:
  inputs: {type: data_drift}
  schema: {type: data_quality, null_rate: +0.02}
  perf: {type: model_performance, recall: {min: 0.8}}
rules:
  - id: schema-break
    when: schema
    for: 1 of 1
    severity: critical
    runbook: drift.md
  - id: input-drift
    when: inputs.psi
    features: [age]
    fire: 0.2
    clear: 0.1
    direction: above
    evidence: {fdr: 0.05}
    for: 3 of 5
    severity: {0.2: sev3, 0.5: sev2}
    group_by: [monitor, segment]
    inhibited_by: [schema-break]
    owner: team-risk
    route: ag-risk
    runbook: drift.md
"""
CONTRACT = "columns:\n  - {name: age, type: number}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    (tmp_path / "drift.md").write_text("# What to do\n")
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    return tmp_path


def load(folder: Path, *changes: tuple[str, str]) -> Monitor:
    text = MONITOR
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "monitor.yaml").write_text(text)
    return Monitor.load(folder / "monitor.yaml", owners=["team-risk"], routes=["ag-risk"])


def test_a_good_monitor_is_read(folder: Path) -> None:
    rule = load(folder).rules[1]
    assert (rule.needed, rule.out_of, rule.levels) == (3, 5, {0.2: Severity.INFO, 0.5: Severity.WARNING})
    assert load(folder).signals["inputs"].bounds["population_stability_index"].value == 0.2


BAD = [
    ("when: inputs.psi", "when: inputz.psi", 15, "'inputs'"),
    ("when: inputs.psi", "when: inputs.mae", 15, "population"),
    ("when: inputs.psi", "when: inputs.pzi", 15, "psi"),
    ("features: [age]", "features: [agee]", 16, "'age'"),
    ("fire: 0.2", "fire: .nan", 17, "finite"),
    ("clear: 0.1", "clear: 0.3", 18, "worse above"),
    ("direction: above", "direction: below", 19, "worse above"),
    ("fdr: 0.05", "fdr: 5", 20, "less than 1"),
    ("for: 3 of 5", "for: 6 of 5", 21, "k of n"),
    ("for: 3 of 5", "for: often", 21, "k of n"),
    ("0.5: sev2", "0.1: sev2", 22, "good side"),
    ("0.5: sev2", "0.5: sev9", 22, "info"),
    ("group_by: [monitor, segment]", "group_by: [monitr]", 23, "monitor"),
    ("inhibited_by: [schema-break]", "inhibited_by: [schema-brake]", 24, "'schema-break'"),
    ("inhibited_by: [schema-break]", "inhibited_by: [input-drift]", 24, "schema-break"),
    ("    owner: team-risk", "    owner: team-risc", 25, "'team-risk'"),
    ("route: ag-risk", "route: ag-rusk", 26, "'ag-risk'"),
    ("    runbook: drift.md\n  - id", "    runbook: gone.md\n  - id", 13, "a file below"),
    ("    runbook: drift.md\n  - id", "  - id", 9, "what to do"),
    ("clear: 0.1", "cleer: 0.1", 18, "'clear'"),
    ("id: input-drift", "id: schema-break", 14, "its own"),
    ("id: input-drift", "id: Input Drift", 14, "pattern"),
]


@pytest.mark.parametrize(("before", "after", "line", "remedy"), BAD, ids=[after for _, after, _, _ in BAD])
def test_a_bad_rule_is_refused_with_its_line(
    folder: Path, before: str, after: str, line: int, remedy: str
) -> None:
    with pytest.raises(ContractError) as caught:
        load(folder, (before, after))
    assert f"monitor.yaml:{line}:" in str(caught.value.where)
    assert re.search(remedy, str(caught.value))


def test_a_rule_needs_an_owner(folder: Path) -> None:
    with pytest.raises(ContractError, match="no owner"):
        load(folder, ("owner: team-risk\ncontract", "contract"))


@pytest.mark.parametrize("rule", [{"fire": 0.2, "when": "schema"}, {"clear": 0.1, "when": "inputs.psi"}])
def test_bounds_without_their_partner_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="`fire`"):
        Rule.model_validate({"id": "r", **rule})


def test_the_published_schema_says_the_same(folder: Path) -> None:
    schema = json.loads(json.dumps(monitor_schema()))
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    assert check.is_valid(_as_json(MONITOR))
    for before, after in (("cleer", "clear"), ("monitr", "monitor"), ("sev9", "sev2"), ("psl: 3", "psi: 3")):
        text = MONITOR.replace("{type: data_drift}", "{type: data_drift, psi: 3}").replace(after, before, 1)
        assert not check.is_valid(_as_json(text)), before


def _as_json(text: str) -> Any:
    return json.loads(json.dumps(yaml.safe_load(text)))

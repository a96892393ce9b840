"""Metrics, queries and policies as data: official names, bounded windows, nothing injected."""

from __future__ import annotations

import re

import pytest

from infra.mlops_infra import queries
from infra.mlops_infra.components.governance import BASELINE
from infra.mlops_infra.components.observability import TABLES
from infra.mlops_infra.metrics import DEPLOYMENT, ENDPOINT, METRICS, WORKSPACE, check_metric
from infra.mlops_infra.roles import ROLES
from mlops.errors import SettingsError

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_a_misspelt_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="RequestLatency_P95"):
        check_metric(ENDPOINT, "RequestLatencyP95")


def test_a_dimension_that_the_metric_lacks_is_refused() -> None:
    with pytest.raises(SettingsError, match="no dimension"):
        check_metric(ENDPOINT, "RequestLatency_P95", ("statusCode",))


def test_cpu_is_a_metric_of_the_deployment_alone() -> None:
    assert "CpuUtilizationPercentage" in METRICS[DEPLOYMENT]
    assert "CpuUtilizationPercentage" not in METRICS[ENDPOINT]
    assert "Quota Utilization Percentage" in METRICS[WORKSPACE]


@pytest.mark.parametrize(
    "query",
    [
        queries.firing_states("prod", "critical", "ml-platform"),
        queries.dead_man("prod", 26),
        queries.endpoint_errors("e", 1.0),
        queries.endpoint_throttling("e", 1.0),
        queries.endpoint_refusals("e"),
        queries.stale_workspace("/subscriptions/s"),
        queries.service_in_disguise("e", 500),
    ],
    ids=lambda query: query.split()[0],
)
def test_queries_are_pipelines_over_one_table_and_balanced(query: str) -> None:
    assert query.count("(") == query.count(")")
    assert query.count("'") % 2 == 0
    table = query.split(maxsplit=1)[0]
    assert table in {*TABLES, "AmlOnlineEndpointTrafficLog", "AzureMetrics"}
    ours = TABLES.get(table)
    if ours:
        for column in re.findall(r"where (\w+) ==", query):
            assert column in ours


def test_a_value_cannot_leave_its_quotes() -> None:
    query = queries.firing_states("x' or true or '", "critical", "o")
    assert r"Environment == 'x\' or true or \''" in query


def test_a_column_of_every_table_says_when_where_and_which() -> None:
    for columns in TABLES.values():
        assert list(columns)[:3] == ["TimeGenerated", "Environment", "Monitor"]
        assert set(columns.values()) <= {"datetime", "string", "real", "long"}


def test_roles_and_policies_are_ids_each_once() -> None:
    for ids in ([*ROLES.values()], [policy.definition for policy in BASELINE]):
        assert all(GUID.fullmatch(item) for item in ids)
        assert len(set(ids)) == len(ids)
    assert "Owner" not in ROLES
    assert "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" not in ROLES.values()

"""From settings to sinks: whose secrets are variables, and whose absence is no loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlops.notifications import log_tables, sinks_by_route
from mlops.notifications.building import Unready
from mlops.notifications.github import GitHubIssues
from mlops.notifications.mail import Email
from mlops.notifications.plain import Console, File
from mlops.notifications.tables import LogsIngestion
from mlops.notifications.telemetry import OpenTelemetry
from mlops.notifications.webhook import Webhook
from mlops.settings import ENVIRONMENTS, ROOT, load
from mlops.settings.notifications import Notifications, known_owners, known_routes
from modelwatch.alerts.outbox import SinkError
from modelwatch.errors import ContractError
from modelwatch.monitor import Monitor

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.settings import Environment
    from modelwatch.alerts.outbox import Notification

SINKS: dict[str, dict[str, Any]] = {
    "mail": {
        "kind": "email",
        "host": "smtp.example",
        "sender": "m@example.com",
        "username_variable": "U",
        "password_variable": "P",
    },
    "teams": {"kind": "webhook", "format": "teams", "url_variable": "TEAMS_URL"},
    "issues": {"kind": "github_issue"},
    "tables": {"kind": "logs_ingestion"},
    "otel": {"kind": "opentelemetry"},
    "log": {"kind": "file", "include_rows": True},
    "console": {"kind": "console"},
}
VARIABLES = {
    "U": "monitor",
    "P": "S3cret",
    "TEAMS_URL": "https://prod.example/T0ken",
    "GITHUB_REPOSITORY": "acme/risk",
    "GITHUB_TOKEN": "gh-t0ken",
    "MLOPS_LOGS_ENDPOINT": "https://dce.example",
    "MLOPS_LOGS_RULE_ID": "dcr-1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k%20ey",
}


def environment(sinks: dict[str, dict[str, Any]]) -> Environment:
    notifications = Notifications.model_validate({"sinks": sinks, "routes": {"data-science": list(sinks)}})
    return load("prod").model_copy(update={"notifications": notifications})


def test_every_kind_of_sink_comes_from_settings_and_shows_no_secret(tmp_path: Path) -> None:
    sinks = sinks_by_route(environment(SINKS), tmp_path, VARIABLES)["data-science"]
    kinds = [Email, Webhook, GitHubIssues, LogsIngestion, OpenTelemetry, File, Console]
    assert [type(sink) for sink in sinks] == kinds
    assert [sink.name for sink in sinks] == list(SINKS)
    assert not [secret for secret in ("S3cret", "T0ken", "gh-t0ken", "k ey") if secret in repr(sinks)]


@pytest.mark.parametrize("name", ["mail", "teams", "issues", "tables", "otel"])
def test_a_sink_without_its_variable_is_down_and_says_which(
    name: str, tmp_path: Path, notification: Notification
) -> None:
    (sink,) = sinks_by_route(environment({name: SINKS[name]}), tmp_path, {})["data-science"]
    assert isinstance(sink, Unready)
    with pytest.raises(SinkError, match=rf"notifications\.sinks\.{name}.*set [A-Z_]+ where") as caught:
        sink.deliver(notification)
    assert not caught.value.refused


def test_the_laptop_tells_its_console_and_a_file(tmp_path: Path) -> None:
    routes = sinks_by_route(load("local"), tmp_path, {})
    kinds = {route: [type(sink) for sink in sinks] for route, sinks in routes.items()}
    assert kinds.pop("log") == [File]
    assert set(map(tuple, kinds.values())) == {(Console, File)}
    assert log_tables(load("local"), VARIABLES) is None


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_azure_gets_states_in_the_tables(name: str) -> None:
    tables = log_tables(load(name), VARIABLES)
    assert tables is not None
    assert (tables.rule_id, tables.environment) == ("dcr-1", name)
    assert log_tables(load(name), {}) is None


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_owner_that_gives_no_route_has_one_of_its_own(name: str) -> None:
    settings = load(name)
    assert known_owners(settings) == set(settings.platform.owners)
    assert known_owners(settings) <= known_routes(settings)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_knows_the_owners_and_routes_of_the_monitors(name: str) -> None:
    settings = load(name)
    for path in (ROOT / "pipelines").glob("*/monitor.yaml"):
        Monitor.load(path, owners=sorted(known_owners(settings)), routes=sorted(known_routes(settings)))
        with pytest.raises(ContractError, match="no such route"):
            Monitor.load(path, routes=["nowhere"])

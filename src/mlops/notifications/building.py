"""From settings to sinks: secrets come from the variables that settings name, or are identities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, assert_never

from mlops.notifications.github import GitHubIssues
from mlops.notifications.http import Address
from mlops.notifications.mail import Email, Login
from mlops.notifications.plain import Console, File
from mlops.notifications.tables import LogsIngestion, LogTables
from mlops.notifications.telemetry import OpenTelemetry, parse_headers
from mlops.notifications.webhook import Webhook
from mlops.settings import notifications as settings
from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops.settings import Environment
    from modelwatch.alerts.outbox import Notification, Sink

__all__ = ["Unready", "log_tables", "sinks_by_route"]


@dataclass(frozen=True, slots=True)
class Unready:
    """A sink whose secret is not there: it counts as down, and is told once it can be."""

    name: str
    variable: str

    def deliver(self, _notification: Notification) -> None:
        """Say what is missing."""
        raise SinkError(
            "A sink's environment variable is not set",
            where=f"notifications.sinks.{self.name}",
            got=f"no {self.variable}",
            next_step=f"set {self.variable} where `mlops monitor run` and `mlops alerts check` run",
        )

    def delivered(self, _notification: Notification) -> None:
        """Nobody can be asked."""


class _MissingError(Exception):
    """An environment variable that a sink needs is not set."""


def sinks_by_route(
    environment: Environment, folder: Path, variables: Mapping[str, str]
) -> dict[str, tuple[Sink, ...]]:
    """Return the sinks of each route.

    Parameters
    ----------
    environment
        Its ``notifications`` say which.
    folder
        What relative paths of file sinks are below: `.mlops/`.
    variables
        The process's environment variables.
    """
    declared = environment.notifications

    @cache
    def sink(name: str) -> Sink:
        try:
            return _Builder(environment, folder, variables).build(name, declared.sinks[name])
        except _MissingError as missing:
            return Unready(name, str(missing))

    return {route: tuple(map(sink, names)) for route, names in declared.routes.items()}


def log_tables(environment: Environment, variables: Mapping[str, str]) -> LogTables | None:
    """Return the writer of the log workspace's tables; None where no route leads there or nothing is set."""
    notifications = environment.notifications
    routed = {name for names in notifications.routes.values() for name in names}
    for name in sorted(routed):
        declared = notifications.sinks[name]
        if isinstance(declared, settings.LogsIngestionSink):
            endpoint = variables.get(declared.endpoint_variable)
            rule = variables.get(declared.rule_variable)
            return _tables(environment, endpoint, rule) if endpoint and rule else None
    return None


def _tables(environment: Environment, endpoint: str, rule_id: str) -> LogTables:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - half a second of import
    from azure.monitor.ingestion import LogsIngestionClient  # noqa: PLC0415

    client = LogsIngestionClient(endpoint, DefaultAzureCredential())
    return LogTables(client, rule_id, environment.name)


@dataclass(frozen=True, slots=True)
class _Builder:
    environment: Environment
    folder: Path
    variables: Mapping[str, str]

    def build(  # noqa: PLR0911 - one answer per kind
        self, name: str, declared: settings.SinkSettings
    ) -> Sink:
        rows = declared.include_rows
        match declared:
            case settings.ConsoleSink():
                return Console(name, include_rows=rows)
            case settings.FileSink():
                return File(name, self.folder / declared.path, include_rows=rows)
            case settings.EmailSink():
                return self._email(name, declared)
            case settings.WebhookSink():
                return Webhook(name, self._address(declared.url_variable), declared.format, rows)
            case settings.GitHubIssueSink():
                return self._issues(name, declared)
            case settings.LogsIngestionSink():
                endpoint, rule = self._value(declared.endpoint_variable), self._value(declared.rule_variable)
                return LogsIngestion(name, _tables(self.environment, endpoint, rule))
            case settings.TelemetrySink():
                address = self._address(declared.endpoint_variable)
                headers = parse_headers(self.variables.get(declared.headers_variable, ""))
                return OpenTelemetry(name, address, self.environment.name, headers, rows)
            case _:
                assert_never(declared)

    def _email(self, name: str, declared: settings.EmailSink) -> Email:
        login = None
        if declared.username_variable and declared.password_variable:
            login = Login(self._value(declared.username_variable), self._value(declared.password_variable))
        owners = {key: owner.emails for key, owner in self.environment.platform.owners.items()}
        return Email(
            name,
            host=declared.host,
            port=declared.port,
            security=declared.security,
            sender=declared.sender,
            owners=owners,
            recipients=declared.recipients,
            login=login,
            include_rows=declared.include_rows,
        )

    def _issues(self, name: str, declared: settings.GitHubIssueSink) -> GitHubIssues:
        return GitHubIssues(
            name,
            repository=declared.repository or self._value("GITHUB_REPOSITORY"),
            token=self._value(declared.token_variable),
            api_url=declared.api_url,
            label=declared.label,
            include_rows=declared.include_rows,
        )

    def _address(self, variable: str) -> Address:
        return Address(self._value(variable), f"the address in {variable}")

    def _value(self, variable: str) -> str:
        if not (value := self.variables.get(variable)):
            raise _MissingError(variable)
        return value

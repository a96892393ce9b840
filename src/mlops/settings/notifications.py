"""Where notifications of alerts go: sinks by name, and routes that name sinks.

No secret is written in a settings file: a sink names the environment variable that holds one. Monitors name
routes and owners; :func:`known_routes` and :func:`known_owners` say which there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from mlops.settings.section import Section

if TYPE_CHECKING:
    from mlops.settings.model import Environment

__all__ = [
    "ConsoleSink",
    "EmailSink",
    "FileSink",
    "GitHubIssueSink",
    "LogsIngestionSink",
    "Notifications",
    "SinkSettings",
    "TelemetrySink",
    "WebhookSink",
    "known_owners",
    "known_routes",
]

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$")]
HttpsAddress = Annotated[str, StringConstraints(pattern=r"^https://[^\s?#@]+[^\s?#@/]$")]


class _Sink(Section):
    include_rows: bool = Field(
        default=False, description="let rows of data leave with a notification; they may be people's data"
    )


class ConsoleSink(_Sink):
    """Standard error of the process that delivers."""

    kind: Literal["console"]


class FileSink(_Sink):
    """JSON lines."""

    kind: Literal["file"]
    path: Annotated[str, StringConstraints(min_length=1)] = Field(
        "notifications.jsonl", description="relative to .mlops/, or absolute"
    )


class EmailSink(_Sink):
    """Mail to an incident's owner over SMTP."""

    kind: Literal["email"]
    host: Host
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Mail
    recipients: tuple[Mail, ...] = Field((), description="the addresses of the incident's owner by default")
    username_variable: Variable | None = None
    password_variable: Variable | None = None

    @model_validator(mode="after")
    def _login(self) -> EmailSink:
        if (self.username_variable is None) != (self.password_variable is None):
            raise ValueError("username_variable and password_variable come together or not at all")
        if self.security == "none" and self.password_variable is not None:
            raise ValueError("security none would send the password in the clear: write starttls or tls")
        return self


class WebhookSink(_Sink):
    """A POST of JSON to an address that is itself the secret."""

    kind: Literal["webhook"]
    format: Literal["json", "teams", "slack"] = "json"
    url_variable: Variable


class GitHubIssueSink(_Sink):
    """One issue per incident: a comment when it escalates, closed when it resolves."""

    kind: Literal["github_issue"]
    repository: Repository | None = Field(None, description="GITHUB_REPOSITORY of a workflow by default")
    token_variable: Variable = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable
    api_url: HttpsAddress = "https://api.github.com"
    label: Annotated[str, StringConstraints(min_length=1, max_length=50)] = "monitor-incident"


class LogsIngestionSink(_Sink):
    """Rows of alert states in the tables of the log workspace; signed in as the process's identity."""

    kind: Literal["logs_ingestion"]
    endpoint_variable: Variable = Field(
        "MLOPS_LOGS_ENDPOINT", description="the data collection endpoint's logs ingestion address"
    )
    rule_variable: Variable = Field("MLOPS_LOGS_RULE_ID", description="the collection rule's immutable id")


class TelemetrySink(_Sink):
    """OpenTelemetry log records over OTLP/HTTP; the standard's own variables by default."""

    kind: Literal["opentelemetry"]
    endpoint_variable: Variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
    headers_variable: Variable = "OTEL_EXPORTER_OTLP_HEADERS"


SinkSettings = Annotated[
    ConsoleSink | FileSink | EmailSink | WebhookSink | GitHubIssueSink | LogsIngestionSink | TelemetrySink,
    Field(discriminator="kind"),
]


class Notifications(Section):
    """Sinks, and the routes that rules of monitors name."""

    sinks: dict[Key, SinkSettings] = Field(min_length=1)
    routes: dict[Key, Annotated[tuple[Key, ...], Field(min_length=1)]] = Field(min_length=1)


def known_routes(environment: Environment) -> frozenset[str]:
    """Return the names that a rule may give as its ``route``."""
    return frozenset(environment.notifications.routes)


def known_owners(environment: Environment) -> frozenset[str]:
    """Return the names that a rule may give as its ``owner``: each has an action group in Azure."""
    return frozenset(environment.platform.owners)

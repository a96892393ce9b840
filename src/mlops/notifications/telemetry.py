"""OpenTelemetry: each notification is a log record with an event name, over OTLP/HTTP.

The messages are those of the official `opentelemetry-proto`, so their fields are what a collector expects.
They are sent by hand: the SDK's exporter retries on its own and says neither why it failed nor when to come
back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mlops.notifications.content import Content
from mlops.notifications.http import send
from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.notifications.http import Address
    from modelwatch.alerts.outbox import Notification

__all__ = ["OpenTelemetry", "parse_headers"]

# As the log data model names them.
_SEVERITY: Final = {"critical": "ERROR", "warning": "WARN"}


@dataclass(frozen=True, slots=True)
class OpenTelemetry:
    """One record per notification to a collector.

    Parameters
    ----------
    address
        The base address; ``/v1/logs`` is put behind it, as the specification of exporters says.
    headers
        Sent along; they usually hold a key.
    """

    name: str
    address: Address
    environment: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    include_rows: bool = False

    def deliver(self, notification: Notification) -> None:
        """Send the record."""
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415

        answer = send(
            "POST",
            self.address.at("v1/logs"),
            self._request(notification),
            headers={"Content-Type": "application/x-protobuf", **self.headers},
        )
        reply = logs_service_pb2.ExportLogsServiceResponse.FromString(answer.body)
        if reply.partial_success.rejected_log_records:
            raise SinkError("The collector rejected the record", where=self.address.shown, refused=True)

    def delivered(self, notification: Notification) -> None:
        """Nobody can ask a collector: it takes, and answers no questions."""

    def _request(self, notification: Notification) -> bytes:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415
        from opentelemetry.proto.common.v1 import common_pb2  # noqa: PLC0415
        from opentelemetry.proto.logs.v1 import logs_pb2  # noqa: PLC0415
        from opentelemetry.proto.resource.v1 import resource_pb2  # noqa: PLC0415

        def attributes(values: Mapping[str, Any]) -> list[Any]:
            return [
                common_pb2.KeyValue(key=key, value=common_pb2.AnyValue(string_value=str(value)))
                for key, value in values.items()
                if value is not None
            ]

        content = Content.of(notification, include_rows=self.include_rows)
        severity = _SEVERITY.get(content.severity, "INFO")
        nanoseconds = int(notification.at.timestamp() * 1_000_000) * 1000
        incident = notification.incident
        record = logs_pb2.LogRecord(
            time_unix_nano=nanoseconds,
            observed_time_unix_nano=nanoseconds,
            severity_number=logs_pb2.SeverityNumber.Value(f"SEVERITY_NUMBER_{severity}"),
            severity_text=severity,
            event_name=f"mlops.incident.{notification.kind}",
            body=common_pb2.AnyValue(string_value=content.text()),
            attributes=attributes(
                {
                    "mlops.notification.key": notification.key,
                    "mlops.incident.id": notification.incident_id,
                    "mlops.incident.severity": incident.get("severity"),
                    "mlops.incident.owner": incident.get("owner"),
                    "mlops.incident.runbook": incident.get("runbook"),
                    "mlops.monitor": notification.monitor,
                }
            ),
        )
        resource = resource_pb2.Resource(
            attributes=attributes(
                {"service.name": "mlops-monitor", "deployment.environment.name": self.environment}
            )
        )
        scope = logs_pb2.ScopeLogs(
            scope=common_pb2.InstrumentationScope(name="mlops.notifications"), log_records=[record]
        )
        request = logs_service_pb2.ExportLogsServiceRequest(
            resource_logs=[logs_pb2.ResourceLogs(resource=resource, scope_logs=[scope])]
        )
        return bytes(request.SerializeToString())


def parse_headers(text: str) -> dict[str, str]:
    """Read the standard variable's form: ``key=value`` pairs behind commas, percent-encoded.

    Examples
    --------
    >>> parse_headers("api-key=a%20b,team=ml")
    {'api-key': 'a b', 'team': 'ml'}
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    return {unquote(key.strip()): unquote(value.strip()) for key, _, value in pairs}

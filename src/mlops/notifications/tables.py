"""Rows of the log workspace's tables, and how they get there: Azure Monitor's Logs Ingestion API.

What the tables are made of is declared with the infrastructure,
`infra/mlops_infra/components/observability.py`, and a test holds the rows to it. Azure Monitor's rules
there read the last state of each alert, so a row that is written twice changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from modelwatch.alerts.operating import Silence
    from modelwatch.alerts.outbox import Notification

__all__ = ["LogTables", "LogsIngestion", "Uploader", "heartbeat_row", "measurement_rows", "state_rows"]

MEASUREMENTS: Final = "MonitorMeasurements_CL"
STATES: Final = "MonitorAlertStates_CL"
HEARTBEATS: Final = "MonitorHeartbeats_CL"

_ABOUT: Final = {"Signal": "signal", "Metric": "metric", "Feature": "feature", "Segment": "segment"}
_MEASUREMENT: Final = {
    **_ABOUT, "Definition": "definition", "Value": "value", "PValue": "p_value", "QValue": "q_value",
    "BaselineRows": "n_baseline", "ProductionRows": "n_production", "Status": "status",
    "Threshold": "threshold", "Note": "note",
}  # fmt: skip
_STATE: Final = {
    **_ABOUT, "Rule": "rule", "Fingerprint": "fingerprint", "State": "state", "Severity": "severity",
    "Owner": "owner", "Runbook": "runbook", "Since": "since", "Value": "value", "Threshold": "threshold",
}  # fmt: skip

MOST_BYTES: Final = 1_000_000
"""Azure Monitor takes a megabyte a request, compressed or not."""

Row = dict[str, Any]


class Uploader(Protocol):
    """The part of Azure's ``LogsIngestionClient`` that is used."""

    def upload(self, rule_id: str, stream_name: str, logs: list[Any]) -> None:
        """Send rows to a stream of a collection rule."""
        ...


def measurement_rows(results: Mapping[str, Any], environment: str, now: datetime) -> list[Row]:
    """Return one row per measurement of a ``results.json``."""
    which = _which(environment, str(results["monitor"]), now)
    return [{**which, **_picked(row, _MEASUREMENT)} for row in results["measurements"]]


def state_rows(
    alerts: Iterable[Mapping[str, Any]], environment: str, now: datetime, muted: Sequence[Silence] = ()
) -> list[Row]:
    """Return one row per alert.

    No rule of Azure Monitor sees one fire that another alert explains (`inhibited`), or that is `silenced`.
    """
    return [
        {
            **_which(environment, str(alert["monitor"]), now),
            **_picked(alert, _STATE),
            **_held_back(alert, muted),
        }
        for alert in alerts
    ]


def _held_back(alert: Mapping[str, Any], muted: Sequence[Silence]) -> Row:
    if alert.get("inhibited"):
        return {"State": "inhibited"}
    if any(silence.monitor == alert["monitor"] and silence.matches(alert) for silence in muted):
        return {"State": "silenced"}
    return {}


def heartbeat_row(
    results: Mapping[str, Any], environment: str, now: datetime, *, run: str, seconds: float
) -> Row:
    """Return the row that says that a monitor ran: `Rows` is how many rows of production it saw."""
    counts = [row["n_production"] for row in results["measurements"] if row["n_production"] is not None]
    return {
        **_which(environment, str(results["monitor"]), now),
        "Run": run,
        "DurationSeconds": float(seconds),
        "Rows": max(counts, default=0),
    }


@dataclass(frozen=True, slots=True)
class LogTables:
    """Writes what monitors found into the tables of one environment.

    Parameters
    ----------
    client
        Signed in as the process's identity, with the role Monitoring Metrics Publisher on the rule.
    rule_id
        The collection rule's immutable id.
    environment
        Goes into each row: environments share the workspace.
    """

    client: Uploader
    rule_id: str
    environment: str

    def publish(
        self,
        results: Mapping[str, Any],
        *,
        now: datetime,
        run: str,
        seconds: float,
        muted: Sequence[Silence] = (),
    ) -> None:
        """Write a run's measurements, alert states and, when both arrived, its heartbeat.

        Parameters
        ----------
        results
            The content of ``results.json``.
        now
            When it ran: Azure Monitor keeps no time that is older than two days.
        run, seconds
            The run's name, and how long it took.
        muted
            The silences in force.

        Raises
        ------
        SinkError
            The tables cannot be reached, or refuse the rows. Publishing again is safe.
        """
        self.write(MEASUREMENTS, measurement_rows(results, self.environment, now))
        self.publish_states(results["alerts"], now=now, muted=muted)
        self.write(HEARTBEATS, [heartbeat_row(results, self.environment, now, run=run, seconds=seconds)])

    def publish_states(
        self, alerts: Iterable[Mapping[str, Any]], *, now: datetime, muted: Sequence[Silence] = ()
    ) -> None:
        """Write alert states again: Azure Monitor looks back two days, and a monitor may be weekly.

        Raises
        ------
        SinkError
            As for :meth:`publish`.
        """
        self.write(STATES, state_rows(alerts, self.environment, now, muted))

    def write(self, table: str, rows: list[Row]) -> None:
        """Append rows to a table."""
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - half a second

        try:
            for batch in _batches(rows):
                self.client.upload(rule_id=self.rule_id, stream_name=f"Custom-{table}", logs=batch)
        except HttpResponseError as error:
            raise SinkError(
                "Azure Monitor did not take the rows",
                where=table,
                got=f"status {error.status_code}",
                expected="status 204",
                next_step="give the process's identity the role Monitoring Metrics Publisher on the rule"
                if error.status_code in {401, 403}
                else None,
                refused=error.status_code in {400, 413},
            ) from None
        except AzureError as error:
            raise SinkError(
                "Azure Monitor cannot be reached", where=table, got=type(error).__name__
            ) from None


@dataclass(frozen=True, slots=True)
class LogsIngestion:
    """The sink: the states of an incident's alerts, for Azure Monitor's rules to see at once."""

    name: str
    tables: LogTables

    def deliver(self, notification: Notification) -> None:
        """Write one row per alert."""
        over = notification.kind in {"resolved", "retracted"}
        alerts = [
            {"monitor": notification.monitor, **alert, **({"state": "resolved"} if over else {})}
            for alert in notification.incident.get("alerts") or ()
        ]
        self.tables.write(STATES, state_rows(alerts, self.tables.environment, notification.at))

    def delivered(self, notification: Notification) -> None:
        """Tables cannot be asked: what is written now can be read minutes later, with another role."""


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    """Yield rows in batches below Azure's limit; its own client forgets the commas between rows."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row).encode()) + 2
        if batch and size + length > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


def _which(environment: str, monitor: str, now: datetime) -> Row:
    return {"TimeGenerated": now.astimezone(UTC).isoformat(), "Environment": environment, "Monitor": monitor}


def _picked(source: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    return {column: source.get(key) for column, key in names.items()}

"""Rows of the log workspace: what infrastructure declares, sent by Azure's own client over TLS."""

from __future__ import annotations

import gzip
import json
import random
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.monitor.ingestion import LogsIngestionClient

from infra.mlops_infra.components.observability import TABLES
from mlops.notifications.tables import LogsIngestion, LogTables, measurement_rows
from modelwatch.alerts.operating import Silence
from modelwatch.alerts.outbox import SinkError
from modelwatch.results import Measurement
from tests.mlops.notifications.conftest import ALERT
from tests.mlops.notifications.servers import Reply, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modelwatch.alerts.outbox import Notification
    from tests.mlops.notifications.servers import Receiver, Request

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
RULE = "dcr-00000000000000000000000000000001"
RESULTS = {
    "monitor": "credit",
    "window": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"},
    "measurements": [
        Measurement(
            "null_value_rate", "robust/v1", 0.25, signal="schema", feature="income", n_production=1000
        ).to_dict(),
        Measurement(
            "null_value_rate", "robust/v1", None, signal="schema", n_production=990, note="no rows"
        ).to_dict(),
    ],
    "alerts": [ALERT, {**ALERT, "inhibited": True}, {**ALERT, "feature": "age"}],
}
# As the Logs Ingestion API reads JSON into columns of these types.
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "real": lambda value: isinstance(value, float),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "datetime": lambda value: datetime.fromisoformat(value).tzinfo is not None,
}


class Credential:
    """Hands out a token, and remembers what for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("t0ken", 2**31)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def azure(authority: trustme.CA, tmp_path: Path) -> Iterator[tuple[Receiver, LogTables, Credential]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    credential = Credential()
    with (
        receiver(lambda request: Reply(204), context) as server,
        LogsIngestionClient(server.url, credential, connection_verify=str(trusted), retry_total=0) as client,
    ):
        yield server, LogTables(client, RULE, "prod"), credential


def rows_of(request: Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gzip.decompress(request.body))
    return found


def stream_of(request: Request) -> str:
    path, _, query = request.path.partition("?")
    assert query == "api-version=2023-01-01"
    prefix = f"/dataCollectionRules/{RULE}/streams/Custom-"
    assert path.startswith(prefix)
    return path.removeprefix(prefix)


def test_a_run_arrives_in_the_tables_as_infrastructure_declares_them(
    azure: tuple[Receiver, LogTables, Credential],
) -> None:
    server, tables, credential = azure
    muted = [Silence("s", "credit", {"feature": "age"}, "ada", "migration", NOW)]
    tables.publish(RESULTS, now=NOW, run="run-7", seconds=12, muted=muted)
    assert [stream_of(request) for request in server.requests] == list(TABLES), "the heartbeat comes last"
    for request, columns in zip(server.requests, TABLES.values(), strict=True):
        assert request.headers["authorization"] == "Bearer t0ken"
        for row in rows_of(request):
            assert row.keys() == columns.keys()
            for name, value in row.items():
                assert value is None or TYPES[columns[name]](value), (name, value)
    assert credential.scopes[0] == "https://monitor.azure.com/.default"
    measurements, states, heartbeats = map(rows_of, server.requests)
    assert measurements[0]["Value"] == 0.25
    assert [row["State"] for row in states] == ["firing", "inhibited", "silenced"]
    assert heartbeats == [
        {
            "TimeGenerated": "2026-03-02T06:00:00+00:00",
            "Environment": "prod",
            "Monitor": "credit",
            "Run": "run-7",
            "DurationSeconds": 12.0,
            "Rows": 1000,
        }
    ]


def test_requests_stay_below_a_megabyte(azure: tuple[Receiver, LogTables, Credential]) -> None:
    server, tables, _ = azure
    noise = random.Random(7)
    row = measurement_rows(RESULTS, "prod", NOW)[0]
    rows = [{**row, "Note": noise.randbytes(150).hex()} for _ in range(8000)]
    tables.write("MonitorMeasurements_CL", rows)
    assert len(server.requests) > 1
    assert sum(len(rows_of(request)) for request in server.requests) == 8000
    assert max(len(gzip.decompress(request.body)) for request in server.requests) <= 1_000_000


@pytest.mark.parametrize(
    ("kind", "state"), [("opened", "firing"), ("resolved", "resolved"), ("retracted", "resolved")]
)
def test_an_incident_shows_in_the_states_of_its_alerts(
    azure: tuple[Receiver, LogTables, Credential], later: Callable[..., Notification], kind: str, state: str
) -> None:
    server, tables, _ = azure
    LogsIngestion("tables", tables).deliver(later(kind, 1))
    (row,) = rows_of(server.requests[0])
    assert stream_of(server.requests[0]) == "MonitorAlertStates_CL"
    assert row.keys() == TABLES["MonitorAlertStates_CL"].keys()
    assert (row["State"], row["Owner"], row["Severity"]) == (state, "data-science", "critical")


@pytest.mark.parametrize(("status", "refused"), [(403, False), (400, True), (503, False)])
def test_azures_answer_tells_bad_rows_from_a_bad_day(
    azure: tuple[Receiver, LogTables, Credential], notification: Notification, status: int, refused: bool
) -> None:
    server, tables, _ = azure
    server.answer = lambda request: Reply(status)
    with pytest.raises(SinkError, match=f"status {status}") as caught:
        LogsIngestion("tables", tables).deliver(notification)
    assert caught.value.refused is refused


def test_a_closed_port_is_a_sink_that_is_down(notification: Notification) -> None:
    with LogsIngestionClient("https://127.0.0.1:1", Credential(), retry_total=0) as client:
        sink = LogsIngestion("tables", LogTables(client, RULE, "prod"))
        with pytest.raises(SinkError, match="cannot be reached"):
            sink.deliver(notification)

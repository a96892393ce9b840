"""Fired alerts, asked of a log workspace on the loopback interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from infra.mlops_infra.components.observability import TABLES
from mlops.cli.application import run
from mlops.cli.delivery.surroundings import log_workspace
from mlops.delivery.alert_states import _COLUMNS, LogWorkspace, firing, query
from mlops.errors import ControlPlaneError, DataError
from mlops.notifications.tables import state_rows
from mlops.settings import load

ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/log"
ROW = [
    "f",
    "classical",
    "calibration",
    "firing",
    "critical",
    "ml-platform",
    "",
    "health.fair",
    "2026-11-25T00:00:00Z",
]
TABLE = {"name": "PrimaryResult", "columns": [{"name": name} for name in _COLUMNS], "rows": [ROW]}


@pytest.fixture
def workspace() -> Iterator[tuple[LogWorkspace, dict[str, Any]]]:
    """A workspace, and what it answers and was asked."""
    talk: dict[str, Any] = {"answer": (200, {"tables": [TABLE]})}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            talk["asked"] = (self.path, self.headers["Authorization"], body["query"])
            status, content = talk["answer"]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield LogWorkspace(ID, lambda: "t0ken", f"http://127.0.0.1:{server.server_port}/v1"), talk
        server.shutdown()


def test_rows_become_alerts_with_the_action_of_their_rule(
    workspace: tuple[LogWorkspace, dict[str, Any]],
) -> None:
    client, talk = workspace
    actions = {("classical", "calibration"): "request_retraining"}
    (alert,) = firing(client.ask(query("prod")), actions)
    assert talk["asked"][:2] == (f"/v1{ID}/query", "Bearer t0ken")
    assert "Environment == 'prod'" in talk["asked"][2]
    assert (alert["action"], alert["feature"], alert["segment"]) == (
        "request_retraining",
        None,
        "health.fair",
    )
    # A rule that is not declared any more asks for nothing.
    assert firing(client.ask(query("prod")), {})[0]["action"] == "none"
    assert "t0ken" not in repr(client)


@pytest.mark.parametrize(
    "answer",
    [
        (403, {"error": {"code": "AuthorizationFailed", "message": "no"}}),
        (200, {"tables": [TABLE], "error": {"code": "PartialError", "message": "half"}}),
    ],
    ids=["refused", "in-part"],
)
def test_half_an_answer_is_none(
    workspace: tuple[LogWorkspace, dict[str, Any]], answer: tuple[int, dict[str, Any]]
) -> None:
    client, talk = workspace
    talk["answer"] = answer
    with pytest.raises(ControlPlaneError, match="whole question") as caught:
        client.ask(query("dev"))
    assert "t0ken" not in str(caught.value)


def test_the_question_is_of_columns_that_the_table_has_and_monitors_write() -> None:
    from datetime import UTC, datetime

    assert set(_COLUMNS) <= set(TABLES["MonitorAlertStates_CL"])
    alert = dict.fromkeys((*_COLUMNS.values(), "signal", "metric", "runbook", "value", "threshold"), "x")
    (row,) = state_rows([alert], "dev", datetime(2026, 11, 26, tzinfo=UTC))
    assert set(_COLUMNS) <= set(row)
    with pytest.raises(DataError, match="lacks columns"):
        firing([{}], {})


def test_the_workspace_is_the_shared_one() -> None:
    project = load("prod").project.name
    assert log_workspace("prod").resource_id.endswith(
        f"/resourceGroups/rg-{project}-shared/providers/Microsoft.OperationalInsights"
        f"/workspaces/log-{project}-shared"
    )


def test_an_environment_that_is_not_in_azure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ci", "alerts", "--env", "local"]) == 2
    assert "mlops alerts list" in " ".join(capsys.readouterr().err.split())

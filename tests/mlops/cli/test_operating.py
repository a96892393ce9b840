"""``mlops alerts list``, ``ack``, ``silence``, ``annotate``, ``close``, ``check``, ``export`` on a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mlops.actions import Subject, request_actions
from mlops.cli.application import run
from modelwatch.alerts.store import AlertStore
from modelwatch.alerts.watching import watch
from tests.modelwatch.alerts.faulty import DAY, monitor, results

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)


class Desk:
    """A store with one open incident, and a command line in front of it."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys
        self.path = home / "monitor" / "alerts.sqlite"

    def measured(self, value: float, ended: timedelta = timedelta(0)) -> None:
        declared = monitor()
        rules = tuple(
            rule.model_copy(update={"owner": None, "route": None, "action": "request_retraining"})
            for rule in declared.rules
        )
        result = results(0, value)
        midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - ended
        result["window"] = {"start": (midnight - DAY).isoformat(), "end": midnight.isoformat()}
        with AlertStore(self.path) as store:
            watch(
                store, declared.model_copy(update={"owner": "ml-platform", "rules": rules}), result, now=NOW
            )
            request_actions(store, "credit", Subject("visits", "classical"), now=NOW, cooldown=7 * DAY)

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        assert run(["alerts", *arguments, "--json"]) == code
        said = self.capsys.readouterr()
        self.errors = said.err
        return json.loads(said.out) if said.out else None


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    desk = Desk(tmp_path, capsys)
    desk.measured(0.3)
    return desk


def test_an_incident_is_looked_after_and_what_was_done_is_kept(desk: Desk) -> None:
    listed = desk("list")
    (incident,) = listed["incidents"]
    assert [(row["rule"], row["state"], row["action"]) for row in listed["alerts"]] == [
        ("drift", "firing", "request_retraining")
    ]
    assert (incident["monitor"], incident["owner"], incident["state"]) == ("credit", "ml-platform", "open")
    assert desk("ack", incident["id"], "--by", "ada")["acknowledged_by"] == "ada"
    assert desk("ack", incident["id"], "--by", "bob", code=1)["acknowledged_by"] == "ada"
    noted = desk("annotate", incident["id"], "Currency was cents", "--outcome", "fixed", "--by", "ada")
    assert [(note["by"], note["text"], note["outcome"]) for note in noted["annotations"]] == [
        ("ada", "Currency was cents", "fixed")
    ]


def test_a_request_waits_for_a_workflow_which_says_what_came_of_it(desk: Desk) -> None:
    (request,) = desk("list")["requests"]
    assert (request["kind"], request["model"], request["outcome"]) == ("retraining", "visits", None)
    arguments = ("close", request["id"], "--outcome", "done", "--note", "version 4")
    assert desk(*arguments)["note"] == "version 4"
    desk(*arguments, code=1)
    assert desk("list")["requests"] == []
    assert [item["outcome"] for item in desk("list", "--all")["requests"]] == ["done"]
    desk("close", request["id"], "--outcome", "won", "--note", "x", code=2)
    assert "one of: done, failed, cancelled" in desk.errors


def test_a_check_tells_people_once_and_holds_back_what_is_silenced(desk: Desk) -> None:
    made = desk("silence", "credit", "--match", "feature=inc*", "--owner", "ada", "--reason", "migration")
    checked = desk("check")
    assert (checked["delivery"]["delivered"], len(checked["delivery"]["silenced"])) == ([], 2)
    assert [item["id"] for item in desk("list")["silences"]] == [made["id"]]
    assert desk("silence", made["id"], "--lift")["lifted"] is True
    assert len(desk("check")["delivery"]["delivered"]) == 2
    assert "incident" in desk.errors
    assert desk("check")["delivery"]["delivered"] == []
    (line,) = (desk.home / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["kind"] == "opened"


def test_a_check_finds_a_monitor_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    desk = Desk(tmp_path, capsys)
    desk.measured(0.05, ended=9 * DAY)
    for _ in range(2):
        (row,) = desk("check", code=1)["monitors"]
        assert row["silent"] is True
    (incident,) = desk("list")["incidents"]
    assert incident["cause"]["kind"] == "not_evaluated"
    desk.measured(0.05)
    assert desk("check")["monitors"][0]["silent"] is False
    told = (desk.home / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in told] == ["opened", "resolved"]


def test_a_check_finds_a_sink_without_its_secret_before_an_incident_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLOPS_LOGS_ENDPOINT", raising=False)
    assert desk("check", "--env", "dev", code=1)["unready"] == {"tables": "MLOPS_LOGS_ENDPOINT"}
    assert "cannot be told: tables: MLOPS_LOGS_ENDPOINT is not set" in desk.errors


def test_the_journal_is_exported_whole_unless_somebody_changed_it(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "journal.jsonl"
    assert run(["alerts", "export", "--out", str(out)]) == 0
    kinds = [json.loads(line)["kind"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert kinds == ["monitor_declared", "incident_opened", "action_requested"]
    import sqlite3

    with sqlite3.connect(desk.path) as connection:
        connection.execute("DROP TRIGGER events_stay")
        connection.execute("UPDATE events SET actor = 'nobody' WHERE seq = 2")
    connection.close()
    assert run(["alerts", "export"]) == 2
    assert run(["alerts", "check"]) == 2
    assert "changed after it was written" in desk.capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ack", "f00"], "There is no such incident"),
        (["silence", "credits", "--owner", "a", "--reason", "b"], "write 'credit'"),
        (["silence", "credit", "--owner", "a", "--reason", "b", "--match", "feature"], "names no pattern"),
        (["silence", "credit", "--owner", "a", "--reason", "b", "--match", "colour=red"], "no such part"),
        (["silence", "credit", "--owner", "a", "--reason", "b", "--hours", "9999"], "30 days"),
        (["silence", "credit", "--reason", "b"], "owner is missing"),
        (["list", "--store", "nowhere.sqlite"], "There is no alert store"),
        (["check", "--env", "prd"], "write 'prod'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_refused_with_the_way_out(
    desk: Desk, arguments: list[str], words: str
) -> None:
    assert run(["alerts", *arguments]) == 2
    said = desk.capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err

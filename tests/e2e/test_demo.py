"""``make demo``: the newcomer's first two minutes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.actions import requests
from mlops.settings import ROOT, load
from modelwatch.alerts.store import AlertStore
from tests.docs.markdown import blocks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def finished(mlops: Any) -> Iterator[subprocess.CompletedProcess[str]]:
    """One run of the demo, shared by the tests of this module."""
    yield mlops("demo", "--json")
    assert mlops.processes() == []


@pytest.fixture(scope="module")
def summary(mlops: Any, finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the run wrote."""
    content: dict[str, Any] = json.loads((mlops.home / "demo" / "summary.json").read_text(encoding="utf-8"))
    assert json.loads(finished.stdout) == content
    return content


def step(summary: dict[str, Any], name: str) -> str:
    return str(next(step["detail"] for step in summary["steps"] if step["name"] == name))


def test_every_step_did_what_it_should(summary: dict[str, Any]) -> None:
    assert [step["name"] for step in summary["steps"]] == [
        "control-plane", "data", "train", "register", "deploy", "quiet", "refusal", "alert", "retrain",
        "rollout", "recovery", "collected",
    ]  # fmt: skip
    assert {step["status"] for step in summary["steps"]} == {"ok"}
    assert all(step["seconds"] >= 0 for step in summary["steps"])


def test_the_alert_fires_after_the_change_with_its_evidence_and_resolves(summary: dict[str, Any]) -> None:
    paged = {alert["rule"]: alert for alert in summary["alerts"] if alert["severity"] != "info"}
    assert set(paged) == {"performance", "calibration"}
    alert = paged["performance"]
    # Row 14,130 comes on the eleventh day, 2026-01-15.
    assert "2026-01-15" <= alert["opened"][:10] <= "2026-01-17"
    assert alert["state"] == "resolved"
    assert alert["resolved"] > alert["opened"]
    low, high = alert["interval"]
    assert alert["threshold"] < low < alert["value"] < high
    assert alert["threshold"] == pytest.approx(alert["baseline_value"] + 0.02)
    assert alert["action"] == "request_retraining"
    assert len({each["incident"] for each in paged.values()}) == 1


def test_drift_is_noted_and_pages_nobody(summary: dict[str, Any]) -> None:
    drift = [alert for alert in summary["alerts"] if alert["rule"] == "input-drift"]
    assert drift
    assert {alert["severity"] for alert in drift} == {"info"}
    assert min(alert["opened"] for alert in drift) < "2026-01-15"


def test_the_retrained_model_took_over_and_the_worse_model_did_not(summary: dict[str, Any]) -> None:
    assert (summary["champion_before"], summary["champion_after"]) == ("1", "2")
    assert "version 1 keeps serving" in step(summary, "refusal")
    assert "comparison.log_loss" in step(summary, "refusal")
    assert "1200 since the change calibrate and judge" in step(summary, "retrain")


def test_every_answered_request_was_collected(summary: dict[str, Any]) -> None:
    rows = summary["rows"]
    assert rows["rows"] == 12_114
    assert rows["sent"] >= 1_000
    # Mirrored requests are collected as well, so there may be more than were answered.
    assert rows["model_inputs"] >= rows["sent"]
    assert rows["model_outputs"] >= rows["sent"]


def test_the_journal_tells_the_story(mlops: Any, summary: dict[str, Any]) -> None:
    with AlertStore(mlops.home / "demo" / "monitoring" / "alerts.sqlite") as store:
        assert store.verify() > 0
        events = [event for event in store.events() if event.kind.startswith(("incident", "action"))]
        (request,) = requests(store)
    assert [event.kind for event in events] == [
        "incident_opened", "incident_opened", "action_requested", "action_started", "action_closed",
        "incident_resolved",
    ]  # fmt: skip
    assert (request.kind, request.model, request.outcome) == ("retraining", "classical", "done")
    assert request.note == f"version {summary['champion_after']}"


def test_people_are_told_once_what_pages_on_the_console_and_all_in_the_file(
    mlops: Any, finished: subprocess.CompletedProcess[str]
) -> None:
    lines = (mlops.home / "demo" / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert [(line["kind"], line["incident"]["severity"]) for line in told] == [
        ("opened", "info"), ("opened", "critical"), ("resolved", "critical"),
    ]  # fmt: skip
    shown = re.findall(
        r"^\[(\w+)\] classical: incident \w+ (opened|is resolved)$", finished.stderr, re.MULTILINE
    )
    assert shown == [("critical", "opened"), ("critical", "is resolved")]


def test_progress_is_visible_throughout(finished: subprocess.CompletedProcess[str]) -> None:
    for position in range(1, 13):
        assert f"[{position:2}/12]" in finished.stderr
    assert "canary: measuring" in finished.stderr
    assert "critical incident opened: calibration, performance" in finished.stderr
    assert "\x1b[" not in finished.stderr


def test_the_report_is_one_file_without_network(summary: dict[str, Any]) -> None:
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert "All 12 steps did what they should" in page
    # The one link is to the file beside it, the monitor's own report.
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == ['href="monitor.html"']
    beside = Path(summary["report"]).with_name("monitor.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', beside) == []
    for heading in ("What production saw", "What people heard", "Retrained, and compared on the newest rows"):
        assert heading in page
    model = load("local").names.model("classical")
    for words in (f"{model}:1", f"{model}:2", "not registered"):
        assert words in page


def test_what_the_readme_does_with_what_the_demo_left(mlops: Any, summary: dict[str, Any]) -> None:
    (block,) = [one for one in blocks() if "MLOPS_HOME=.mlops/demo" in one.text]
    with tempfile.TemporaryDirectory() as folder:
        text = block.text.replace(".mlops/demo", str(mlops.home / "demo"))
        text = text.replace("answers.csv", f"{folder}/answers.csv")
        command = ["bash", "-euo", "pipefail", "-c", text]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        assert len(Path(folder, "answers.csv").read_text(encoding="utf-8").splitlines()) > 1


@pytest.mark.browser
def test_the_report_opens_without_an_error(summary: dict[str, Any], tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium among the system's packages: the report was not opened in a browser")
    options = [
        "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={tmp_path}",
    ]  # fmt: skip
    if os.getuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses its sandbox to root
    shown = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", Path(summary["report"]).as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "All 12 steps did what they should" in shown.stdout
    assert "CONSOLE" not in shown.stderr


def test_a_killed_demo_leaves_no_process_behind(mlops: Any, summary: dict[str, Any]) -> None:
    running = mlops.start("demo")
    while "job: " not in (line := running.stderr.readline()):
        assert line, "the demo ended before it trained"
    running.kill()
    running.communicate(timeout=30)
    deadline = time.monotonic() + 15
    while mlops.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mlops.processes() == []

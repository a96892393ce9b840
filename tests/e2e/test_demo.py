"""``make demo``: the newcomer's first two minutes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
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


def test_every_step_did_what_it_should(summary: dict[str, Any]) -> None:
    assert [step["name"] for step in summary["steps"]] == [
        "control-plane", "data", "train", "register", "deploy", "traffic", "challenger", "rollout", "refusal",
        "collected",
    ]  # fmt: skip
    assert {step["status"] for step in summary["steps"]} == {"ok"}
    assert all(step["seconds"] >= 0 for step in summary["steps"])


def test_the_challenger_took_over_and_the_worse_model_did_not(summary: dict[str, Any]) -> None:
    assert (summary["champion_before"], summary["champion_after"]) == ("1", "2")
    assert summary["alerts"] == []
    refusal = next(step for step in summary["steps"] if step["name"] == "refusal")
    assert "version 2 keeps serving" in refusal["detail"]
    assert "comparison.log_loss" in refusal["detail"]


def test_every_answered_request_was_collected(summary: dict[str, Any]) -> None:
    rows = summary["rows"]
    assert rows["sent"] >= 500
    # Mirrored requests are collected as well, so there may be more than were answered.
    assert rows["model_inputs"] >= rows["sent"]
    assert rows["model_outputs"] >= rows["sent"]


def test_progress_is_visible_throughout(finished: subprocess.CompletedProcess[str]) -> None:
    for position in range(1, 11):
        assert f"[{position:2}/10]" in finished.stderr
    assert "canary: measuring" in finished.stderr
    assert "\x1b[" not in finished.stderr


def test_the_report_is_one_file_without_network(summary: dict[str, Any]) -> None:
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert "All 10 steps did what they should" in page
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    for name in ("mlops-classical:1", "mlops-classical:2", "not registered"):
        assert name in page


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
    assert "All 10 steps did what they should" in shown.stdout
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

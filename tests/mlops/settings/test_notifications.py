"""Settings of notifications: what is refused, with file, line and the way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlops.errors import SettingsError
from mlops.settings import ROOT, load

MAIL = "kind: email, host: h, sender: a@b.example"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "environments", tmp_path / "environments", ignore=shutil.ignore_patterns("locks"))
    return tmp_path


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ("routes: {ops: [consle]}", "notifications.routes.ops.0", ["'console'"]),
        ("routes: {ops: [console, console]}", "notifications.routes.ops.1", ["each sink once"]),
        ("routes: {ops: []}", "notifications.routes.ops", ["at least 1 item"]),
        (
            "sinks: {hook: {kind: webhook, url: 'https://a.example/T0ken'}}",
            "hook.webhook.url",
            ["format, include_rows, kind, url_variable"],
        ),
        ("sinks: {hook: {kind: webhook, url_variable: 'https://a.example'}}", "url_variable", ["[A-Z]"]),
        ("sinks: {hook: {kind: pager}}", "notifications.sinks.hook", ["console", "opentelemetry"]),
        (
            f"sinks: {{m: {{{MAIL}, username_variable: U}}}}",
            "sinks.m.email",
            ["come together"],
        ),
        (
            f"sinks: {{m: {{{MAIL}, security: none, username_variable: U, password_variable: P}}}}",
            "sinks.m.email",
            ["in the clear"],
        ),
        (
            "sinks: {g: {kind: github_issue, api_url: 'http://ghe.example/api/v3'}}",
            "api_url",
            ["https://"],
        ),
    ],
)
def test_a_mistake_names_its_line_and_its_remedy(
    root: Path, written: str, key: str, words: list[str]
) -> None:
    path = root / "environments" / "dev.yaml"
    text = f"{path.read_text(encoding='utf-8')}\nnotifications:\n  {written}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load("dev", root)
    said = str(caught.value)
    assert f"dev.yaml:{len(text.splitlines())} (" in said
    for word in (key, *words):
        assert word in said
    assert "T0ken" not in said

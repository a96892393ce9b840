"""What leaves the machine: within each receiver's published limits, never as markup, never with rows."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from mlops.notifications.content import MOST_ALERTS, Content, document
from mlops.notifications.github import BODY_CHARACTERS, GitHubIssues
from mlops.notifications.mail import Email
from mlops.notifications.plain import Console
from mlops.notifications.webhook import slack_message, teams_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelwatch.alerts.outbox import Notification

MAIL = Email("mail", "mail.example", 25, "none", "monitor@example.com", {}, recipients=("a@example.com",))
ISSUES = GitHubIssues("issues", "acme/risk", "t0ken")
PAYLOADS: dict[str, Callable[[Notification], str]] = {
    "json": lambda item: json.dumps(document(item)),
    "teams": lambda item: json.dumps(teams_message(item)),
    "slack": lambda item: json.dumps(slack_message(item)),
    "github": lambda item: json.dumps(ISSUES._new(item)),
    "mail": lambda item: MAIL.message(item).as_string(),
    "text": lambda item: Content.of(item).text(),
}


def every(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from every(item)


def test_the_words_say_what_happened_why_and_what_to_do(notification: Notification) -> None:
    content = Content.of(notification)
    assert content.title == "[critical] credit: incident f09bed640bfb opened"
    assert content.cause == "income: values are 1000 times as large."
    assert ("Runbook", "runbooks/drift.md") in content.facts
    # The value that people are told for, with its bound and its evidence.
    assert content.alerts == (
        "inputs population_stability_index income country=FR: 0.6123 (0.5 to 0.7), bound 0.25, q = 2e-08",
    )


@pytest.mark.parametrize("kind", PAYLOADS)
def test_rows_stay_here_unless_a_sink_may_send_them(hostile: Notification, kind: str) -> None:
    payload = PAYLOADS[kind](hostile)
    assert "Lovelace" not in payload
    assert "Hopper" not in payload
    assert "Grace Hopper" in json.dumps(document(hostile, include_rows=True))
    assert "Grace Hopper" in Content.of(hostile, include_rows=True).text()


@pytest.mark.parametrize("kind", PAYLOADS)
def test_no_control_character_leaves(hostile: Notification, kind: str) -> None:
    if kind == "json":
        return
    text = PAYLOADS[kind](hostile)
    assert "\x1b" not in text
    assert "\\u001b" not in text


def test_fields_that_nobody_named_stay_here(later: Callable[..., Notification]) -> None:
    item = later("opened", 0, annotations=[{"text": "call Ada"}], anything="else")
    assert {"anything", "annotations"}.isdisjoint(document(item)["incident"])


def test_a_document_holds_the_most_important_alerts_and_their_number(hostile: Notification) -> None:
    incident = document(hostile)["incident"]
    assert incident["alert_count"] == 400
    assert len(incident["alerts"]) == MOST_ALERTS


@pytest.mark.parametrize("rows", [False, True])
def test_a_teams_message_is_an_adaptive_card_within_its_limit(hostile: Notification, rows: bool) -> None:
    message = teams_message(hostile, rows)
    assert len(json.dumps(message).encode()) <= 28 * 1024
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    colours = {"default", "dark", "light", "accent", "good", "warning", "attention"}
    for element in card["body"]:
        # Of all elements with text, this is the one that reads no Markdown.
        assert element["type"] == "RichTextBlock"
        for run in element["inlines"]:
            assert run["type"] == "TextRun"
            assert isinstance(run["text"], str)
            assert run["text"]
            assert run.keys() <= {"type", "text", "weight", "size", "color"}
            assert run.get("color", "default") in colours


@pytest.mark.parametrize("rows", [False, True])
def test_a_slack_message_keeps_block_kits_limits_and_reads_no_markup(
    hostile: Notification, rows: bool
) -> None:
    message = slack_message(hostile, rows)
    assert len(message["blocks"]) <= 50
    assert "<" not in message["text"]
    for block in message["blocks"]:
        assert block["type"] in {"header", "section"}
        assert len(block.get("fields", ())) <= 10
        texts = [block["text"]] if "text" in block else block["fields"]
        most = {"header": 150}.get(block["type"], 3000 if "text" in block else 2000)
        for text in texts:
            assert text["type"] == "plain_text"
            assert 1 <= len(text["text"]) <= most
    assert not any(item.get("type") == "mrkdwn" for item in every(message))


def test_an_issue_keeps_githubs_limits_and_calls_nobody(hostile: Notification) -> None:
    new = ISSUES._new(hostile)
    assert len(new["title"]) <= 256
    assert len(new["body"].encode()) <= BODY_CHARACTERS
    _, fence, *text, end = new["body"].splitlines()[1:]
    # Whatever runs of backticks the text has, its fence is longer: the text cannot leave its block.
    assert fence == f"{end}text"
    assert end not in "\n".join(text)
    assert "@everyone" in "\n".join(text)


def test_no_line_out_of_data_becomes_a_header_of_a_mail(hostile: Notification) -> None:
    message = MAIL.message(hostile)
    assert message["Bcc"] is None
    assert message["To"] == "a@example.com"


def test_a_console_gets_lines_and_no_commands(hostile: Notification) -> None:
    stream = io.StringIO()
    Console("console", stream).deliver(hostile)
    assert all(char.isprintable() or char == "\n" for char in stream.getvalue())
    assert "and 350 more" in stream.getvalue()

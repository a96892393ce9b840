"""Webhooks: a JSON document of ours, an Adaptive Card for Teams, or blocks for Slack.

The address is the secret. The key goes along in every case, as the header ``Idempotency-Key`` (a quoted
string, as the IETF's draft has it): a receiver of ours can tell a repetition by it; Teams and Slack take no
notice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.notifications.content import Content, document, shortened
from mlops.notifications.http import send_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops.notifications.http import Address
    from modelwatch.alerts.outbox import Notification

__all__ = ["Webhook", "slack_message", "teams_message"]

Format = Literal["json", "teams", "slack"]

TEAMS_BYTES: Final = 28 * 1024
"""The size of a message to a Teams webhook, as Microsoft documents its limit."""
SLACK_HEADER: Final = 150
SLACK_TEXT: Final = 3000
SLACK_FIELD: Final = 2000
SLACK_FIELDS: Final = 10
"""Slack's reference of Block Kit: characters of a header, a section and a field; fields of a section."""

_ALERTS: Final = 10
_TEAMS_COLOURS: Final = {"critical": "attention", "warning": "warning"}
_SLACK_SIGNS: Final = {"critical": ":red_circle:", "warning": ":large_orange_circle:"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """One POST per notification."""

    name: str
    address: Address
    format: Format = "json"
    include_rows: bool = False

    def deliver(self, notification: Notification) -> None:
        """Post it."""
        payload = _PAYLOADS[self.format](notification, self.include_rows)
        send_json("POST", self.address, payload, headers={"Idempotency-Key": json.dumps(notification.key)})

    def delivered(self, notification: Notification) -> None:
        """Nobody can ask a webhook: it takes, and answers no questions."""


def teams_message(notification: Notification, include_rows: bool = False) -> dict[str, Any]:
    """Return the message that a Teams workflow or incoming webhook takes: one Adaptive Card, version 1.4.

    All text stands in runs of a RichTextBlock, which is the one element that reads no Markdown.
    """
    content = Content.of(notification, include_rows=include_rows)
    for alerts in (_ALERTS, 3, 0):
        message = _card(notification, content, alerts)
        if len(json.dumps(message).encode()) <= TEAMS_BYTES:
            return message
    return _card(
        notification, Content(content.title, content.severity, content.cause, content.facts, (), ()), 0
    )


def slack_message(notification: Notification, include_rows: bool = False) -> dict[str, Any]:
    """Return blocks for a Slack incoming webhook; every text is ``plain_text``, which reads no markup."""
    content = Content.of(notification, include_rows=include_rows)
    sign = _SLACK_SIGNS.get(content.severity, ":large_blue_circle:")
    fields = [_plain(f"{label}: {value}", SLACK_FIELD) for label, value in content.facts[:SLACK_FIELDS]]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(f"{sign} {content.title}", SLACK_HEADER)}
    ]
    paragraphs = (content.cause, "\n".join(content.ranked(_ALERTS)), "\n".join(content.rows))
    blocks += [{"type": "section", "text": _plain(text, SLACK_TEXT)} for text in paragraphs if text]
    blocks.append({"type": "section", "fields": fields})
    # What notifications and screen readers show instead of the blocks; Slack reads markup here.
    return {"text": _escaped(content.title), "blocks": blocks}


def _card(notification: Notification, content: Content, alerts: int) -> dict[str, Any]:
    colour = (
        "good"
        if notification.kind in {"resolved", "retracted"}
        else _TEAMS_COLOURS.get(content.severity, "accent")
    )
    body = [_runs({"text": content.title, "weight": "bolder", "size": "medium", "color": colour})]
    if content.cause:
        body.append(_runs({"text": content.cause}))
    body += [
        _runs({"text": f"{label}: ", "weight": "bolder"}, {"text": value}) for label, value in content.facts
    ]
    body += [_runs({"text": line}) for line in (*content.ranked(alerts), *content.rows)]
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": content.title,
                    "body": body,
                    "msteams": {"width": "Full"},
                },
            }
        ],
    }


def _runs(*runs: dict[str, str]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run} for run in runs]}


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": shortened(text, most)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_PAYLOADS: Final[Mapping[Format, Callable[[Notification, bool], dict[str, Any]]]] = MappingProxyType(
    {
        "json": lambda notification, rows: document(notification, include_rows=rows),
        "teams": teams_message,
        "slack": slack_message,
    }
)

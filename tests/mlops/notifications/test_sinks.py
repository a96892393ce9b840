"""Sinks against real receivers on the loopback."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from mlops.notifications.github import GitHubIssues
from mlops.notifications.http import Address
from mlops.notifications.mail import Email, Login
from mlops.notifications.plain import File
from mlops.notifications.telemetry import OpenTelemetry
from mlops.notifications.webhook import Webhook
from modelwatch.alerts.outbox import SinkError
from tests.mlops.notifications.servers import GitHub, Reply, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modelwatch.alerts.outbox import Notification


# Webhooks


@pytest.mark.parametrize("form", ["json", "teams", "slack"])
def test_a_webhook_gets_one_post_with_the_key(notification: Notification, form: Any) -> None:
    with receiver(lambda request: Reply(202)) as server:
        Webhook("hook", Address(server.url, "$HOOK"), form).deliver(notification)
    (request,) = server.requests
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == '"f09bed640bfb/0"'
    assert {"json": "incident", "teams": "attachments", "slack": "blocks"}[form] in request.json


@pytest.mark.parametrize(
    ("reply", "refused", "retry_after"),
    [
        (Reply(400), True, None),
        (Reply(413), True, None),
        (Reply(404), False, None),
        (Reply(500), False, None),
        (Reply(429, headers={"Retry-After": "17"}), False, 17.0),
        (Reply(403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}), False, 0.0),
        (Reply(302, headers={"Location": "http://127.0.0.1:9/stolen"}), False, None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
def test_an_answer_tells_a_bad_message_from_a_bad_day(
    notification: Notification, reply: Reply, refused: bool, retry_after: float | None
) -> None:
    with receiver(lambda request: reply) as server, pytest.raises(SinkError) as caught:
        Webhook("hook", Address(server.url, "$HOOK")).deliver(notification)
    assert len(server.requests) == 1, "a redirect would carry the secret elsewhere"
    assert (caught.value.refused, caught.value.retry_after) == (refused, retry_after)


def test_a_date_to_come_back_at_is_understood(notification: Notification) -> None:
    when = datetime.now(UTC) + timedelta(minutes=10)
    reply = Reply(503, headers={"Retry-After": when.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    with receiver(lambda request: reply) as server, pytest.raises(SinkError) as caught:
        Webhook("hook", Address(server.url, "$HOOK")).deliver(notification)
    assert 500 < (caught.value.retry_after or 0) <= 600


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/T0ken", "http://no such host/T0ken", "ftp://host/T0ken", "T0ken"]
)
def test_no_error_and_no_log_shows_the_address_of_a_webhook(
    notification: Notification, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Webhook("hook", Address(url, "the address in TEAMS_URL"))
    with caplog.at_level(logging.DEBUG), pytest.raises(SinkError) as caught:
        hook.deliver(notification)
    shown = "".join(traceback.format_exception(caught.value))
    assert "TEAMS_URL" in shown
    assert "T0ken" not in f"{shown}{hook!r}{caplog.text}"


# A file


def test_a_file_has_each_key_once_and_no_half_lines(
    notification: Notification, later: Callable[..., Notification], tmp_path: Path
) -> None:
    sink = File("log", tmp_path / "new" / "log.jsonl")
    assert sink.delivered(notification) is False
    sink.deliver(notification)
    sink.deliver(notification)
    with sink.path.open("ab") as stream:
        stream.write(b'{"key": "half of a li')
    assert sink.delivered(notification) is True
    sink.deliver(later("resolved", 1))
    lines = [json.loads(line) for line in sink.path.read_text(encoding="utf-8").splitlines()]
    assert [line["key"] for line in lines] == ["f09bed640bfb/0", "f09bed640bfb/1"]


def test_a_file_that_is_something_else_is_left_alone(notification: Notification, tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text("dear diary\n", encoding="utf-8")
    with pytest.raises(SinkError, match="something else"):
        File("log", path).deliver(notification)
    assert path.read_text(encoding="utf-8") == "dear diary\n"


def test_a_file_that_cannot_be_written_is_a_sink_that_is_down(
    notification: Notification, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SinkError) as caught:
        File("log", tmp_path / "file" / "log.jsonl").deliver(notification)
    assert not caught.value.refused


# Mail


class Mailbox:
    """What the SMTP server hands mails to."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return self.answer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def mailbox(server_context: ssl.SSLContext) -> Iterator[tuple[Mailbox, int]]:
    """A mail server that wants TLS and a login before it takes anything."""
    box = Mailbox()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"monitor", b"S3cret"), handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=server_context,
        require_starttls=True,
        auth_required=True,
        authenticator=login,
    )
    controller.start()
    yield box, port
    controller.stop()


def mail_to(port: int, authority: trustme.CA, **changes: Any) -> Email:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    sink = Email(
        "mail",
        host="127.0.0.1",
        port=port,
        security="starttls",
        sender="monitor@example.com",
        owners={"data-science": ["ada@example.com", "grace@example.com"]},
        login=Login("monitor", "S3cret"),
        context=context,
    )
    return replace(sink, **changes)


def test_mails_of_an_incident_are_one_conversation_with_fixed_ids(
    notification: Notification,
    later: Callable[..., Notification],
    mailbox: tuple[Mailbox, int],
    authority: trustme.CA,
) -> None:
    box, port = mailbox
    sink = mail_to(port, authority)
    receipts = [sink.deliver(item) for item in (notification, notification, later("resolved", 1))]
    (recipients, first), (_, again), (_, resolved) = box.mails
    assert recipients == ["ada@example.com", "grace@example.com"]
    assert first["Message-ID"] == again["Message-ID"] == receipts[0] != resolved["Message-ID"]
    assert first["References"] == resolved["References"]
    assert first["Subject"] == "[critical] credit: incident f09bed640bfb opened"
    assert "runbooks/drift.md" in first.get_payload(decode=True).decode()


def test_a_mail_server_that_is_not_what_it_says_gets_no_password(
    notification: Notification, mailbox: tuple[Mailbox, int], authority: trustme.CA
) -> None:
    box, port = mailbox
    with pytest.raises(SinkError) as caught:
        mail_to(port, authority, context=ssl.create_default_context()).deliver(notification)
    assert not caught.value.refused
    with pytest.raises(SinkError) as caught:
        mail_to(port, authority, login=Login("monitor", "wr0ng")).deliver(notification)
    assert "wr0ng" not in f"{caught.value}{mail_to(port, authority)!r}"
    assert box.mails == []


@pytest.mark.parametrize(("answer", "refused"), [("451 later", False), ("554 no", True)])
def test_a_mail_servers_answer_tells_a_bad_mail_from_a_bad_day(
    notification: Notification,
    mailbox: tuple[Mailbox, int],
    authority: trustme.CA,
    answer: str,
    refused: bool,
) -> None:
    box, port = mailbox
    box.answer = answer
    with pytest.raises(SinkError) as caught:
        mail_to(port, authority).deliver(notification)
    assert caught.value.refused is refused


def test_a_mail_without_a_known_owner_says_whom_to_name(
    later: Callable[..., Notification], authority: trustme.CA
) -> None:
    with pytest.raises(SinkError, match=r"platform\.owners: data-science"):
        mail_to(1, authority).deliver(later("opened", 0, owner="nobody"))


# GitHub


def test_an_incident_is_one_issue_from_its_opening_to_its_end(
    notification: Notification, later: Callable[..., Notification]
) -> None:
    github = GitHub("t0ken")
    with receiver(github) as server:
        github.url = server.url
        sink = GitHubIssues("issues", "acme/risk", "t0ken", api_url=server.url)
        others = [
            replace(notification, key=f"{n}/0", incident={**notification.incident, "id": str(n)})
            for n in range(5)
        ]
        for other in others:
            sink.deliver(other)
        assert sink.delivered(notification) is False
        address = sink.deliver(notification)
        assert sink.delivered(notification) is True
        escalated, resolved = later("escalated", 1), later("resolved", 2)
        for item in (escalated, escalated, resolved, resolved):
            assert sink.deliver(item) == address
        assert sink.delivered(resolved) is True
    assert len(github.issues) == 6
    issue = github.issues[-1]
    assert issue["labels"] == ["monitor-incident"]
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert len(github.comments[6]) == 2
    assert "is resolved" in github.comments[6][1]["body"]
    with receiver(github) as server:
        github.url = server.url
        sink = replace(sink, api_url=server.url)
        reopened = later("reopened", 3)
        assert sink.delivered(reopened) is False
        sink.deliver(reopened)
        assert sink.delivered(reopened) is True
    assert (issue["state"], issue["state_reason"]) == ("open", "reopened")


@pytest.mark.parametrize("lost", range(4))
def test_an_issue_whose_answers_get_lost_is_still_one(
    notification: Notification, later: Callable[..., Notification], lost: int
) -> None:
    github = GitHub("t0ken", fails_after=lost)
    with receiver(github) as server:
        github.url = server.url
        sink = GitHubIssues("issues", "acme/risk", "t0ken", api_url=server.url)
        for item in (notification, later("escalated", 1), later("retracted", 2)):
            for _ in range(3):
                try:
                    sink.deliver(item)
                except SinkError:
                    github.fails_after = None
            assert sink.delivered(item) is True
    (issue,) = github.issues
    assert (issue["state"], issue["state_reason"]) == ("closed", "not_planned")
    assert len(github.comments[1]) == 2


def test_a_wrong_token_is_told_without_the_token(notification: Notification) -> None:
    with receiver(GitHub("t0ken")) as server:
        sink = GitHubIssues("issues", "acme/risk", "0ther", api_url=server.url)
        with pytest.raises(SinkError) as caught:
            sink.deliver(notification)
    assert "status 401" in str(caught.value)
    assert "0ther" not in f"{caught.value}{sink!r}"


def test_a_token_follows_no_link_to_another_host(notification: Notification) -> None:
    reply = Reply(200, b"[]", {"Link": '<http://127.0.0.1:9/repos?page=2>; rel="next"'})
    with receiver(lambda request: reply) as server:
        assert (
            GitHubIssues("issues", "acme/risk", "t0ken", api_url=server.url).delivered(notification) is False
        )
    assert len(server.requests) == 1


# OpenTelemetry


def test_a_collector_gets_a_log_record_of_the_official_protocol(notification: Notification) -> None:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    with receiver() as server:
        OpenTelemetry("otel", Address(f"{server.url}/base", "$OTEL"), "prod", {"api-key": "k"}).deliver(
            notification
        )
    (request,) = server.requests
    assert request.path == "/base/v1/logs"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["api-key"] == "k"
    (logs,) = ExportLogsServiceRequest.FromString(request.body).resource_logs
    resource = {item.key: item.value.string_value for item in logs.resource.attributes}
    assert resource == {"service.name": "mlops-monitor", "deployment.environment.name": "prod"}
    (record,) = logs.scope_logs[0].log_records
    attributes = {item.key: item.value.string_value for item in record.attributes}
    assert attributes["mlops.notification.key"] == "f09bed640bfb/0"
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert record.event_name == "mlops.incident.opened"
    assert record.time_unix_nano == int(notification.at.timestamp()) * 10**9


def test_a_record_that_a_collector_rejects_has_not_arrived(notification: Notification) -> None:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    reply = logs_service_pb2.ExportLogsServiceResponse(
        partial_success=logs_service_pb2.ExportLogsPartialSuccess(rejected_log_records=1)
    ).SerializeToString()
    with receiver(lambda request: Reply(200, reply)) as server, pytest.raises(SinkError) as caught:
        OpenTelemetry("otel", Address(server.url, "$OTEL"), "prod").deliver(notification)
    assert caught.value.refused

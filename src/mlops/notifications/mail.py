"""E-mail over SMTP."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal

from mlops.notifications.content import Content
from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelwatch.alerts.outbox import Notification

__all__ = ["Email", "Login"]

TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in to the mail server."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Email:
    """One mail per notification; all mails of an incident form one conversation.

    Message ids derive from the notification, so a mail server or a client that sees one twice knows it
    (RFC 5322 section 3.6.4); no server can be asked what has arrived.

    Parameters
    ----------
    owners
        Addresses by owner.
    recipients
        Addresses instead of the owner's.
    context
        TLS settings; the system's authorities by default.
    """

    name: str
    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    owners: Mapping[str, Sequence[str]]
    recipients: tuple[str, ...] = ()
    login: Login | None = None
    include_rows: bool = False
    context: ssl.SSLContext | None = None

    def deliver(self, notification: Notification) -> str:
        """Hand the mail to the server."""
        message = self.message(notification)
        try:
            server = self._connect()
            try:
                refused = server.send_message(message)
            finally:
                # It has been taken, or not: how the connection ends changes nothing of that.
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            raise self._error("The mail server refuses every recipient", error, refused=True) from None
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            # 5xx is about this mail; everything else may pass.
            permanent = 500 <= error.smtp_code < 600
            raise self._error("The mail server refuses the mail", error, refused=permanent) from None
        except (smtplib.SMTPException, OSError) as error:
            raise self._error("The mail server did not take the mail", error) from None
        receipt = str(message["Message-ID"])
        return f"{receipt}; refused: {', '.join(sorted(refused))}" if refused else receipt

    def delivered(self, notification: Notification) -> None:
        """No mail server says what has arrived."""

    def message(self, notification: Notification) -> EmailMessage:
        """Return the mail."""
        content = Content.of(notification, include_rows=self.include_rows)
        message = EmailMessage()
        message["Subject"] = content.title
        message["From"] = self.sender
        message["To"] = ", ".join(self._to(notification))
        message["Date"] = format_datetime(notification.at)
        message["Message-ID"] = self._id(notification.key)
        message["References"] = self._id(f"incident {notification.incident_id}")
        # RFC 3834: no out-of-office answers, please.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(content.text())
        return message

    def _to(self, notification: Notification) -> Sequence[str]:
        owner = str(notification.incident.get("owner"))
        addresses = self.recipients or self.owners.get(owner)
        if not addresses:
            raise SinkError(
                "Nobody's address is known for the incident",
                where=f"sink {self.name}",
                got=f"owner {owner}",
                expected=f"one of platform.owners: {', '.join(self.owners)}",
                next_step="name the owner there, or give the sink recipients",
                refused=True,
            )
        return addresses

    def _id(self, text: str) -> str:
        domain = self.sender.rpartition("@")[2]
        return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@{domain}>"

    def _connect(self) -> smtplib.SMTP:
        context = self.context or ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=context)
            if self.security == "tls"
            else smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        )
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.login is not None:
                server.login(self.login.username, self.login.password)
        except BaseException:
            server.close()
            raise
        return server

    def _error(self, what: str, error: Exception, *, refused: bool = False) -> SinkError:
        # The server's own words may quote the mail: the code says enough.
        code = getattr(error, "smtp_code", None)
        return SinkError(
            what,
            where=f"{self.host}:{self.port}",
            got=f"{type(error).__name__}{f' {code}' if code else ''}",
            refused=refused,
        )

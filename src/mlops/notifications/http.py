"""One request to a receiver whose address may be a secret.

The standard library's client: `requests` logs paths, which are the secret of a webhook, and takes its
authorities from a variable that belongs to the control plane of a laptop. Redirects are not followed: they
would carry a secret somewhere else, and turn a POST into a GET.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from modelwatch.alerts.outbox import SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "Answer", "send", "send_json"]

TIMEOUT: Final = 30.0
# What says that this message is wrong, rather than that the receiver is out of reach or out of order.
_REFUSED: Final = frozenset({400, 405, 406, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Address:
    """An address, and what may be said of it.

    Parameters
    ----------
    url
        The address itself; never shown.
    shown
        What errors name instead, such as the variable that it came from.
    """

    url: str
    shown: str

    def __repr__(self) -> str:
        return f"Address({self.shown})"

    def at(self, path: str) -> Address:
        """Return an address below this one."""
        return Address(f"{self.url.rstrip('/')}/{path.lstrip('/')}", self.shown)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


def send_json(
    method: str, address: Address, value: Any = None, *, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send a JSON document, or nothing; see :func:`send`."""
    data = None if value is None else json.dumps(value, allow_nan=False).encode()
    return send(method, address, data, headers={"Content-Type": "application/json", **(headers or {})})


def send(
    method: str, address: Address, data: bytes | None, *, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request.

    Raises
    ------
    SinkError
        No answer, or one that is no success. It names ``address.shown`` and never the address.
    """
    if urlsplit(address.url).scheme not in {"http", "https"}:
        raise SinkError("The address of a sink is no web address", where=address.shown, expected="https://…")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        address.url,
        data=data,
        method=method,
        headers={"User-Agent": "mlops-notifications", **(headers or {})},
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return Answer(response.status, dict(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, address) from None
    except (OSError, ValueError, HTTPException) as error:
        # Never the error's own text, which may hold the address.
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise SinkError(
            "The receiver cannot be reached", where=address.shown, got=type(cause).__name__
        ) from None


def _refusal(error: urllib.error.HTTPError, address: Address) -> SinkError:
    headers = dict(error.headers.items())
    return SinkError(
        "The receiver did not take the notification",
        where=address.shown,
        got=f"status {error.code}",
        expected="a status from 200 to 299",
        next_step="check the sink's settings and the secret that they name"
        if error.code in {301, 302, 303, 307, 308, 401, 403, 404, 410}
        else None,
        retry_after=_retry_after(headers),
        refused=error.code in _REFUSED,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a receiver asked for: RFC 9110 section 10.2.3, and GitHub's rate limit."""
    lower = {key.lower(): value for key, value in headers.items()}
    now = datetime.now(UTC)
    if (text := lower.get("retry-after")) is not None:
        if text.strip().isdigit():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
        except (TypeError, ValueError):
            return None
    if lower.get("x-ratelimit-remaining") == "0" and lower.get("x-ratelimit-reset", "").isdigit():
        return max(0.0, float(lower["x-ratelimit-reset"]) - now.timestamp())
    return None

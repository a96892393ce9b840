"""Shared access signatures: made for the client, and checked when it comes back with one.

Service signatures over a container or a blob, signed with the account key. The string to sign is
the one that the storage service documents for versions from 2018-11-09.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "2021-12-02"
_OLDEST: Final = "2018-11-09"
# From this version on the encryption scope is part of what is signed.
_WITH_ENCRYPTION_SCOPE: Final = "2020-12-06"
_RESPONSE_HEADERS: Final = ("rscc", "rscd", "rsce", "rscl", "rsct")


def container_token(account: str, key: str, container: str, *, permissions: str, hours: float) -> str:
    """Return the query string of a signature over a whole container."""
    start = datetime.now(UTC) - timedelta(minutes=5)  # clocks differ, as the service's own documents advise
    query = {
        "sv": VERSION,
        "st": _text(start),
        "se": _text(datetime.now(UTC) + timedelta(hours=hours)),
        "sr": "c",
        "sp": permissions,
    }
    query["sig"] = _sign(key, _string_to_sign(query, f"/blob/{account}/{container}"))
    return urlencode(query)


def check(
    query: Mapping[str, str], *, account: str, key: str, container: str, blob: str, permissions: str
) -> None:
    """Refuse a request whose signature is wrong, expired, or grants none of `permissions`.

    Parameters
    ----------
    query
        Parameters of the request.
    permissions
        Letters of which one is enough, such as ``"cw"`` for a write.

    Raises
    ------
    AzureError
        403 ``AuthenticationFailed`` or ``AuthorizationPermissionMismatch``.
    """
    version, resource = query.get("sv", ""), query.get("sr", "")
    if version < _OLDEST or "skoid" in query or resource not in {"b", "c"}:
        raise _failed(
            "Only service signatures over a container or a blob, signed with the key, are accepted."
        )
    path = f"/blob/{account}/{container}" + (f"/{blob}" if resource == "b" else "")
    expected = _sign(key, _string_to_sign(query, path))
    if not hmac.compare_digest(expected, query.get("sig", "")):
        raise _failed("Signature did not match. The signed resource, the parameters or the key differ.")
    now = datetime.now(UTC)
    if not query.get("se") or _time(query["se"]) <= now:
        raise _failed(f"Signature not valid in the specified time frame: expired at {query.get('se')}.")
    if query.get("st") and _time(query["st"]) > now:
        raise _failed(f"Signature not valid in the specified time frame: starts at {query['st']}.")
    if not set(permissions) & set(query.get("sp", "")):
        raise AzureError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission: "
            f"it needs one of '{permissions}', the signature grants '{query.get('sp', '')}'.",
        )


def _string_to_sign(query: Mapping[str, str], path: str) -> str:
    fields = [query.get(name, "") for name in ("sp", "st", "se")]
    fields += [path, *(query.get(name, "") for name in ("si", "sip", "spr", "sv", "sr")), ""]  # no snapshot
    if query["sv"] >= _WITH_ENCRYPTION_SCOPE:
        fields.append(query.get("ses", ""))
    return "\n".join([*fields, *(query.get(name, "") for name in _RESPONSE_HEADERS)])


def _sign(key: str, text: str) -> str:
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _failed(f"'{text}' is not a time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _failed(detail: str) -> AzureError:
    return AzureError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
        f"correctly including the signature. {detail}",
    )

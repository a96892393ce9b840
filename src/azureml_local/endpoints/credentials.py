"""Keys and tokens of online endpoints: made, kept and checked here, handed out by the ARM routes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azureml_local.store import ResourceStore

__all__ = ["Authenticator", "EndpointCredentials", "EndpointKeys", "EndpointToken", "Refusal"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS endpoint_credentials (
  endpoint TEXT PRIMARY KEY,
  primary_key TEXT NOT NULL,
  secondary_key TEXT NOT NULL,
  signing_key TEXT NOT NULL
)
"""
_TOKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class EndpointKeys:
    """The two keys of an endpoint with key authentication; either one is good."""

    primary: str
    secondary: str


@dataclass(frozen=True, slots=True)
class EndpointToken:
    """A token for an endpoint with Azure ML token authentication; times are seconds since 1970."""

    access_token: str
    expires_at: int
    refresh_after: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a scoring request is not let in: the service answers with the reason as plain text."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Checks the bearer value of scoring requests to one endpoint.

    Keys and signing key are held here so that a request costs no look into the store.
    """

    mode: str
    endpoint: str
    keys: EndpointKeys
    signing_key: str
    verify_entra: Callable[[str | None], object] | None

    def check(self, authorization: str | None) -> Refusal | None:
        """Return None when the request may pass."""
        scheme, _, credential = (authorization or "").partition(" ")
        mode = self.mode.lower()
        prefix = {"key": "key_auth", "amltoken": "token_auth"}.get(mode, "aad_auth")
        if scheme.lower() != "bearer" or not credential:
            return Refusal(401, f"{prefix}_bad_header_forbidden")
        if mode == "key":
            given = credential.encode()
            # Both are compared, always: the time taken tells nothing.
            first = hmac.compare_digest(given, self.keys.primary.encode())
            second = hmac.compare_digest(given, self.keys.secondary.encode())
            return None if first or second else Refusal(401, "key_auth_access_denied")
        if mode == "amltoken":
            return self._check_token(credential)
        return self._check_entra(authorization)

    def _check_token(self, token: str) -> Refusal | None:
        payload, _, signature = token.rpartition(".")
        if not hmac.compare_digest(_signature(self.signing_key, payload).encode(), signature.encode()):
            return Refusal(401, "token_auth_access_denied")
        endpoint, _, expires_at = base64.urlsafe_b64decode(payload).decode().rpartition(" ")
        if endpoint != self.endpoint:
            return Refusal(403, "token_auth_access_denied")
        return Refusal(401, "token_auth_expired") if int(expires_at) <= time.time() else None

    def _check_entra(self, authorization: str | None) -> Refusal | None:
        if self.verify_entra is None:
            return Refusal(401, "aad_auth_access_denied")
        try:
            self.verify_entra(authorization)
        except AzureError:
            return Refusal(401, "aad_auth_access_denied")
        return None


class EndpointCredentials:
    """The credentials of every endpoint, kept beside the resources."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        with store.transaction() as connection:
            connection.execute(_SCHEMA)

    def keys(self, endpoint_id: str) -> EndpointKeys:
        """Return the keys; they are made when first asked for."""
        return self._row(endpoint_id)[0]

    def set_keys(
        self, endpoint_id: str, *, primary: str | None = None, secondary: str | None = None
    ) -> EndpointKeys:
        """Replace one key or both."""
        with self._store.transaction() as connection:
            old = self.keys(endpoint_id)
            new = EndpointKeys(primary or old.primary, secondary or old.secondary)
            connection.execute(
                "UPDATE endpoint_credentials SET primary_key = ?, secondary_key = ? WHERE endpoint = ?",
                (new.primary, new.secondary, endpoint_id.lower()),
            )
        return new

    def regenerate(self, endpoint_id: str, key: str, value: str | None = None) -> EndpointKeys:
        """Replace one key; the other stays good.

        Parameters
        ----------
        endpoint_id
            ARM id of the endpoint.
        key
            ``Primary`` or ``Secondary``.
        value
            What the key is set to. The SDK sends the present one when it wants a new one.
        """
        old = self.keys(endpoint_id)
        match key.lower():
            case "primary":
                return self.set_keys(endpoint_id, primary=_fresh(value, old.primary))
            case "secondary":
                return self.set_keys(endpoint_id, secondary=_fresh(value, old.secondary))
        raise AzureError(400, "UserError", f"'{key}' is not a key type: expected Primary or Secondary.")

    def issue_token(self, endpoint_id: str, *, lifetime: float = _TOKEN_SECONDS) -> EndpointToken:
        """Return a signed token that opens this endpoint alone."""
        now = time.time()
        expires_at = int(now + lifetime)
        payload = base64.urlsafe_b64encode(f"{endpoint_id.lower()} {expires_at}".encode()).decode()
        signing_key = self._row(endpoint_id)[1]
        return EndpointToken(
            access_token=f"{payload}.{_signature(signing_key, payload)}",
            expires_at=expires_at,
            refresh_after=int(now + lifetime / 2),
        )

    def authenticator(
        self, endpoint_id: str, mode: str, verify_entra: Callable[[str | None], object] | None = None
    ) -> Authenticator:
        """Return the check for requests to an endpoint.

        Parameters
        ----------
        endpoint_id
            ARM id of the endpoint.
        mode
            Its ``authMode``: ``Key``, ``AMLToken`` or ``AADToken``.
        verify_entra
            Takes an ``Authorization`` header and raises AzureError when it is not a good Entra token.
        """
        keys, signing_key = self._row(endpoint_id)
        return Authenticator(mode, endpoint_id.lower(), keys, signing_key, verify_entra)

    def forget(self, endpoint_id: str) -> None:
        """Drop the credentials of a deleted endpoint: one of the same name gets others."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM endpoint_credentials WHERE endpoint = ?", (endpoint_id.lower(),))

    def _row(self, endpoint_id: str) -> tuple[EndpointKeys, str]:
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO endpoint_credentials VALUES (?, ?, ?, ?) ON CONFLICT (endpoint) DO NOTHING",
                (
                    endpoint_id.lower(),
                    secrets.token_urlsafe(24),
                    secrets.token_urlsafe(24),
                    secrets.token_hex(32),
                ),
            )
            primary, secondary, signing_key = connection.execute(
                "SELECT primary_key, secondary_key, signing_key FROM endpoint_credentials WHERE endpoint = ?",
                (endpoint_id.lower(),),
            ).fetchone()
        return EndpointKeys(primary, secondary), signing_key


def _fresh(value: str | None, present: str) -> str:
    return value if value and value != present else secrets.token_urlsafe(24)


def _signature(signing_key: str, payload: str) -> str:
    return hmac.new(signing_key.encode(), payload.encode(), hashlib.sha256).hexdigest()

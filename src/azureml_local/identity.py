"""Secrets of an instance, the tokens it issues to azure.identity, and their verification.

Only what MSAL's client-credentials flow asks for: the OpenID configuration and the token endpoint.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web

from azureml_local.blobs.addresses import STORAGE_SUFFIX
from azureml_local.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_SECONDS = 3600
_ALGORITHM = "HS256"
# Audiences of the public cloud that the SDK falls back to on some paths; any instance takes its own as well.
_AUDIENCES = ("https://management.azure.com", "https://ml.azure.com", "https://storage.azure.com")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an instance generates once and keeps readable for its owner alone."""

    client_id: str
    client_secret: str
    account_key: str
    signing_key: str

    @classmethod
    def load(cls, path: Path) -> Secrets:
        """Read the secrets, or generate and write them (mode 0600)."""
        if path.exists():
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        created = cls(
            client_id=str(uuid.uuid4()),
            client_secret=secrets.token_urlsafe(32),
            account_key=base64.b64encode(secrets.token_bytes(64)).decode(),
            signing_key=secrets.token_hex(32),
        )
        write_private(path, json.dumps(asdict(created)).encode())
        return created


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read; a reader sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.replace(path)


class Identity:
    """Issues and verifies the bearer tokens of one instance."""

    def __init__(self, secret: Secrets, *, tenant_id: str, base_url: str) -> None:
        self.secret = secret
        self.tenant_id = tenant_id
        self.base_url = base_url
        self._audiences = {*_AUDIENCES, base_url}

    def issue(self, audience: str, *, lifetime: float = TOKEN_SECONDS) -> str:
        """Return a signed token for a resource."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"{self.base_url}/{self.tenant_id}/v2.0",
            "tid": self.tenant_id,
            "oid": self.secret.client_id,
            "appid": self.secret.client_id,
            "iat": now,
            "nbf": now,
            "exp": int(now + lifetime),
        }
        return jwt.encode(claims, self.secret.signing_key, algorithm=_ALGORITHM)

    def verify(self, authorization: str | None) -> dict[str, Any]:
        """Return the claims of a bearer token.

        Raises
        ------
        AzureError
            401 with the code that Azure Resource Manager gives for what is wrong with the token.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing or has no bearer token.",
            )
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.secret.signing_key, algorithms=[_ALGORITHM], options={"verify_aud": False}
            )
        except jwt.ExpiredSignatureError as error:
            raise expired_token() from error
        except jwt.PyJWTError as error:
            raise _unauthorized(
                "InvalidAuthenticationToken", "The access token is invalid: it was not issued here."
            ) from error
        audience = str(claims.get("aud", "")).rstrip("/")
        # The SDK derives `https://ml.azure.<suffix of the portal's host>` when it is pointed by environment.
        if audience not in self._audiences and not audience.startswith("https://ml.azure."):
            raise _unauthorized(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{audience}'. "
                f"It should match one of: {', '.join(sorted(self._audiences))}.",
            )
        return claims

    def add_routes(self, application: web.Application) -> None:
        """Serve what MSAL and the SDK's cloud lookup ask for, none of which needs a token."""
        application.router.add_get("/metadata/endpoints", self._metadata)
        application.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._openid)
        application.router.add_get("/{tenant}/.well-known/openid-configuration", self._openid)
        application.router.add_post("/{tenant}/oauth2/v2.0/token", self._token)

    async def _metadata(self, _request: web.Request) -> web.Response:
        base = self.base_url
        cloud = {
            "name": f"Embedded-{base.rsplit(':', 1)[-1]}",
            "portal": base,
            "resourceManager": base,
            "authentication": {"loginEndpoint": base, "audiences": [base], "tenant": self.tenant_id},
            "suffixes": {"storage": STORAGE_SUFFIX},
        }
        return web.json_response([cloud])

    async def _openid(self, request: web.Request) -> web.Response:
        root = f"{self.base_url}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "issuer": f"{root}/v2.0",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        refusal = self._refuse(request.match_info["tenant"], form)
        if refusal is not None:
            return refusal
        audience = str(form["scope"]).split()[0].removesuffix("/.default").rstrip("/")
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS,
                "ext_expires_in": TOKEN_SECONDS,
                "access_token": self.issue(audience),
            }
        )

    def _refuse(self, tenant: str, form: Any) -> web.Response | None:
        given = (str(form.get("client_id", "")), str(form.get("client_secret", "")))
        expected = (self.secret.client_id, self.secret.client_secret)
        # Codes of the Microsoft Entra token endpoint.
        if tenant != self.tenant_id:
            return _token_error(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            return _token_error(
                400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant."
            )
        if not form.get("scope"):
            return _token_error(
                400, "invalid_request", "AADSTS900144: The request body must contain 'scope'."
            )
        if not hmac.compare_digest(given[0], expected[0]):
            return _token_error(400, "unauthorized_client", "AADSTS700016: Application was not found.")
        if not hmac.compare_digest(given[1], expected[1]):
            return _token_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        return None


def expired_token() -> AzureError:
    """Return ARM's refusal of a token whose time is over."""
    return _unauthorized("ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")


def _unauthorized(code: str, message: str) -> AzureError:
    return AzureError(401, code, message)


def _token_error(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)

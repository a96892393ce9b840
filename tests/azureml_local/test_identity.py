"""Tokens: who gets one, and which ones open a door."""

from __future__ import annotations

import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from azureml_local import tls
from azureml_local.identity import Secrets

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.testing import RunningServer


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Secrets.load(path)
    assert Secrets.load(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "AuthenticationFailed"),
        ("nonsense", "InvalidAuthenticationToken"),
        (jwt.encode({"aud": "x"}, "k" * 32, algorithm="HS256"), "InvalidAuthenticationToken"),
    ],
)
def test_bad_tokens_are_refused_as_azure_does(server: RunningServer, token: str, code: str) -> None:
    reply = server.request("GET", "", token=token)
    assert (reply.status, reply.code) == (401, code)
    assert reply.headers["www-authenticate"].startswith("Bearer ")


def test_an_expired_token_and_one_for_somebody_else(server: RunningServer) -> None:
    identity = server.plane.identity
    expired = server.request("GET", "", token=identity.issue(identity.base_url, lifetime=-1))
    assert (expired.status, expired.code) == (401, "ExpiredAuthenticationToken")
    foreign = server.request("GET", "", token=identity.issue("https://graph.microsoft.com"))
    assert (foreign.status, foreign.code) == (401, "InvalidAuthenticationTokenAudience")


@pytest.mark.parametrize(
    "path",
    ["", "jobs", "/local/requests", "/history/v1.0/x", "/registrymanagement/v1.0/registries/r/discovery"],
)
def test_every_door_is_locked(server: RunningServer, path: str) -> None:
    assert server.request("GET", path, token="").status == 401


def _token(server: RunningServer, tenant: str | None = None, **changes: str) -> tuple[int, Any]:
    connection = server.server.connection()
    form = {
        "client_id": str(connection["client_id"]),
        "client_secret": str(connection["client_secret"]),
        "grant_type": "client_credentials",
        "scope": "https://ml.azure.com/.default",
    } | changes
    tenant = tenant or server.config.tenant_id
    context = ssl.create_default_context(cafile=str(server.config.home / tls.CA_BUNDLE))
    request = urllib.request.Request(
        f"{server.plane.base_url}/{tenant}/oauth2/v2.0/token", data=urllib.parse.urlencode(form).encode()
    )
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_client_secret_buys_a_token_for_its_scope(server: RunningServer) -> None:
    status, text = _token(server)
    assert status == 200
    token = text.split('"access_token": "')[1].split('"')[0]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == "https://ml.azure.com"
    assert claims["tid"] == server.config.tenant_id
    assert {"oid", "exp"} <= claims.keys()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": "wrong"}, "AADSTS700016"),
        ({"tenant": "11111111-0000-0000-0000-000000000000"}, "AADSTS90002"),
        ({"grant_type": "password"}, "AADSTS70003"),
        ({"scope": ""}, "AADSTS900144"),
    ],
)
def test_the_token_endpoint_refuses(server: RunningServer, changes: dict[str, str], code: str) -> None:
    status, text = _token(server, **changes)
    assert status in (400, 401)
    assert code in text

"""Azure and GitHub on the loopback interface, over TLS, as one server that can fail in every way."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import BaseAdapter

from azureml_local.tls import CA_BUNDLE, server_context
from mlops.cli.declared import Declaration, declare
from mlops.github import GitHub
from mlops.onboarding.azure import Azure
from mlops.onboarding.bootstrap import Prerequisites
from mlops.settings import ROOT, load
from mlops.settings.together import STACKS
from tests.mlops.onboarding.azure_stand_in import TENANT, AzureStandIn
from tests.mlops.onboarding.github_stand_in import REPOSITORY, GitHubStandIn

READS = {"GET", "HEAD"}


@dataclass
class Clouds:
    """Both services, what was sent to them, and what is to go wrong.

    Parameters
    ----------
    denied
        A pattern of `METHOD path`; what matches is answered with 403.
    instead
        What is answered to everything.
    throttled
        How often what matches is answered with 429 before it is served.
    fail_at
        The number of the write (from 1) at which the connection breaks; `done` says whether the write
        took effect.
    """

    azure: AzureStandIn = field(default_factory=AzureStandIn)
    github: GitHubStandIn = field(default_factory=GitHubStandIn)
    log: list[str] = field(default_factory=list)
    denied: str = ""
    instead: tuple[int, dict[str, str], Any] | None = None
    throttled: dict[str, int] = field(default_factory=dict)
    fail_at: int = 0
    done: bool = False
    base: str = ""
    bundle: str = ""

    @property
    def writes(self) -> list[str]:
        return [one for one in self.log if one.partition(" ")[0] not in READS and "/check" not in one]

    def clients(self, **options: Any) -> tuple[Azure, GitHub]:
        settings = {
            "connection_verify": self.bundle, "retry_backoff_factor": 0.001, "polling_seconds": 0, **options,
        }  # fmt: skip
        azure = Azure(Credential(), endpoint=self.base, **settings)
        settings.pop("polling_seconds")
        return azure, GitHub("token", REPOSITORY, endpoint=self.base, **settings)

    def another(self, **options: Any) -> Clouds:
        """Return an empty one with the same subscription, for clients that need no socket."""
        return Clouds(AzureStandIn(self.azure.subscriptions), base=self.base, bundle=self.bundle, **options)

    def fast_clients(self, **options: Any) -> tuple[Azure, GitHub]:
        """Return the same clients, whose session hands each request over without a socket.

        For tests that repeat a whole run at each of its writes; all above the session is unchanged.
        """
        session = requests.Session()
        session.mount("https://", InProcess(self))
        return self.clients(transport=RequestsTransport(session=session, session_owner=False), **options)

    def serve(self, method: str, target: str, body: Any) -> tuple[int, dict[str, str], Any] | None:
        """Answer one request; None breaks the connection."""
        parts = urlsplit(target)
        call = f"{method} {parts.path}"
        self.log.append(call)
        writes = method not in READS and "/check" not in parts.path
        if self.instead:
            return self.instead
        if self.denied and re.search(self.denied, call):
            action = f"The client does not have authorization to perform action 'Microsoft.X/{method}'."
            return 403, {}, {"error": {"code": "AuthorizationFailed", "message": action}, "message": action}
        for pattern, left in self.throttled.items():
            if left and re.search(pattern, call):
                self.throttled[pattern] -= 1
                return 429, {"Retry-After": "0"}, {"error": {"code": "TooManyRequests", "message": "Slow."}}
        breaks = writes and self.fail_at and len(self.writes) == self.fail_at
        if breaks and not self.done:
            return None
        query = dict(parse_qsl(parts.query))
        if parts.path.startswith("/subscriptions/"):
            answer = self.azure.answer(method, parts.path, query, body, self.base)
        else:
            answer = self.github.answer(method, parts.path, query, body, self.base)
        return None if breaks else answer


def encoded(content: Any) -> bytes:
    """Return what is sent: JSON, nothing, or bytes as they are."""
    if content is None:
        return b""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


class InProcess(BaseAdapter):
    """A session's last step: the stand-in's answer instead of the network's."""

    def __init__(self, clouds: Clouds) -> None:
        super().__init__()
        self._clouds = clouds

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = json.loads(request.body) if request.body else None
        answer = self._clouds.serve(str(request.method), str(request.path_url), body)
        if answer is None:
            raise requests.ConnectionError("the connection broke")
        response = requests.Response()
        response.status_code, headers, content = answer
        response.headers.update(headers)
        response.raw = BytesIO(encoded(content))
        response.request, response.url, response.reason = request, str(request.url), ""
        if content is not None:
            response.headers["Content-Type"] = "application/json"
        return response

    def close(self) -> None:
        pass


class Credential:
    """Whoever holds it is signed in: to the directory of the settings, unless told otherwise."""

    tenant: str = ""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        claims = {"tid": self.tenant or load("prod").azure.tenant_id, "upn": "ann@contoso.com"}
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return AccessToken(f"e30.{middle}.signature", 4_000_000_000)


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Clouds], Clouds]]:
    """Serve whichever clouds were given last."""
    home: Path = tmp_path_factory.mktemp("clouds")
    current: list[Clouds] = [Clouds()]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet an answer: two would wait for each other, 40 ms a request.
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            if "Authorization" not in self.headers:
                login = (
                    f'Bearer authorization_uri="https://login.windows.net/{TENANT}", error="invalid_token"'
                )
                answer: Any = (401, {"WWW-Authenticate": login}, {"error": {"code": "AuthenticationFailed"}})
            else:
                answer = current[0].serve(self.command, self.path, json.loads(sent) if sent else None)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            text = encoded(content)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            if text:
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = server_context(home).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, bundle = f"https://127.0.0.1:{server.server_address[1]}", str(home / CA_BUNDLE)

    def serve(clouds: Clouds) -> Clouds:
        clouds.base, clouds.bundle = base, bundle
        current[0] = clouds
        return clouds

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture
def clouds(loopback: Callable[[Clouds], Clouds]) -> Clouds:
    """Return a directory with this repository's subscriptions and a repository, both empty."""
    environments = [load(name) for name in STACKS]
    subscriptions = {one.azure.subscription_id for one in environments}
    return loopback(Clouds(AzureStandIn(subscriptions, environments[0].azure.tenant_id)))


PREFIX = "repo:Octo-Org@1234/churn@5678"


@pytest.fixture(scope="session")
def declaration() -> Declaration:
    """What the programs declare for `dev`, with the subscription that the settings name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlops.cli.declared.UNSET_ID", "none")
        return declare(ROOT, "dev", subject_prefix=PREFIX)


@pytest.fixture(scope="session")
def wanted(declaration: Declaration) -> Prerequisites:
    """What bootstrap creates for `dev`, with one ruleset."""
    return replace(declaration.prerequisites, rulesets=(RULESET,))


RULESET = {
    "name": "main",
    "target": "branch",
    "enforcement": "active",
    "conditions": {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}},
    "rules": [
        {"type": "deletion"},
        {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
    ],
}

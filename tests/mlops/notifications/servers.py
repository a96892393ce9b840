"""Receivers on the loopback: real sockets, real HTTP, real SMTP, real TLS."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiver:
    """What a server got, and what it says."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Reply] = lambda request: Reply()


@contextmanager
def receiver(
    answer: Callable[[Request], Reply] | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Run an HTTP server on a port of its own."""
    state = Receiver()
    if answer is not None:
        state.answer = answer

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            state.requests.append(request)
            reply = state.answer(request)
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class GitHub:
    """The part of GitHub's REST API about issues that the sink uses: lists in pages, labels, states."""

    token: str
    page: int = 2
    url: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    fails_after: int | None = None

    def __call__(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401)
        assert request.headers["x-github-api-version"] == "2022-11-28"
        match = re.fullmatch(r"/repos/acme/risk/issues(?:/(\d+))?(/comments)?", urlsplit(request.path).path)
        if match is None:
            return Reply(404)
        number, comments = match.groups()
        reply = self._answer(request, int(number) if number else 0, comments is not None)
        if self.fails_after is not None and request.method != "GET":
            self.fails_after -= 1
            # It did what it was asked, and its answer is lost.
            if self.fails_after < 0:
                return Reply(502)
        return reply

    def _answer(self, request: Request, number: int, comments: bool) -> Reply:
        if request.method == "GET":
            query = parse_qs(urlsplit(request.path).query)
            label = query.get("labels", [None])[0]
            items = self.comments.get(number, []) if comments else self.issues
            return self._page(request, [item for item in items if not label or label in item["labels"]])
        value = request.json
        if comments:
            self.comments.setdefault(number, []).append(value)
            return Reply(201, json.dumps(value).encode())
        if number:
            issue = self.issues[number - 1]
            issue.update(value)
            return Reply(200, json.dumps(issue).encode())
        number = len(self.issues) + 1
        issue = {
            "number": number,
            "state": "open",
            "html_url": f"https://github.com/acme/risk/issues/{number}",
        }
        self.issues.append({**value, **issue})
        return Reply(201, json.dumps(self.issues[-1]).encode())

    def _page(self, request: Request, items: list[dict[str, Any]]) -> Reply:
        parts = urlsplit(request.path)
        number = int(parse_qs(parts.query).get("page", ["1"])[0])
        headers = {}
        if len(items) > number * self.page:
            base = re.sub(r"&page=\d+", "", request.path)
            headers["Link"] = f'<{self.url}{base}&page={number + 1}>; rel="next", <{self.url}/x>; rel="last"'
        chosen = items[(number - 1) * self.page : number * self.page]
        return Reply(200, json.dumps(chosen).encode(), headers)

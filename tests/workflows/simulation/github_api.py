"""GitHub's REST API on the loopback interface, with tokens that have the rights of their job."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.workflows.simulation.scenario import REPOSITORY

__all__ = ["BOT", "GitHubApi"]

BOT = "github-actions[bot]"
LIMIT = 65_536
PAGE = 3


@dataclass(slots=True)
class GitHubApi:
    """The state of one repository, served while the context is open.

    Parameters
    ----------
    tokens
        The rights of each token, as in `permissions:`.
    branches, pulls
        The files of each branch that is not only the commit of its base, and the pull requests.
    may_request
        Whether the repository lets workflows open pull requests.
    refuse
        Answers to give before any other: status, and headers.
    """

    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=lambda: {"main": {}})
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    may_request: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    refuse: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    _server: ThreadingHTTPServer | None = None
    _next: int = 1

    def __enter__(self) -> GitHubApi:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                status, headers, content = api.handle(self.command, self.path, token, body)
                data = b"" if content is None else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that the library calls

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def handle(
        self, method: str, target: str, token: str, body: dict[str, Any]
    ) -> tuple[int, dict[str, str], Any]:
        """Answer one request."""
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.requests.append((method, address.path))
        if self.refuse:
            status, headers = self.refuse.pop(0)
            return status, headers, {"message": "refused"}
        if token not in self.tokens:
            return 401, {}, {"message": "Bad credentials"}
        parts = address.path.removeprefix(f"/repos/{REPOSITORY}/").split("/")
        if method != "GET" and not self._may_write(token, parts):
            return 403, {}, {"message": "Resource not accessible by integration"}
        if len(str(body.get("body", ""))) > LIMIT:
            return 422, {}, {"message": "Validation Failed: body is too long (maximum is 65536 characters)"}
        return self._routed(method, parts, query, body)

    def _may_write(self, token: str, parts: list[str]) -> bool:
        rights = self.tokens[token]
        if parts[0] in {"git", "contents"}:
            return rights.get("contents") == "write"
        if parts[0] == "pulls":
            return rights.get("pull-requests") == "write" and self.may_request
        about_pull_request = (parts[1:2] == ["comments"] or parts[2:3] == ["comments"]) and (
            rights.get("pull-requests") == "write"
        )
        return rights.get("issues") == "write" or about_pull_request

    def _routed(
        self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], Any]:
        answer: tuple[int, dict[str, str], Any]
        if parts[0] in {"git", "contents", "pulls"}:
            return self._branching(method, parts, query, body)
        match method, parts:
            case "GET", ["issues", number, "comments"]:
                answer = self._page(self.comments.get(int(number), []), query, f"issues/{number}/comments")
            case "POST", ["issues", number, "comments"]:
                answer = 201, {}, self.add_comment(int(number), body["body"])
            case (("PATCH" | "DELETE"), ["issues", "comments", key]):
                answer = self._change_comment(method, int(key), body)
            case "GET", ["issues"]:
                answer = self._page(self._found(query), query, "issues")
            case "POST", ["issues"]:
                answer = 201, {}, self.add_issue(**body)
            case "PATCH", ["issues", number] if int(number) in self.issues:
                self.issues[int(number)].update(body)
                answer = 200, {}, self.issues[int(number)]
            case _:
                answer = 404, {}, {"message": "Not Found"}
        return answer

    def _branching(
        self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], Any]:
        """Answer what is about branches, files and pull requests; a commit is called like its branch here."""
        name, path = "/".join(parts[3:]), "/".join(parts[1:])
        files = self.branches.get(query.get("ref", body.get("branch", "")), {})
        answer: tuple[int, dict[str, str], Any] = (404, {}, {"message": "Not Found"})
        match method, parts[0]:
            case "GET", "git" if name in self.branches:
                answer = 200, {}, {"object": {"sha": name}}
            case (("POST" | "PATCH"), "git"):
                self.branches[name or body["ref"].removeprefix("refs/heads/")] = {
                    **self.branches[body["sha"]]
                }
                answer = 201, {}, {}
            case "GET", "contents" if path in files:
                encoded = base64.b64encode(files[path].encode()).decode()
                answer = 200, {}, {"sha": f"sha of {path}", "content": encoded}
            # GitHub wants the present content's hash for a file that is there, and none for a new one.
            case "PUT", "contents" if ("sha" in body) == (path in files):
                files[path] = base64.b64decode(body["content"]).decode()
                answer = 200, {}, {}
            case "GET", "pulls":
                head = query["head"].partition(":")[2]
                found = [one for one in self.pulls.values() if (one["head"], one["state"]) == (head, "open")]
                answer = self._page(found, query, "pulls")
            case "POST", "pulls":
                made = {"number": self._id(), "state": "open", "html_url": f"{self.url}/p", **body}
                self.pulls[made["number"]] = made
                answer = 201, {}, made
            case "PATCH", "pulls" if int(parts[1]) in self.pulls:
                self.pulls[int(parts[1])].update(body)
                answer = 200, {}, self.pulls[int(parts[1])]
        return answer

    def add_comment(self, number: int, text: str, *, login: str = BOT) -> dict[str, Any]:
        """Add a comment, as the automation unless somebody else is named."""
        made = {"id": self._id(), "body": text, "user": {"login": login}, "html_url": f"{self.url}/c"}
        self.comments.setdefault(number, []).append(made)
        return made

    def add_issue(
        self, title: str, body: str, labels: list[str], *, created_at: str | None = None, state: str = "open"
    ) -> dict[str, Any]:
        """Open an issue as the automation."""
        number = self._id()
        self.issues[number] = {
            "number": number,
            "title": title,
            "body": body,
            "state": state,
            "labels": [{"name": name} for name in labels],
            "user": {"login": BOT},
            "created_at": created_at or datetime.now(UTC).isoformat(timespec="seconds"),
            "html_url": f"{self.url}/i/{number}",
        }
        return self.issues[number]

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _found(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = [
            one
            for one in self.issues.values()
            if query.get("state", "open") in {one["state"], "all"}
            and {query.get("labels")} <= {label["name"] for label in one["labels"]} | {None}
        ]
        return sorted(found, key=lambda one: one["created_at"], reverse=True)

    def _page(
        self, found: list[dict[str, Any]], query: dict[str, str], path: str
    ) -> tuple[int, dict[str, str], Any]:
        # Short pages, so that whoever reads only the first is found out.
        start = int(query.get("start", 0))
        rest = {name: value for name, value in query.items() if name != "start"}
        address = f"{self.url}/repos/{REPOSITORY}/{path}?" + "&".join(f"{k}={v}" for k, v in rest.items())
        more = start + PAGE < len(found)
        headers = {"Link": f'<{address}&start={start + PAGE}>; rel="next"'} if more else {}
        return 200, headers, found[start : start + PAGE]

    def _change_comment(self, method: str, key: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        for comments in self.comments.values():
            for one in comments:
                if one["id"] == key and method == "PATCH":
                    one.update(body)
                    return 200, {}, one
                if one["id"] == key:
                    comments.remove(one)
                    return 204, {}, None
        return 404, {}, {"message": "Not Found"}

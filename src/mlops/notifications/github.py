"""One GitHub issue per incident.

What was sent is found again by markers in HTML comments: the incident's in the issue, the notification's in
the issue or in a comment. The repository's own list of issues is read, not the search, which learns of a
new issue minutes later. So a delivery that was cut off anywhere can be made again and leaves one issue and
one comment.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mlops.notifications.content import Content, clean, shortened
from mlops.notifications.http import Address, send_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.alerts.outbox import Notification

__all__ = ["GitHubIssues"]

BODY_CHARACTERS: Final = 65_536
"""The longest body that GitHub takes; so many bytes are never more characters."""
TITLE_CHARACTERS: Final = 256
_NEXT: Final = re.compile(r'<([^>]+)>;\s*rel="next"')
_STATES: Final = {
    "resolved": ("closed", "completed"),
    "retracted": ("closed", "not_planned"),
    "reopened": ("open", "reopened"),
}


@dataclass(frozen=True, slots=True)
class GitHubIssues:
    """Issues of one repository; the token needs ``issues: write`` and nothing else."""

    name: str
    repository: str
    token: str = field(repr=False)
    api_url: str = "https://api.github.com"
    label: str = "monitor-incident"
    include_rows: bool = False

    def deliver(self, notification: Notification) -> str:
        """Open an issue, or comment on it and close or reopen it; return its address."""
        issue = self._find(notification.incident_id)
        if issue is None:
            issue = self._call("POST", "issues", self._new(notification))
        elif not self._told(issue, notification):
            self._call("POST", f"issues/{issue['number']}/comments", {"body": self._body(notification)})
        wanted = _STATES.get(notification.kind)
        if wanted is not None and issue["state"] != wanted[0]:
            state = {"state": wanted[0], "state_reason": wanted[1]}
            self._call("PATCH", f"issues/{issue['number']}", state)
        return str(issue["html_url"])

    def delivered(self, notification: Notification) -> bool:
        """Look for the notification's marker, and whether the issue is open or closed as it should be."""
        issue = self._find(notification.incident_id)
        if issue is None or not self._told(issue, notification):
            return False
        wanted = _STATES.get(notification.kind)
        return wanted is None or issue["state"] == wanted[0]

    def _find(self, incident: str) -> dict[str, Any] | None:
        marker = _marker("incident", incident)
        listed = self._list(f"issues?state=all&labels={quote(self.label, safe='')}&per_page=100")
        # Pull requests are issues too. The oldest: should two ever exist, the talk is in the first.
        found = [issue for issue in listed if marker in (issue["body"] or "") and "pull_request" not in issue]
        return min(found, key=lambda issue: int(issue["number"]), default=None)

    def _told(self, issue: dict[str, Any], notification: Notification) -> bool:
        marker = _marker("notification", notification.key)
        comments = self._list(f"issues/{issue['number']}/comments?per_page=100")
        return marker in (issue["body"] or "") or any(marker in (item["body"] or "") for item in comments)

    def _new(self, notification: Notification) -> dict[str, Any]:
        content = Content.of(notification, include_rows=self.include_rows)
        return {
            # Without how it stands: the title stays when that changes.
            "title": shortened(
                f"{clean(notification.monitor)}: {content.cause or 'incident'} ({notification.incident_id})",
                TITLE_CHARACTERS,
            ),
            "body": f"{_marker('incident', notification.incident_id)}\n{self._body(notification)}",
            "labels": [self.label],
        }

    def _body(self, notification: Notification) -> str:
        content = Content.of(notification, include_rows=self.include_rows)
        marker = _marker("notification", notification.key)
        room = BODY_CHARACTERS - 2 * len(marker) - 1000
        text = content.text().encode()[:room].decode(errors="ignore")
        # Names out of data must neither become links nor call people: nothing in a code block does.
        longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{marker}\n{fence}text\n{text}\n{fence}"

    def _list(self, path: str) -> Iterator[dict[str, Any]]:
        address: Address | None = self._address(path)
        while address is not None:
            answer = send_json("GET", address, headers=self._headers())
            yield from answer.json()
            links = {key.lower(): value for key, value in answer.headers.items()}.get("link", "")
            following = _NEXT.search(links)
            # A token goes to the API alone, whatever an answer says.
            same = following is not None and following[1].startswith(f"{self.api_url}/")
            address = Address(following[1], address.shown) if following and same else None

    def _call(self, method: str, path: str, value: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = send_json(method, self._address(path), value, headers=self._headers()).json()
        return found

    def _address(self, path: str) -> Address:
        resource = path.partition("?")[0]
        return Address(f"{self.api_url}/repos/{self.repository}/{path}", f"{self.repository}: {resource}")

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }


def _marker(kind: str, value: str) -> str:
    # A digest cannot end the comment, and says nothing to who may read the repository and not the monitor.
    return f"<!-- mlops:{kind}:{hashlib.sha256(value.encode()).hexdigest()[:32]} -->"

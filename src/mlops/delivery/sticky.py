"""One comment or one issue for each subject, updated in place.

An invisible first line says whose it is and which run wrote it. Only what this repository's own
automation wrote is touched: a person's comment that holds the same line stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.delivery.markdown import COMMENT_LIMIT, fit
from mlops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.github import GitHub

__all__ = ["Posted", "comment", "find_issues", "issue", "marker"]

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9:._/-]{0,99}")
_MARKER: Final = re.compile(r"\A<!-- mlops (?P<key>\S+) run=(?P<run>\d+) -->")
_BOT: Final = "github-actions[bot]"

Outcome = Literal["created", "updated", "unchanged", "outdated", "closed", "absent"]


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a comment or an issue.

    Parameters
    ----------
    outcome
        ``outdated`` when a later run had written already; ``absent`` when there was nothing to close.
    number
        The id of the comment or the number of the issue; 0 when there is none.
    """

    outcome: Outcome
    number: int
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {"outcome": self.outcome, "number": self.number, "url": self.url}


def marker(key: str, run: int) -> str:
    """Return the first line of what is posted for a subject.

    Raises
    ------
    UsageError
        The key has characters that could end the line.
    """
    if not _KEY.fullmatch(key):
        raise UsageError(
            "A comment's key cannot be written into it.",
            got=key,
            expected="lower-case letters, digits and : . _ / -, at most 100",
        )
    return f"<!-- mlops {key} run={run} -->"


def comment(github: GitHub, number: int, key: str, text: str, *, run: int = 0) -> Posted:
    """Create or update the comment of a subject on a pull request or an issue.

    Parameters
    ----------
    number
        The pull request or issue.
    key
        The subject; each has one comment.
    run
        Id of this run. A comment that a later run wrote is left alone.
    """
    first = marker(key, run)
    body = f"{first}\n{fit(text, limit=COMMENT_LIMIT - len(first) - 1)}"
    comments = github.path("issues", number, "comments")
    mine = [one for one in github.list(comments) if _is_mine(one, key)]
    if not mine:
        made = github.send("POST", comments, body={"body": body})
        return Posted("created", int(made["id"]), str(made.get("html_url", "")))
    kept, *duplicates = mine
    # Two runs that started together may both have found none.
    for one in duplicates:
        github.delete(github.path("issues", "comments", one["id"]))
    outcome = _outcome(str(kept["body"]), body, run)
    if outcome == "updated":
        github.send("PATCH", github.path("issues", "comments", kept["id"]), body={"body": body})
    return Posted(outcome, int(kept["id"]), str(kept.get("html_url", "")))


def find_issues(github: GitHub, key: str, label: str, *, state: str = "open") -> list[dict[str, Any]]:
    """Return the subject's issues that carry the label, the latest first."""
    path = github.path("issues")
    found = github.list(path, labels=label, state=state, sort="created", direction="desc")
    return [one for one in found if "pull_request" not in one and _is_mine(one, key)]


def issue(
    github: GitHub,
    key: str,
    title: str,
    text: str | None,
    *,
    labels: Sequence[str],
    run: int = 0,
) -> Posted:
    """Open, update or close the issue of a subject.

    Parameters
    ----------
    text
        What to say; None when there is nothing left to say, which closes the issue.
    labels
        The first one is how the issue is found again.
    """
    first = marker(key, run)
    found = find_issues(github, key, labels[0])
    if text is None:
        for one in found:
            path = github.path("issues", one["number"])
            github.send("POST", f"{path}/comments", body={"body": "Nothing is left of this: closed."})
            github.send("PATCH", path, body={"state": "closed", "state_reason": "completed"})
        return Posted("closed", int(found[0]["number"])) if found else Posted("absent", 0)
    body = f"{first}\n{fit(text, limit=COMMENT_LIMIT - len(first) - 1)}"
    if not found:
        opened = {"title": title, "body": body, "labels": list(labels)}
        made = github.send("POST", github.path("issues"), body=opened)
        return Posted("created", int(made["number"]), str(made.get("html_url", "")))
    kept, *duplicates = found
    for one in duplicates:
        closed = {"state": "closed", "state_reason": "not_planned"}
        github.send("PATCH", github.path("issues", one["number"]), body=closed)
    outcome = _outcome(str(kept["body"]), body, run)
    if outcome == "updated":
        github.send("PATCH", github.path("issues", kept["number"]), body={"title": title, "body": body})
    return Posted(outcome, int(kept["number"]), str(kept.get("html_url", "")))


def _is_mine(one: dict[str, Any], key: str) -> bool:
    found = _MARKER.match(str(one.get("body") or ""))
    return bool(found and found["key"] == key and (one.get("user") or {}).get("login") == _BOT)


def _outcome(old: str, new: str, run: int) -> Outcome:
    written = _MARKER.match(old)
    if written and int(written["run"]) > run > 0:
        return "outdated"
    same = _MARKER.sub("", old).strip().replace("\r\n", "\n") == _MARKER.sub("", new).strip()
    return "unchanged" if same else "updated"

"""GitHub's REST API for one repository, through the same pipeline as Azure's."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mlops.errors import UsageError
from mlops.onboarding.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["GITHUB", "GitHub", "github_token", "repository_of"]

GITHUB: Final = "https://api.github.com"
# The first version that says how the subject of a repository's tokens begins.
_API_VERSION: Final = "2026-03-10"
_PER_PAGE: Final = 100
_REMOTE: Final = re.compile(r"(?:[/:@.]|^)github\.[\w.-]+[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")


class GitHub(Rest):
    """A repository as GitHub shows it to the owner of a token.

    Parameters
    ----------
    token
        A token with the scope `repo`, or of fine grain with Administration, Environments and Variables.
    repository
        ``owner/name`` in GitHub's own spelling.
    """

    def __init__(self, token: str, repository: str, *, endpoint: str = GITHUB, **options: Any) -> None:
        from azure.core import PipelineClient  # noqa: PLC0415 - heavy
        from azure.core.pipeline import policies  # noqa: PLC0415

        self.repository = repository
        self._token = token
        client: PipelineClient[Any, Any] = PipelineClient(
            endpoint,
            policies=[policies.UserAgentPolicy("mlops", **options), policies.RetryPolicy(**options)],
            **options,
        )
        super().__init__(client, name="GitHub", login="gh auth login")

    def path(self, *parts: str) -> str:
        """Return a path below the repository; each part is quoted, since environments may hold a slash."""
        return "/".join((f"/repos/{self.repository}", *(quote(part, safe="") for part in parts)))

    def list(self, path: str, key: str | None = None) -> Iterator[Any]:
        """Yield every item, page by page; `key` names the list where the answer is an object."""
        number = 1
        while True:
            answer = self.send("GET", path, query={"per_page": str(_PER_PAGE), "page": str(number)})
            page = answer[key] if key else answer
            yield from page
            if len(page) < _PER_PAGE:
                return
            number += 1

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": _API_VERSION,
        }

    def _remedy_when_denied(self, code: str, message: str) -> str:
        if "rate limit" in message.lower():
            return "wait, then run again: what was done stays done"
        del code
        return f"sign in as an administrator of {self.repository}: gh auth login --scopes repo,workflow"


def github_token(variables: Mapping[str, str]) -> str | None:
    """Return a token from the environment, or the one that GitHub's command line keeps for the user."""
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        if variables.get(name):
            return variables[name]
    program = shutil.which("gh", path=variables.get("PATH"))
    if program is None:
        return None
    kept = subprocess.run([program, "auth", "token"], capture_output=True, text=True, check=False)
    return kept.stdout.strip() or None


def repository_of(root: Path) -> str:
    """Return ``owner/name`` of the remote `origin`.

    Raises
    ------
    UsageError
        There is no such remote, or it is not at GitHub.
    """
    git = shutil.which("git") or "git"
    asked = subprocess.run(
        [git, "-C", str(root), "remote", "get-url", "origin"], capture_output=True, text=True, check=False
    )
    address = asked.stdout.strip()
    found = _REMOTE.search(address)
    if found is None:
        raise UsageError(
            "The repository has no remote at GitHub.",
            where=f"{root}, git remote origin",
            got=re.sub(r"//[^@/]+@", "//", address) or "none",
            expected="github.com/OWNER/NAME",
            next_step="gh repo create --source . --push, or pass --repository OWNER/NAME",
        )
    return f"{found[1]}/{found[2]}"

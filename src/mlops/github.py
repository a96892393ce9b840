"""GitHub's REST API for one repository, as people and workflows ask it, through azure-core's pipeline."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mlops.errors import UsageError
from mlops.rest import RefusedError, Rest, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["GITHUB", "GitHub", "github_token", "repository_of"]

GITHUB: Final = "https://api.github.com"
# The first version that says how the subject of a repository's tokens begins.
_API_VERSION: Final = "2026-03-10"
_PER_PAGE: Final = "100"
_TIMEOUT: Final = 30
_NEXT_LINK: Final = re.compile(r'<([^>]+)>;\s*rel="next"')
_REMOTE: Final = re.compile(r"(?:[/:@.]|^)github\.[\w.-]+[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")


class GitHub(Rest):
    """A repository as GitHub shows it to the owner of a token: a person, or a job of a workflow.

    Parameters
    ----------
    token
        Sent as a bearer token, and never shown. A person's has the scope `repo`, or of fine grain
        Administration, Environments and Variables; a job's what its `permissions:` say.
    repository
        ``owner/name`` in GitHub's own spelling.
    endpoint
        Address of the API, as ``GITHUB_API_URL`` has it.
    login
        How to get a token that is accepted.
    permit
        How to get a right that the token lacks.
    options
        Options of azure-core's pipeline, such as ``connection_verify`` or ``retry_total``.
    """

    def __init__(
        self,
        token: str,
        repository: str,
        *,
        endpoint: str = GITHUB,
        login: str = "gh auth login",
        permit: str = "",
        **options: Any,
    ) -> None:
        from azure.core import PipelineClient  # noqa: PLC0415 - heavy
        from azure.core.pipeline import policies  # noqa: PLC0415

        from mlops.github_retries import GitHubRetries  # noqa: PLC0415

        self.repository = repository
        self._token = token
        self._endpoint = endpoint.rstrip("/")
        self._permit = permit or (
            f"sign in as an administrator of {repository}: gh auth login --scopes repo,workflow"
        )
        options = {"connection_timeout": _TIMEOUT, "read_timeout": _TIMEOUT, **options}
        client: PipelineClient[Any, Any] = PipelineClient(
            endpoint,
            policies=[policies.UserAgentPolicy("mlops", **options), GitHubRetries(**options)],
            **options,
        )
        super().__init__(client, name="GitHub", login=login)

    def path(self, *parts: str | int) -> str:
        """Return a path below the repository; each part is quoted, since environments may hold a slash."""
        return "/".join((f"/repos/{self.repository}", *(quote(str(part), safe="") for part in parts)))

    def list(self, path: str, key: str | None = None, **query: str) -> Iterator[Any]:
        """Yield every item, page by page; `key` names the list where the answer is an object."""
        answer = self._run("GET", path, query={"per_page": _PER_PAGE, **query}, body=None)
        while True:
            page = self._json(answer)
            yield from page[key] if key else page
            following = _NEXT_LINK.search(answer.http_response.headers.get("Link", ""))
            if following is None:
                return
            if not following[1].startswith(f"{self._endpoint}/"):
                # A token goes to the API alone, whatever an answer says.
                raise UnreachableError(
                    "GitHub's list goes on at another address.",
                    where=path,
                    got=following[1],
                    expected=f"an address below {self._endpoint}",
                    next_step="set GITHUB_API_URL as GitHub itself spells it",
                )
            answer = self._run("GET", following[1], query=None, body=None)

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is no error."""
        try:
            self.send("DELETE", path)
        except RefusedError as refusal:
            if refusal.status not in {404, 410}:
                raise

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": _API_VERSION,
        }

    def _remedy(self, status: int, code: str, message: str) -> str | None:
        if status == 403 and "rate limit" in message.lower():
            return "wait, then run again: what was done stays done"
        steps = {403: self._permit, 404: "check the repository's name, and that the token may see it"}
        return steps.get(status) or super()._remedy(status, code, message)


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

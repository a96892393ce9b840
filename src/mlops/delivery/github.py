"""GitHub's REST API, as far as workflows need it: comments and issues.

Reads and updates are tried again when GitHub is busy or asks to wait; what creates is tried again only
after an answer that says that nothing was created, so that no comment appears twice.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ControlPlaneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

__all__ = ["GitHub"]

_ATTEMPTS: Final = 5
_LONGEST_WAIT: Final = 60.0
_TIMEOUT: Final = 30.0
_NEXT_LINK: Final = re.compile(r'<([^>]+)>;\s*rel="next"')
_NEXT_STEPS: Final = {
    401: "set GITHUB_TOKEN to a token that is still valid",
    403: "give the job the permission: `permissions:` of the job, and of the one that calls it",
    404: "check the repository's name and the number, and that the token may see them",
}


@dataclass(slots=True)
class GitHub:
    """A client of one repository.

    Parameters
    ----------
    base
        Address of the API, as ``GITHUB_API_URL`` has it.
    repository
        ``owner/name``.
    token
        Sent as a bearer token, and never shown.
    sleep
        Waits that many seconds.
    """

    base: str
    repository: str
    token: str = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    _session: requests.Session | None = field(default=None, init=False, repr=False)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> GitHub:
        """Read the API's address, the repository and the token from the runner's variables.

        Raises
        ------
        UsageError
            One of them is not set.
        """
        missing = [
            name
            for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
            if not variables.get(name)
        ]
        if missing:
            raise UsageError(
                "This command talks to GitHub, and does not know where or as whom.",
                got=f"no {', '.join(missing)}",
                expected="the variables of a workflow's run",
                next_step="in a workflow: env: {GITHUB_TOKEN: ${{ github.token }}}",
            )
        return cls(
            variables["GITHUB_API_URL"].rstrip("/"), variables["GITHUB_REPOSITORY"], variables["GITHUB_TOKEN"]
        )

    def list(self, path: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages below the repository."""
        address = f"{self._address(path)}"
        parameters: Mapping[str, str | int] | None = {"per_page": 100, **query}
        while address:
            answer = self._send("GET", address, parameters=parameters)
            yield from answer.json()
            following = _NEXT_LINK.search(answer.headers.get("Link", ""))
            address, parameters = (following[1] if following else ""), None

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a new object and return it as GitHub made it."""
        return dict(self._send("POST", self._address(path), body=body).json())

    def update(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change an object."""
        return dict(self._send("PATCH", self._address(path), body=body).json())

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is no error."""
        self._send("DELETE", self._address(path), accepted={404, 410})

    def _address(self, path: str) -> str:
        return f"{self.base}/repos/{self.repository}/{path}"

    def _send(
        self,
        method: str,
        address: str,
        *,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | int] | None = None,
        accepted: set[int] | frozenset[int] = frozenset(),
    ) -> requests.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._once(method, address, body, parameters, last=attempt == _ATTEMPTS)
            if answer is not None and (answer.ok or answer.status_code in accepted):
                return answer
            wait = 2.0 ** (attempt - 1) if answer is None else _wait(answer, method, attempt)
            if wait is None or attempt == _ATTEMPTS:
                assert answer is not None  # noqa: S101 - the last attempt raises or answers
                raise _refused(method, address, answer)
            self.sleep(min(wait, _LONGEST_WAIT))
        raise AssertionError

    def _once(
        self,
        method: str,
        address: str,
        body: Mapping[str, Any] | None,
        parameters: Mapping[str, str | int] | None,
        *,
        last: bool,
    ) -> requests.Response | None:
        """Send once; None when no connection could be made, which is safe to try again."""
        import requests  # noqa: PLC0415 - takes a quarter of a second

        if self._session is None:
            self._session = requests.Session()
            self._session.headers.update(
                {
                    "Authorization": f"Bearer {self.token}",
                    "Accept": "application/vnd.github+json",
                    "X-GitHub-Api-Version": "2022-11-28",
                }
            )
        try:
            return self._session.request(
                method, address, json=body, params=dict(parameters or {}) or None, timeout=_TIMEOUT
            )
        except requests.ConnectionError as error:
            if last or method == "POST":
                raise ControlPlaneError(
                    "GitHub does not answer.",
                    where=address.partition("?")[0],
                    got=error,
                    next_step="run the job again",
                ) from None
            return None
        except requests.Timeout as error:
            raise ControlPlaneError(
                "GitHub does not answer in time.",
                where=address.partition("?")[0],
                got=error,
                next_step="run the job again",
            ) from None


def _wait(answer: requests.Response, method: str, attempt: int) -> float | None:
    """Return the seconds to wait before another attempt, or None when there is no use in one."""
    limited = answer.status_code == 429 or (
        answer.status_code == 403
        and ("Retry-After" in answer.headers or answer.headers.get("X-RateLimit-Remaining") == "0")
    )
    # 502 to 504 may come after GitHub did it: only what can be done twice is done again.
    busy = answer.status_code in {500, 502, 503, 504} and method != "POST"
    if not (limited or busy):
        return None
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 2.0 ** (attempt - 1)


def _refused(method: str, address: str, answer: requests.Response) -> ControlPlaneError:
    try:
        message = str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        message = answer.text[:200]
    return ControlPlaneError(
        "GitHub refused a request.",
        where=f"{method} {address.partition('?')[0]}",
        got=f"{answer.status_code} {message}",
        next_step=_NEXT_STEPS.get(answer.status_code),
    )

"""The pull request of a promotion: a branch with one changed file, made through GitHub's API.

No checkout's credentials are needed, and the commit is GitHub's own, signed. Each step looks first at what is
there, so that a run that was stopped is finished by the next one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from mlops.delivery.releases import ReleaseChange, to_markdown
from mlops.errors import ControlPlaneError
from mlops.promotion.files import FOLDER
from mlops.promotion.release import ReleaseFile
from mlops.rest import RefusedError

if TYPE_CHECKING:
    from mlops.github import GitHub
    from mlops.promotion.release import Release

__all__ = ["Requested", "request_release"]

_HINT: Final = (
    "GitHub waits with the checks of a pull request that a workflow opened: start them by "
    "**Approve workflows to run**. When this is merged, the workflow `deploy` rolls it out: smoke, "
    "shadow, canary, full, after the environment's reviewers."
)


@dataclass(frozen=True, slots=True)
class Requested:
    """What became of a pull request: ``created``, ``updated``, or ``unchanged`` when none is needed."""

    outcome: str
    number: int = 0
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return {"outcome": self.outcome, "number": self.number, "url": self.url}


@dataclass(frozen=True, slots=True)
class _Commit:
    """A branch that is another one's commit and one file more."""

    branch: str
    start: str
    path: str
    content: str
    message: str


def request_release(
    github: GitHub, environment: str, usecase: str, release: Release, *, branch: str = "main"
) -> Requested:
    """Open or update the pull request that brings a release; one for each use case and environment.

    Parameters
    ----------
    release
        As ``mlops promote`` made it.
    branch
        The branch that releases are decided on.
    """
    path = f"{FOLDER.as_posix()}/{environment}.yaml"
    start = github.send("GET", github.path("git", "ref", "heads", *branch.split("/")))["object"]["sha"]
    # As the branch has it now, which may be later than what this run has checked out.
    present = ReleaseFile.model_validate(yaml.safe_load(_content(github, path, start)) or {})
    former = present.releases.get(usecase)
    if former is not None and former.reference == release.reference:
        return Requested("unchanged")
    release = release.succeeding(former)
    title = f"Promote {usecase} {release.version} to {environment}"
    content = present.having(usecase, release).to_yaml(environment)
    name = f"promote/{environment}-{usecase}"
    _write(github, _Commit(name, start, path, content, title))
    lines = [to_markdown([ReleaseChange(environment, usecase, former, release)], []), _HINT]
    if release.promoted.request:
        lines.append(f"Asked for by #{release.promoted.request}.")
    body = {"title": title, "body": "\n\n".join(lines)}
    owner = github.repository.partition("/")[0]
    pulls = github.path("pulls")
    opened = next(github.list(pulls, head=f"{owner}:{name}", state="open"), None)
    if opened is not None:
        github.send("PATCH", f"{pulls}/{opened['number']}", body=body)
        return Requested("updated", int(opened["number"]), str(opened.get("html_url", "")))
    try:
        made = github.send("POST", pulls, body={**body, "head": name, "base": branch})
    except RefusedError as refusal:
        if refusal.status != 403:
            raise
        raise ControlPlaneError(
            f"The branch {name} is there, and workflows may open no pull request in this repository.",
            where=refusal.where,
            got=refusal.got,
            next_step="Settings, Actions, General: allow GitHub Actions to create pull requests; "
            "or open it by hand",
        ) from None
    return Requested("created", int(made["number"]), str(made.get("html_url", "")))


def _write(github: GitHub, wanted: _Commit) -> None:
    heads = ("heads", *wanted.branch.split("/"))
    there = github.get(github.path("git", "ref", *heads))
    if there is None:
        body = {"ref": f"refs/heads/{wanted.branch}", "sha": wanted.start}
        github.send("POST", github.path("git", "refs"), body=body)
    elif _content(github, wanted.path, wanted.branch) == wanted.content:
        return
    elif there["object"]["sha"] != wanted.start:
        # An earlier promotion's: this one takes its place, from where the main branch is now.
        moved = {"sha": wanted.start, "force": True}
        github.send("PATCH", github.path("git", "refs", *heads), body=moved)
    file = github.path("contents", *wanted.path.split("/"))
    present = github.get(file, ref=wanted.branch)
    change = {
        "message": wanted.message,
        "content": base64.b64encode(wanted.content.encode()).decode(),
        "branch": wanted.branch,
        **({"sha": present["sha"]} if present else {}),
    }
    github.send("PUT", file, body=change)


def _content(github: GitHub, path: str, ref: str) -> str:
    """Return a file's text; nothing when it is not there."""
    found = github.get(github.path("contents", *path.split("/")), ref=ref)
    return base64.b64decode(found["content"]).decode() if found else ""

"""What the commands of delivery take from their environment: the run, the checkout, GitHub."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlops.delivery.alert_states import SCOPE, LogWorkspace
from mlops.delivery.changes import ORDER
from mlops.delivery.event import Run
from mlops.errors import DataError, UsageError, nearest
from mlops.github import GitHub
from mlops.naming import Names
from mlops.settings import ROOT
from mlops.settings.together import STACKS, load_together

__all__ = ["checkout", "github", "log_workspace", "names_from", "read_json", "this_run"]


def this_run() -> Run:
    """Return the run that this command is part of."""
    return Run.read(os.environ)


def github() -> GitHub:
    """Return a client of the repository that this run belongs to.

    Raises
    ------
    UsageError
        The runner's variables do not say where it is, or as whom to ask.
    """
    names = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL")
    token, repository, endpoint = (os.environ.get(name, "") for name in names)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise UsageError(
            "This command talks to GitHub, and does not know where or as whom.",
            got=f"no {', '.join(missing)}",
            expected="the variables of a workflow's run",
            next_step="in a workflow: env: {GITHUB_TOKEN: ${{ github.token }}}",
        )
    return GitHub(
        token,
        repository,
        endpoint=endpoint,
        login="set GITHUB_TOKEN to a token that is still valid",
        permit="give the job the permission: `permissions:` of the job, and of the one that calls it",
    )


def checkout() -> Path:
    """Return the folder that the run checked out; outside of a run, this repository."""
    return Path(os.environ.get("GITHUB_WORKSPACE") or ROOT)


def log_workspace(environment: str) -> LogWorkspace:
    """Return the log workspace that the environments share, asked as whoever is signed in.

    Raises
    ------
    UsageError
        The environment is not one of those in Azure.
    """
    if environment not in STACKS:
        close = nearest(environment, STACKS)
        raise UsageError(
            f"{environment!r} is no environment in Azure.",
            where="--env",
            got=environment,
            expected=f"one of {', '.join(STACKS)}; on this machine: mlops alerts list",
            next_step=f"write {close!r}" if close else None,
        )
    # The shared stack is in the subscription that prod is in, unless its own is named.
    prod = load_together(checkout())["prod"].environment
    subscription = prod.platform.subscription_id or prod.azure.subscription_id
    names = Names(prod.project.name, "shared", subscription)
    group = f"/subscriptions/{subscription}/resourceGroups/{names.resource_group}"
    workspace = f"{group}/providers/Microsoft.OperationalInsights/workspaces/{names.of('log_analytics')}"
    return LogWorkspace(workspace, _log_token)


def _log_token() -> str:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential().get_token(SCOPE).token


def names_from(text: str, option: str) -> list[str]:
    """Read a JSON list of stacks, in the order of deployment; nothing at all is an empty list.

    Raises
    ------
    UsageError
        It is no list, or a name in it is no stack.
    """
    try:
        found = json.loads(text) if text.strip() else []
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise UsageError(
            "This is no list of stacks.", where=option, got=text[:200], expected='["dev", "prod"]'
        )
    for name in found:
        if name not in ORDER:
            close = nearest(str(name), ORDER)
            raise UsageError(
                f"There is no stack {name!r}.",
                where=option,
                got=name,
                expected=f"one of {', '.join(ORDER)}",
                next_step=f"write {close!r}" if close else None,
            )
    return [name for name in ORDER if name in found]


def read_json(path: Path) -> object:
    """Read a file that another command wrote.

    Raises
    ------
    DataError
        It is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("A result cannot be read.", where=str(path), got=error, expected="JSON") from None

"""The clients of Azure and GitHub that a person's own login opens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlops.client import azure_credential
from mlops.errors import ControlPlaneError
from mlops.github import GITHUB, GitHub, github_token
from mlops.onboarding.azure import Azure

if TYPE_CHECKING:
    from mlops.settings import Environment

__all__ = ["open_azure", "open_github"]


def open_azure(settings: Environment) -> Azure:
    """Return Azure for whoever is signed in."""
    return Azure(azure_credential(settings))


def open_github(repository: str) -> GitHub:
    """Return GitHub for the owner of the token; ``GITHUB_API_URL`` names another server than github.com.

    Raises
    ------
    ControlPlaneError
        Nobody is signed in.
    """
    token = github_token(os.environ)
    if token is None:
        raise ControlPlaneError(
            "Nobody is signed in to GitHub.",
            got="no GH_TOKEN, no GITHUB_TOKEN, and no login of gh",
            next_step="gh auth login --scopes repo,workflow",
        )
    return GitHub(token, repository, endpoint=os.environ.get("GITHUB_API_URL", GITHUB))

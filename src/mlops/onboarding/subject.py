"""How GitHub's tokens for a repository begin: read from its API, never composed.

Repositories made or renamed since July 2026 have the owner's and the repository's number in the
subject (``repo:owner@1/name@2:…``); a credential with the old form is refused by Entra with
AADSTS700213. The answer of ``gh api repos/OWNER/NAME/actions/oidc/customization/sub`` says which.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["subject_prefix"]

_PREFIX: Final = re.compile(r"repo:[\w.-]+(@\d+)?/[\w.-]+(@\d+)?")


def subject_prefix(customization: Mapping[str, Any], repository: str) -> str:
    """Return the prefix to set as `subjectPrefix`.

    Parameters
    ----------
    customization
        The API's answer.
    repository
        ``owner/name``, exactly as GitHub spells it: Entra compares case.

    Raises
    ------
    SettingsError
        The repository has a subject template of its own, so an environment may not be in it.

    Examples
    --------
    >>> subject_prefix({"use_default": True, "sub_claim_prefix": "repo:o@1/r@2"}, "o/r")
    'repo:o@1/r@2'
    """
    if customization.get("use_default") is False:
        raise SettingsError(
            "The repository composes its tokens' subject from a template of its own.",
            where=f"https://github.com/{repository}/settings/actions",
            got=customization.get("include_claim_keys"),
            expected="GitHub's default, which ends in the environment's name",
            next_step=f"gh api --method PUT repos/{repository}/actions/oidc/customization/sub "
            "--field use_default=true",
        )
    prefix = customization.get("sub_claim_prefix")
    if prefix is None:
        if customization.get("use_immutable_subject"):
            raise SettingsError(
                "GitHub says that subjects are immutable, and not how they begin.",
                where=repository,
                got=dict(customization),
                expected="sub_claim_prefix",
                next_step="update gh, or pass the header X-GitHub-Api-Version: 2026-03-10",
            )
        prefix = f"repo:{repository}"
    if not _PREFIX.fullmatch(str(prefix)):
        raise SettingsError(
            "The subject's prefix has no shape that is known.",
            where=repository,
            got=prefix,
            expected="repo:owner/name or repo:owner@number/name@number",
            next_step="look at what the API answers",
        )
    return str(prefix)

"""Whether a pull request waits for another person's approval: wherever there is another person."""

from __future__ import annotations

from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlops.github import GitHub

__all__ = ["approvals_asked", "fitted", "sole_owners", "writers"]

# The rule of a ruleset that says what a pull request waits for.
_PULL_REQUEST: Final = "pull_request"
# GitHub lets nobody approve what they pushed, so each of these alone keeps a lone author's change out.
_WITHOUT_APPROVAL: Final = MappingProxyType(
    {
        "required_approving_review_count": 0,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
    }
)
_WRITING: Final = frozenset({"write", "maintain", "admin"})


def writers(github: GitHub) -> tuple[str, ...]:
    """Return the logins of people whose approval would count; two are enough to know, so no more are read.

    Raises
    ------
    RefusedError
        The login may not ask. Then nothing is known, and no rule may be lowered.
    """
    found = (
        str(one["login"])
        for one in github.list(github.path("collaborators"))
        if one.get("type") != "Bot"
        # A role of an organization's own is known by the permissions that it is based on.
        and (one.get("permissions", {}).get("push") or one.get("role_name") in _WRITING)
    )
    return tuple(islice(found, 2))


def fitted(ruleset: Mapping[str, Any], *, alone: bool) -> dict[str, Any]:
    """Return a ruleset as it is, or without the approvals that nobody could give.

    Parameters
    ----------
    ruleset
        In GitHub's own form.
    alone
        Whether one person alone may write. The pull request itself, its checks and its conversations
        are asked of that one too.

    Examples
    --------
    >>> team = {"rules": [{"type": "pull_request", "parameters": {"required_approving_review_count": 1}}]}
    >>> fitted(team, alone=False) == team
    True
    >>> fitted(team, alone=True)["rules"][0]["parameters"]["required_approving_review_count"]
    0
    """
    if not alone:
        return dict(ruleset)
    rules = [
        {**rule, "parameters": {**rule["parameters"], **_WITHOUT_APPROVAL}}
        if rule["type"] == _PULL_REQUEST
        else rule
        for rule in ruleset["rules"]
    ]
    return {**ruleset, "rules": rules}


def approvals_asked(rules: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how many approvals a pull request waits for; None where a change needs no pull request.

    Parameters
    ----------
    rules
        The rules that hold for a branch, whatever ruleset they come from: the strictest counts.
    """
    asked = [rule.get("parameters", {}) for rule in rules if rule["type"] == _PULL_REQUEST]
    # A code owner's approval, or one of the last push, is one even where no number is asked for.
    numbers = [int(one.get(key) or 0) for one in asked for key in _WITHOUT_APPROVAL]
    return max(numbers) if asked else None


def sole_owners(path: Path) -> tuple[str, ...]:
    """Return who is the only code owner of something: nobody could approve a change of theirs to it.

    Parameters
    ----------
    path
        The file `CODEOWNERS`; a team counts as several people.
    """
    if not path.exists():
        return ()
    lines = (line.partition("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(sorted({line[1] for line in lines if len(line) == 2 and "/" not in line[1]}))

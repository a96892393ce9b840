"""Checks of GitHub: the repository, which of its gates are real, and whom its tokens stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ProjectError
from mlops.onboarding.delivery import PLAN_SUFFIX, reason_of_plan
from mlops.onboarding.reviews import approvals_asked, sole_owners, writers
from mlops.onboarding.subject import subject_prefix
from mlops.rest import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.github import GitHub
    from mlops.onboarding.doctor.report import Findings

__all__ = ["check_gates", "check_repository", "check_reviews"]

_WAITING: Final = frozenset({"required_reviewers", "wait_timer"})


def check_repository(findings: Findings, github: GitHub) -> tuple[str, str] | None:
    """Check the repository, the login's right to it, that workflows run, and how its tokens begin.

    Returns
    -------
    tuple of str, or None
        The prefix of the tokens' subject, and the default branch; None when the repository cannot be seen.
    """
    origin: tuple[str, str] | None = None
    with findings.about("github", "repository"):
        found = github.get(github.path())
        if found is None:
            fix = "gh auth login --scopes repo,workflow, or pass --repository OWNER/NAME"
            findings.failed("repository", f"{github.repository} is not there for this login", fix)
        else:
            kind = "private" if found["private"] else "public"
            findings.passed("repository", f"{found['full_name']} ({kind})")
            admin = bool(found.get("permissions", {}).get("admin"))
            fix = f"ask an administrator of {github.repository} to run mlops bootstrap"
            findings.judge("administrator", admin, "yes" if admin else "no", fix, warn=True)
            _check_actions(findings, github)
            origin = _prefix(findings, github, found)
    return origin


def _check_actions(findings: Findings, github: GitHub) -> None:
    with findings.about("github", "workflows"):
        enabled = bool((github.get(github.path("actions", "permissions")) or {}).get("enabled"))
        fix = f"https://github.com/{github.repository}/settings/actions: allow actions"
        findings.judge("workflows", enabled, "they run" if enabled else "they are switched off", fix)
    with findings.about("github", "promotions"):
        rights = github.get(github.path("actions", "permissions", "workflow")) or {}
        may = bool(rights.get("can_approve_pull_request_reviews"))
        said = "workflows may open pull requests" if may else "workflows may open no pull request"
        fix = f"https://github.com/{github.repository}/settings/actions: allow it, or open them by hand"
        findings.judge("promotions", may, said, fix, warn=True)


def _prefix(findings: Findings, github: GitHub, found: dict[str, Any]) -> tuple[str, str] | None:
    origin: tuple[str, str] | None = None
    with findings.about("github", "subject of tokens"):
        customization = github.send("GET", github.path("actions", "oidc", "customization", "sub"))
        try:
            prefix = subject_prefix(customization, found["full_name"])
        except ProjectError as error:
            findings.failed("subject of tokens", f"{error.what} {error.got}", error.next_step or "")
        else:
            findings.passed("subject of tokens", f"{prefix}:environment:…")
            origin = prefix, str(found["default_branch"])
    return origin


def check_gates(findings: Findings, github: GitHub, environment: str, *, production: bool) -> None:
    """Check who must approve a deployment, and say so where the plan has no such gate.

    Required reviewers in private repositories need GitHub Enterprise; without them a pull request with
    code owners is the gate, and the branch policy keeps every other branch out.
    """
    with findings.about("github", "approval"):
        found = github.get(github.path("environments", environment))
        if found is None:
            fix = f"mlops bootstrap {environment} --apply"
            findings.failed("approval", f"there is no environment {environment}", fix)
            return
        rules = {rule["type"]: rule for rule in found.get("protection_rules", [])}
        reviewers = rules.get("required_reviewers", {}).get("reviewers", [])
        if reviewers:
            findings.passed("approval", f"{len(reviewers)} reviewers")
        elif production:
            fix = (
                f"mlops bootstrap {environment} --apply --reviewer ORG/TEAM; where the plan has no "
                "reviewers, the pull request with code owners is the only gate"
            )
            findings.warned("approval", "nobody has to approve a deployment", fix)
        else:
            findings.passed("approval", "none asked for")
        policy = found.get("deployment_branch_policy") is not None
        fix = f"mlops bootstrap {environment} --apply"
        findings.judge("branches", policy, "limited" if policy else "every branch may deploy", fix)
    _check_previews(findings, github, f"{environment}{PLAN_SUFFIX}")


def _check_previews(findings: Findings, github: GitHub, environment: str) -> None:
    """Check that previews wait for nobody: each of a pull request's would, and so would the nightly look."""
    with findings.about("github", "previews"):
        found = github.get(github.path("environments", environment)) or {}
        waiting = {rule["type"] for rule in found.get("protection_rules", [])} & _WAITING
        fix = f"https://github.com/{github.repository}/settings/environments: {environment}, no reviewers"
        said = f"wait for {', '.join(sorted(waiting))}" if waiting else "wait for nobody"
        findings.judge("previews", not waiting, said, fix)


def check_reviews(
    findings: Findings, github: GitHub, branch: str, environment: str, *, production: bool, owners: Path
) -> None:
    """Check what a pull request waits for, by all rules that hold for the branch, an organization's too.

    Parameters
    ----------
    branch
        The default branch.
    environment
        Whose `bootstrap` is the remedy.
    production
        Whether it matters that nobody else looks at a change.
    owners
        The file `CODEOWNERS`.
    """
    fix = f"mlops bootstrap {environment} --apply"
    with findings.about("github", "reviews"):
        try:
            number = approvals_asked(github.list(github.path("rules", "branches", branch)))
        except RefusedError as refusal:
            reason = reason_of_plan(refusal)
            if reason is None:
                raise
            findings.warned("reviews", reason, "upgrade the plan; until then, review by agreement")
            return
        people = writers(github)
        alone = len(people) < 2
        said = f"a pull request waits for {number or 'no'} approval{'s' if (number or 0) > 1 else ''}"
        if number is None:
            findings.failed("reviews", f"{branch} takes changes without a pull request", fix)
        elif number and alone:
            found = f"{said}, and nobody else may write: none can be merged"
            findings.failed("reviews", found, f"{fix}, or invite whoever is to approve")
        elif alone:
            found = f"{said}: {', '.join(people)} alone may write"
            invite = f"invite a second person who may write, then {fix}"
            findings.judge("reviews", not production, found, invite, warn=True)
        else:
            findings.judge("reviews", number > 0, said, fix)
            _check_owners(findings, owners)


def _check_owners(findings: Findings, owners: Path) -> None:
    """Check that a code owner's own change has another code owner to approve it."""
    sole = sole_owners(owners)
    found = f"nobody may approve what {', '.join(sole)} changes: the only owner" if sole else "several each"
    fix = f"name a team, or a second person, on each line of .github/{owners.name}"
    findings.judge("code owners", not sole, found, fix, warn=True)

"""``mlops bootstrap``: what an environment needs before its first pipeline runs."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output
from mlops.errors import ControlPlaneError, UsageError
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from mlops.cli.declared import Declaration
    from mlops.github import GitHub
    from mlops.onboarding.azure import Azure
    from mlops.onboarding.changes import FileChange
    from mlops.onboarding.operation import Action, Operation

__all__ = ["add_commands"]

_SIGNS: Final = {
    "same": " ", "create": "+", "update": "~", "replace": "±", "delete": "-", "keep": "=", "unavailable": "!",
}  # fmt: skip


def add_commands(app: typer.Typer) -> None:
    """Add ``bootstrap`` to the command line."""
    app.command("bootstrap", epilog="Example: `mlops bootstrap dev --apply`")(bootstrap)


def bootstrap(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="dev, staging or prod.")],
    apply: Annotated[bool, typer.Option("--apply", help="Send what is printed otherwise.")] = False,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="Remove what was made for ENV alone, after a confirmation.")
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(help="With --destroy: the name of ENV, instead of typing it.", metavar="ENV")
    ] = None,
    reviewers: Annotated[
        list[str] | None,
        typer.Option("--reviewer", help="Who must approve deployments: a login, or ORG/TEAM.", metavar="WHO"),
    ] = None,
    repository: Annotated[
        str | None, typer.Option(help="OWNER/NAME; the remote origin by default.", metavar="OWNER/NAME")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print each call that creates what continuous delivery needs; with --apply, send it.

    State store, key, identities with federated credentials, resource groups, GitHub's environments,
    variables and rulesets. What is there already is left alone, so it may be run again at any time,
    also after an interruption. Pull requests wait for an approval where two people or more may write.
    """
    if apply and destroy:
        raise UsageError("--apply and --destroy exclude each other.", next_step="leave out one of them")
    output = Output(as_json)
    opened = _open(environment, repository, reviewers or [], output)
    operations: list[Operation]
    if destroy:
        operations, written = _destroy(opened, confirm, output)
        changes = _after_destroy(environment, write=written)
    else:
        operations, written = _create(opened, write=apply, output=output), apply
        changes = _after_create(opened, write=apply)
    counts = Counter(one.action for one in operations)
    output.result(
        {
            "environment": environment,
            "repository": opened.github.repository,
            "written": written,
            "operations": [one.to_dict() for one in operations],
            "counts": dict(counts),
            "files": [one.path for one in changes],
            "contract": dict(opened.declaration.contract),
        },
        _summary(environment, counts, changes, written=written, destroy=destroy),
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    environment: str
    azure: Azure
    github: GitHub
    subject_prefix: str
    declaration: Declaration


def _open(environment: str, repository: str | None, reviewers: list[str], output: Output) -> _Opened:
    from mlops.cli import clouds
    from mlops.cli.declared import declare
    from mlops.github import repository_of
    from mlops.onboarding.subject import subject_prefix

    settings = load(environment)
    github = clouds.open_github(repository or repository_of(ROOT))
    found = github.get(github.path())
    if found is None:
        raise ControlPlaneError(
            "GitHub does not know the repository, or does not show it to this login.",
            where=github.repository,
            next_step="gh auth status, or pass --repository OWNER/NAME",
        )
    customization = github.send("GET", github.path("actions", "oidc", "customization", "sub"))
    prefix = subject_prefix(customization, found["full_name"])
    output.progress(f"rendering what {environment} needs …")
    declaration = declare(
        ROOT,
        environment,
        subject_prefix=prefix,
        branch=found["default_branch"],
        reviewers=[_reviewer(github, one) for one in reviewers],
    )
    return _Opened(environment, clouds.open_azure(settings), github, prefix, declaration)


def _reviewer(github: GitHub, who: str) -> tuple[str, int]:
    organization, slash, team = who.partition("/")
    path = f"/orgs/{organization}/teams/{team}" if slash else f"/users/{who}"
    found = github.get(path)
    if found is None:
        raise UsageError(
            f"GitHub knows no reviewer {who!r}.", got=who, expected="a login, or ORGANIZATION/TEAM"
        )
    return ("Team" if slash else "User", int(found["id"]))


def _create(opened: _Opened, *, write: bool, output: Output) -> list[Operation]:
    from mlops.onboarding.bootstrap import create

    return create(
        opened.declaration.prerequisites, opened.azure, opened.github, write=write, report=_printer(output)
    )


def _destroy(opened: _Opened, confirm: str | None, output: Output) -> tuple[list[Operation], bool]:
    """Show what would go, ask for the environment's name, and delete."""
    from mlops.onboarding.bootstrap import destroy
    from mlops.onboarding.operation import changes_anything

    parts = (opened.declaration.prerequisites, opened.azure, opened.github)
    planned = destroy(*parts, write=False, report=_printer(output))
    if not changes_anything(planned):
        return planned, False
    if confirm is None and sys.stdin.isatty():
        confirm = typer.prompt(f"Type {opened.environment} to delete this", default="", err=True)
    if confirm is None:
        output.progress(f"nothing was deleted; next: --destroy --confirm {opened.environment}")
        return planned, False
    if confirm != opened.environment:
        raise UsageError(
            "The confirmation is not the environment's name, so nothing was deleted.",
            got=confirm,
            expected=opened.environment,
        )
    return destroy(*parts, write=True, report=lambda _: None), True


def _printer(output: Output) -> Any:
    def line(operation: Operation) -> None:
        call = f"\n    {operation.call}" if operation.call else ""
        detail = f"  ({operation.detail})" if operation.detail else ""
        output.progress(f"{_SIGNS[operation.action]} {operation.what}{detail}{call}")

    return line


def _after_create(opened: _Opened, *, write: bool) -> list[FileChange]:
    from mlops.onboarding.changes import apply_changes
    from mlops.onboarding.stack_files import after_create

    changes = after_create(ROOT, opened.environment, opened.subject_prefix)
    if write:
        apply_changes(ROOT, changes)
    return changes


def _after_destroy(environment: str, *, write: bool) -> list[FileChange]:
    from mlops.onboarding.changes import apply_changes
    from mlops.onboarding.stack_files import after_destroy

    changes = after_destroy(ROOT, environment)
    if write:
        apply_changes(ROOT, changes)
    return changes


def _summary(
    environment: str, counts: Counter[Action], changes: list[FileChange], *, written: bool, destroy: bool
) -> str:
    done = ", ".join(f"{number} {action}" for action, number in sorted(counts.items())) or "nothing"
    verb = "written" if written else "to write"
    files = f"\n{verb}: {', '.join(one.path for one in changes)}" if changes else ""
    if destroy:
        following = "mlops bootstrap " + environment
    elif written:
        following = "git switch --create first-environment, commit, and gh pr create"
    else:
        following = f"mlops bootstrap {environment} --apply"
    return f"{environment}: {done}{files}\nnext: {following}"

"""``mlops init``: make the repository one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output
from mlops.settings import ROOT

if TYPE_CHECKING:
    from mlops.onboarding.answers import Answers

__all__ = ["add_commands"]

_QUESTIONS: Final = {
    "name": "Project name (2-8 lower-case letters and digits; names every resource)",
    "owner": "Mail address of the team that answers for it",
    "location": "Azure region",
    "subscription": "Subscription id (one, or dev=ID,staging=ID,prod=ID)",
    "usecases": "Archetypes to keep",
}


def add_commands(app: typer.Typer) -> None:
    """Add ``init`` to the command line."""
    app.command("init", epilog="Example: `mlops init --name churn --owner team@contoso.com --dry-run`")(init)


def init(
    name: Annotated[str | None, typer.Option(help="The project's short name.")] = None,
    owner: Annotated[str | None, typer.Option(help="The team's mail address.", metavar="MAIL")] = None,
    location: Annotated[str | None, typer.Option(help="The Azure region.", metavar="REGION")] = None,
    subscription: Annotated[
        str | None,
        typer.Option(help="One id for all environments, or dev=ID,staging=ID,prod=ID.", metavar="ID"),
    ] = None,
    usecases: Annotated[
        str | None, typer.Option(help="The archetypes to keep; the others are deleted.", metavar="A,B")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="The directory's id; asked of Azure by default.", metavar="ID")
    ] = None,
    answers_file: Annotated[
        Path | None, typer.Option("--from", help="A YAML file with some of the five values.", metavar="FILE")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes, write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask five things, check every name that follows from them, and write the settings.

    Whatever is given as an option or in a file is not asked; without a terminal the rest stays as it is.
    It may be run again at any time.
    """
    from mlops.onboarding.changes import apply_changes, to_diff
    from mlops.onboarding.initialise import plan_init

    output = Output(as_json)
    given = {
        "name": name,
        "owner": owner,
        "location": location,
        "subscription": subscription,
        "usecases": usecases,
    }
    answers = _answers(ROOT, given, answers_file, ask=sys.stdin.isatty() and not as_json)
    changes = plan_init(ROOT, answers, tenant_id=tenant or _tenant(answers, output))
    if not dry_run:
        apply_changes(ROOT, changes)
    done = "would change" if dry_run else "changed"
    summary = f"{done}: {', '.join(change.path for change in changes)}" if changes else "nothing to change"
    following = "mlops init" if dry_run and changes else "az login, then: mlops doctor dev"
    output.result(
        {
            "written": not dry_run,
            "changes": [{"path": one.path, "deleted": one.after is None} for one in changes],
            "diff": to_diff(changes),
        },
        f"{to_diff(changes)}{summary}\nnext: {following}",
    )


def _answers(root: Path, given: dict[str, Any], file: Path | None, *, ask: bool) -> Answers:
    """Collect the five values: options win over the file, the file over what is asked or there."""
    from mlops.onboarding.answers import KEYS, answers_from, read_answers
    from mlops.onboarding.initialise import current_values
    from mlops.yaml_source import Mark

    values, marks = read_answers(file) if file else ({}, {})
    for key, value in given.items():
        if value is not None:
            values[key] = value
            marks[key,] = Mark(Path(f"--{key}"), 1)
    marks.setdefault((), Mark(Path("mlops init"), 1))
    present = current_values(root)
    for key in KEYS:
        if key not in values:
            values[key] = _asked(key, present[key]) if ask else present[key]
            marks.setdefault((key,), Mark(Path("the answer"), 1))
    return answers_from(values, marks)


def _asked(key: str, present: Any) -> Any:
    shown = present
    if isinstance(present, list):
        if len(present) == 1:
            return present
        shown = ",".join(present)
    elif isinstance(present, dict):
        different = len(set(present.values())) > 1
        shown = (
            ",".join(f"{k}={v}" for k, v in present.items()) if different else next(iter(present.values()))
        )
    return typer.prompt(_QUESTIONS[key], default=shown, err=True)


def _tenant(answers: Answers, output: Output) -> str | None:
    """Ask Azure for the directory of the subscriptions, which saves a question."""
    from mlops.client import UNSET_ID
    from mlops.onboarding.azure import tenant_of

    chosen = next(iter(answers.subscription.values()))
    if chosen == UNSET_ID:
        return None
    found = tenant_of(chosen)
    if found is None:
        output.progress("Azure does not say which directory the subscription is in: pass --tenant ID later.")
    return found

"""``mlops ci comment`` and ``close``: one comment a subject, updated in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.delivery.surroundings import github, this_run
from mlops.cli.output import Output
from mlops.delivery.sticky import Posted
from mlops.errors import UsageError

__all__ = ["add_commands"]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("comment", epilog="Example: `mlops ci comment infrastructure reports --number 12`")(comment)
    group.command("close", epilog="Example: `mlops ci close 12`")(close)


def comment(
    key: Annotated[str, typer.Argument(help="The subject: each has one comment.")],
    sources: Annotated[list[Path], typer.Argument(help="Markdown files, or folders of them.")],
    number: Annotated[
        int | None, typer.Option(help="Pull request or issue; the event's own by default, none if 0.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Post a report, or update the one that is there; secrets masked, cut to what GitHub takes."""
    from mlops.delivery import sticky

    run = this_run()
    target = run.pull_request if number is None else number
    if target is None:
        raise UsageError(
            "There is no pull request to comment on.",
            where=f"event {run.event or '(none)'}",
            expected="an event of a pull request, or --number",
        )
    text = "\n".join(path.read_text(encoding="utf-8") for path in _files(sources))
    posted = Posted("absent", 0)
    if target and text.strip():
        where = f"\n\n[The run]({run.url}) of {run.commit[:12]}.\n" if run.url else "\n"
        posted = sticky.comment(github(), target, key, text.rstrip("\n") + where, run=run.number)
    Output(as_json).result(posted.to_dict(), f"comment {key}: {posted.outcome}")


def close(
    number: Annotated[int, typer.Argument(help="The issue of a request to retrain; nothing happens if 0.")],
    as_json: JsonOption = False,
) -> None:
    """Close a request that was fulfilled."""
    from mlops.delivery import retraining

    if number:
        retraining.close(github(), number)
    Output(as_json).result({"closed": number or None}, f"closed {number}" if number else "there is no issue")


def _files(sources: list[Path]) -> list[Path]:
    return [
        file
        for source in sources
        for file in (
            sorted(source.rglob("*.md")) if source.is_dir() else [source] if source.is_file() else []
        )
    ]

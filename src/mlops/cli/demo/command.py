"""The command, and what it leaves behind: `summary.json` and `report.html`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mlops.cli.context import JsonOption, Session, UseCaseOption
from mlops.client import Home
from mlops.files import write_json, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.cli.demo.story import Story

__all__ = ["add_commands", "demo"]


def add_commands(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("demo", epilog="Example: `mlops demo`")(demo)


def demo(usecase: UseCaseOption = "classical", as_json: JsonOption = False) -> None:
    """Train, serve, watch and retrain a real model on this machine; no account, no input.

    Exit code 1 when a step did not do what it should.
    """
    from mlops.cli.demo.story import Story

    session = Session.open("local", as_json=as_json)
    folder = session.home.path / "demo"
    story = Story(Session(session.settings, Home(folder), session.output), session.usecase(usecase))
    try:
        story.run()
    finally:
        # Also what went wrong is worth reading, and a report is where people look first.
        report, summary = _write(story, folder)
        story.close()
    session.output.result(summary, f"{story.verdict()}\nreport: {report}")
    if not story.ok:
        raise typer.Exit(1)
    session.output.progress(
        f"look around: export MLOPS_HOME={folder}; .venv/bin/mlops local up; "
        f".venv/bin/mlops score --data {folder}/data/{usecase}/stream.parquet"
    )


def _write(story: Story, folder: Path) -> tuple[Path, dict[str, Any]]:
    from mlops.cli.demo.report import MONITOR_PAGE, render
    from mlops.reporting import monitor_page, subject_of

    if story.watched and story.production is not None:
        watch, now = story.production.watch, story.production.now
        subject = subject_of(watch.store, watch.monitor.monitor, now=now)
        write_text(folder / MONITOR_PAGE, monitor_page(subject))
    report = write_text(folder / "report.html", render(story))
    summary = story.summary(report)
    write_json(folder / "summary.json", summary)
    return report, summary

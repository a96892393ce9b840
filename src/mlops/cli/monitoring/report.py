"""``mlops monitor report``: the pages of everything that a store knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output, table
from mlops.errors import UsageError

__all__ = ["report"]


def report(
    store: Annotated[Path, typer.Option(help="History and journal of alerts that `monitor run` wrote.")],
    site: Annotated[Path, typer.Option(help="Folder for index.html and a page a monitor.")],
    as_json: JsonOption = False,
) -> None:
    """Write the history of all monitors of a store as pages. Safe to repeat; needs no network to be read."""
    from mlops.reporting import subject_of, write_site
    from modelwatch.alerts.store import AlertStore

    if not store.is_file():
        raise UsageError(
            "There is no store.",
            where=str(store),
            expected="the file that `mlops monitor run` keeps of a monitor with rules",
            next_step="mlops monitor run --store PATH --start TIME --end TIME …",
        )
    output = Output(as_json)
    now = datetime.now(UTC)
    with explained(), AlertStore(store) as opened:
        names = opened.monitors()
        output.progress(f"{len(names)} monitors in {store}")
        entries = write_site(site, (subject_of(opened, name, now=now) for name in names))
    rows = [
        (entry.page.verdict.word, entry.page.monitor, entry.page.verdict.sentence, str(site / entry.file))
        for entry in entries
    ]
    result = {
        "index": str(site / "index.html"),
        "monitors": [
            {"monitor": name, "state": state, "sentence": sentence, "page": page}
            for state, name, sentence, page in rows
        ],
    }
    output.result(result, table(("state", "monitor", "what it says", "page"), rows))
    output.progress(f"index: {result['index']}")

"""The store that commands work on: one that is there."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.monitoring.errors import explained
from mlops.client import Home
from mlops.errors import UsageError
from mlops.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwatch.alerts.store import AlertStore

__all__ = ["StoreOption", "opened", "standing"]

StoreOption = Annotated[
    Path | None,
    typer.Option(help="History and journal of alerts; .mlops/monitor/alerts.sqlite by default."),
]


@contextmanager
def opened(path: Path | None) -> Iterator[AlertStore]:
    """Open a store that is there; a mistyped path must not become an empty one."""
    from modelwatch.alerts.store import AlertStore

    path = path or Home.from_environment(ROOT).path / "monitor" / "alerts.sqlite"
    if not path.is_file():
        raise UsageError(
            "There is no alert store.",
            where=str(path),
            expected="the file that `mlops monitor run` wrote",
            next_step="name it: --store PATH",
        )
    with explained(), AlertStore(path) as store:
        yield store


def standing(store: AlertStore, name: str) -> list[dict[str, Any]]:
    """Return how each alert of a monitor stands, as it was last declared and measured."""
    from modelwatch.alerts.advancing import declared
    from modelwatch.alerts.evaluation import evaluate

    monitor = declared(store, name)
    return [] if monitor is None else evaluate(monitor, store.history(name)).alerts()

"""``mlops alerts check``: what only a clock of its own can notice."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.alerts.delivery import deliver
from mlops.cli.alerts.stored import StoreOption, opened, standing
from mlops.cli.context import EnvironmentOption, JsonOption
from mlops.cli.output import Output, table
from mlops.client import Home
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from mlops.settings import Environment
    from modelwatch.alerts.store import AlertStore

__all__ = ["add_commands", "check"]


def add_commands(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("check", epilog="Example: `mlops alerts check --env prod --patience-minutes 10`")(check)


def check(
    store: StoreOption = None,
    environment: EnvironmentOption = "local",
    patience: Annotated[
        float, typer.Option("--patience-minutes", help="How long to go on trying sinks that are down.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Find monitors that do not run, and tell people what they could not be told before.

    For a clock of its own. Exit code 1 when a monitor is silent, or a sink is down or lacks its secret.
    """
    settings, output = load(environment), Output(as_json)
    with opened(store) as journal:
        count = journal.verify()
        silent = _silent(journal)
        home = Home.from_environment(ROOT)
        delivery = deliver(journal, settings, home, output, patience=timedelta(minutes=patience))
        fresh = _refresh_tables(journal, settings, output)
        unready = _unready(settings, home)
        monitors = [_monitor_row(journal, name, silent) for name in journal.monitors()]
    rows = [
        ("SILENT" if row["silent"] else "runs", row["monitor"], row["last_window_end"]) for row in monitors
    ]
    output.result(
        {"events": count, "monitors": monitors, "unready": unready, "delivery": delivery.to_dict()},
        table(("state", "monitor", "evaluated up to"), rows),
    )
    output.progress(
        f"{count} events, none changed; {len(delivery.delivered)} told, {len(delivery.waiting)} waiting"
    )
    for name, variable in unready.items():
        output.progress(f"cannot be told: {name}: {variable} is not set")
    if silent or unready or not delivery.complete or not fresh:
        raise typer.Exit(1)


def _silent(store: AlertStore) -> set[str]:
    """Open an incident for each monitor that has fallen silent; return all that are."""
    from modelwatch.alerts.advancing import declared
    from modelwatch.alerts.heartbeat import check_heartbeat, is_silence
    from modelwatch.alerts.incidents import incidents

    now = datetime.now(UTC)
    for name in store.monitors():
        if (monitor := declared(store, name)) is not None:
            check_heartbeat(store, monitor, now=now)
    return {item.monitor for item in incidents(store) if is_silence(item) and item.state == "open"}


def _unready(settings: Environment, home: Home) -> dict[str, str]:
    """Return the sinks that lack an environment variable: found here, and not by an incident."""
    from mlops.notifications import Unready, sinks_by_route

    sinks = [sink for route in sinks_by_route(settings, home.path, os.environ).values() for sink in route]
    return {sink.name: sink.variable for sink in sinks if isinstance(sink, Unready)}


def _refresh_tables(store: AlertStore, settings: Environment, output: Output) -> bool:
    """Write all alert states again: Azure Monitor looks back two days, and a monitor may be weekly."""
    from mlops.notifications import log_tables
    from modelwatch.alerts.operating import silences
    from modelwatch.alerts.outbox import SinkError

    tables = log_tables(settings, os.environ)
    if tables is None:
        return True
    now = datetime.now(UTC)
    try:
        for name in store.monitors():
            tables.publish_states(standing(store, name), now=now, muted=silences(store, name, now=now))
    except SinkError as error:
        output.progress(f"not written: {error}")
        return False
    return True


def _monitor_row(store: AlertStore, name: str, silent: set[str]) -> dict[str, Any]:
    windows = store.windows(name)
    return {
        "monitor": name,
        "last_window_end": windows[-1][0].to_dict()["end"] if windows else None,
        "silent": name in silent,
    }

"""``mlops alerts list``, ``ack``, ``silence``, ``annotate``, ``close`` and ``export``: what people do."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.alerts.stored import StoreOption, opened, standing
from mlops.cli.context import JsonOption
from mlops.cli.output import Output, table
from mlops.errors import UsageError, nearest
from mlops.files import write_text

if TYPE_CHECKING:
    from modelwatch.alerts.incidents import Incident
    from modelwatch.alerts.store import AlertStore

__all__ = ["acknowledge", "add_commands", "annotate", "close", "export", "list_all", "silence"]

IncidentArgument = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, as `list` shows it.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who; the user of this machine by default.")]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    for name, command, example in (
        ("list", list_all, "mlops alerts list --json"),
        ("ack", acknowledge, "mlops alerts ack f09bed640bfb --by ada"),
        (
            "silence",
            silence,
            "mlops alerts silence credit --match feature=income* --hours 48 --owner ada --reason migration",
        ),
        ("annotate", annotate, "mlops alerts annotate f09bed640bfb 'Currency was cents' --outcome fixed"),
        ("close", close, "mlops alerts close f09bed640bfb-retraining-0 --outcome done --note 'version 4'"),
        ("export", export, "mlops alerts export --out journal.jsonl"),
    ):
        group.command(name, epilog=f"Example: `{example}`")(command)


def list_all(
    store: StoreOption = None,
    monitor: Annotated[str | None, typer.Option(help="One monitor alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List incidents, requests for action and silences, those that are open, or all; alerts with --json."""
    from mlops.actions import requests
    from modelwatch.alerts.incidents import incidents
    from modelwatch.alerts.operating import silences

    with opened(store) as journal:
        found = [item for item in incidents(journal, monitor) if everything or _concerns(item)]
        asked = [item for item in requests(journal, monitor) if everything or item.open]
        muted = silences(journal, monitor, now=datetime.now(UTC))
        alerts = [row for name in journal.monitors() for row in standing(journal, name)]
    rows = [
        *((i.state, i.severity.value, i.id, i.monitor, i.owner, i.cause["text"]) for i in found),
        *((r.outcome or "open", "request", r.id, r.monitor, r.owner, f"{r.kind}: {r.reason}") for r in asked),
        *((f"until {s.until:%d %b %H:%M}", "silence", s.id, s.monitor, s.owner, s.reason) for s in muted),
    ]
    columns = ("state", "what", "id", "monitor", "owner", "why")
    document = {
        "alerts": [row for row in alerts if monitor in {None, row["monitor"]}],
        "incidents": [item.to_dict() for item in found],
        "requests": [item.to_dict() for item in asked],
        "silences": [item.to_dict() for item in muted],
    }
    Output(as_json).result(document, table(columns, rows) if rows else "Nothing is open.")


def acknowledge(
    incident: IncidentArgument, store: StoreOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Say that you look after an incident. Exit code 1 when somebody does already."""
    from modelwatch.alerts.operating import acknowledge as write
    from modelwatch.alerts.operating import find

    with opened(store) as journal:
        first = write(journal, incident, actor=by or getpass.getuser(), now=datetime.now(UTC))
        found = find(journal, incident)
    Output(as_json).result(found.to_dict(), f"{incident}: acknowledged by {found.acknowledged_by}")
    if not first:
        raise typer.Exit(1)


def silence(
    monitor: Annotated[
        str, typer.Argument(metavar="MONITOR", help="Its name, or a silence's id with --lift.")
    ],
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    reason: Annotated[str, typer.Option(help="Why; others read it later.")] = "",
    hours: Annotated[float, typer.Option(help="How long, from now; 30 days at most.")] = 24.0,
    match: Annotated[
        list[str] | None,
        typer.Option(help="Which alerts, such as feature=income*; all by default.", metavar="PART=PATTERN"),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="End a silence instead.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep alerts from calling anybody for a while; they go on being recorded."""
    from modelwatch.alerts.operating import lift_silence
    from modelwatch.alerts.operating import silence as write

    now = datetime.now(UTC)
    with opened(store) as journal:
        if lift:
            ended = lift_silence(journal, monitor, actor=owner or getpass.getuser(), now=now)
            Output(as_json).result({"id": monitor, "lifted": ended}, f"{monitor}: lifted")
            return
        _require_monitor(journal, monitor)
        made = write(
            journal,
            monitor,
            _matchers(match),
            owner=owner,
            reason=reason,
            until=now + timedelta(hours=hours),
            now=now,
        )
    Output(as_json).result(made.to_dict(), f"{made.id}: until {made.until:%Y-%m-%d %H:%M} UTC")


def annotate(
    incident: IncidentArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was done.")],
    outcome: Annotated[str | None, typer.Option(help="What came of it.")] = None,
    store: StoreOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note what was done about an incident, and what came of it; notes cannot be changed."""
    from modelwatch.alerts.operating import annotate as write
    from modelwatch.alerts.operating import find

    with opened(store) as journal:
        actor = by or getpass.getuser()
        write(journal, incident, actor=actor, text=text, outcome=outcome, now=datetime.now(UTC))
        found = find(journal, incident)
    Output(as_json).result(found.to_dict(), f"{incident}: {len(found.annotations)} notes")


def close(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, as `list` shows it.")],
    outcome: Annotated[str, typer.Option(help="done, failed or cancelled.")],
    note: Annotated[str, typer.Option(help="What came of it, in one line.")],
    store: StoreOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what came of a request for action. Exit code 1 when somebody did already."""
    from mlops.actions.requests import OUTCOMES, find
    from mlops.actions.requests import close as write

    if outcome not in OUTCOMES:
        raise UsageError("Unknown outcome.", got=outcome, expected=f"one of: {', '.join(OUTCOMES)}")
    with opened(store) as journal:
        found = find(journal, request)
        first = write(
            journal, found, outcome, note=note, actor=by or getpass.getuser(), now=datetime.now(UTC)
        )
        found = find(journal, request)
    Output(as_json).result(found.to_dict(), f"{request}: {found.outcome}")
    if not first:
        raise typer.Exit(1)


def export(
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole journal, after checking that nobody changed it: JSON lines, or one list with --json."""
    with opened(store) as journal:
        count = journal.verify()
        lines = list(journal.export())
    text = f"[{', '.join(lines)}]\n" if as_json else "".join(f"{line}\n" for line in lines)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
        Output().progress(f"{count} events in {out}")


def _concerns(incident: Incident) -> bool:
    return incident.state == "open" and not incident.quiet


def _matchers(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or []:
        name, separator, pattern = pair.partition("=")
        if not separator or not name or not pattern:
            raise UsageError("A matcher names no pattern.", got=pair, expected="--match feature=income*")
        found[name] = pattern
    return found


def _require_monitor(store: AlertStore, name: str) -> None:
    known = store.monitors()
    if name not in known:
        close_by = nearest(name, known)
        raise UsageError(
            "There is no such monitor.",
            where=str(store.path),
            got=name,
            expected=f"one of: {', '.join(known)}",
            next_step=f"write {close_by!r}" if close_by else None,
        )

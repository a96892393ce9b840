"""The commands below ``mlops monitor``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.alerts.delivery import conclude, publish
from mlops.cli.context import EnvironmentOption, JsonOption
from mlops.cli.monitoring.compiling import compile_target
from mlops.cli.monitoring.errors import explained
from mlops.cli.monitoring.places import production_at, require_dated, written_to
from mlops.cli.monitoring.planning import plan
from mlops.cli.monitoring.report import report
from mlops.cli.output import Output, table
from mlops.client import Home
from mlops.errors import UsageError
from mlops.files import write_json, write_text
from mlops.settings import ROOT, load

if TYPE_CHECKING:
    from mlops.reporting import Subject
    from modelwatch import Monitor, Window

__all__ = ["commands"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops monitor``."""
    group = typer.Typer(help="Measure what changed between a baseline and production.", no_args_is_help=True)
    group.command(
        "run",
        epilog="Example: `mlops monitor run --monitor pipelines/classical/monitor.yaml "
        "--baseline training.parquet --production stream.parquet --out .mlops/monitor`",
    )(run)
    group.command(
        "contract",
        epilog="Example: `mlops monitor contract --baseline training.parquet --role any_visit=target`",
    )(contract)
    group.command("compile", epilog="Example: `mlops monitor compile --target spark --usecase classical`")(
        compile_target
    )
    group.command(
        "plan",
        epilog="Example: `mlops monitor plan --monitor pipelines/classical/monitor.yaml "
        "--baseline training.parquet --rows 1000`",
    )(plan)
    group.command("schema", epilog="Example: `mlops monitor schema > monitor.schema.json`")(schema)
    group.command(
        "report",
        epilog="Example: `mlops monitor report --store .mlops/monitor/alerts.sqlite --site .mlops/site`",
    )(report)
    return group


def run(
    monitor: Annotated[Path, typer.Option(help="The declaration, monitor.yaml.")],
    baseline: Annotated[Path, typer.Option(help="Parquet, CSV, JSON lines, a folder, or a saved profile.")],
    production: Annotated[
        str, typer.Option(help="The same kinds, or a data collector's folder, here or as an https address.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for results.json and report.html.")],
    labels: Annotated[Path | None, typer.Option(help="Labels with the correlation id.")] = None,
    start: Annotated[str | None, typer.Option(help="Start of the window, ISO 8601 with a zone.")] = None,
    end: Annotated[str | None, typer.Option(help="Its end, which is outside.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="History and journal of alerts; alerts.sqlite in the folder by default."),
    ] = None,
    environment: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Evaluate a monitor on one window. Exit code 1 when something breaches or could not be measured."""
    settings, began = load(environment), datetime.now(UTC)
    journal_path = store or out / "alerts.sqlite"
    with explained(), written_to(out):
        from mlops.reporting import monitor_page
        from modelwatch.alerts.store import AlertStore

        declared, results, page = _evaluated(
            monitor, baseline, production_at(production), _window(start, end), labels, journal_path
        )
        write_json(out / "results.json", results)
        write_text(out / "report.html", monitor_page(page))
    statuses = Counter(row["status"] for row in results["measurements"])
    rows = [
        (
            row["status"],
            row["signal"],
            row["feature"] or "",
            row["segment"] or "",
            row["metric"],
            _number(row),
        )
        for row in sorted(results["measurements"], key=lambda row: row["status"] == "ok")
    ]
    columns = ("status", "signal", "feature", "segment", "metric", "value")
    output = Output(as_json)
    output.result(results, table(columns, rows))
    counted = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    output.progress(f"{len(rows)} measurements: {counted or 'none'}\nreport: {out / 'report.html'}")
    muted = []
    if declared.rules and results["window"]["start"] is not None:
        with explained(), AlertStore(journal_path) as journal:
            home = Home.from_environment(ROOT)
            muted = conclude(
                journal, settings, home, output,
                declaration=monitor, monitor=declared.monitor, data=str(production),
            )  # fmt: skip
    publish(settings, output, results, began=began, muted=muted)
    if statuses.keys() & {"breach", "schema_error", "error"}:
        raise typer.Exit(1)


def contract(
    baseline: Annotated[Path, typer.Option(help="Parquet, CSV, JSON lines or a folder.")],
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="COLUMN=ROLE", help="Role of a column that is not a feature; repeatable."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draft the contract of a baseline, to be reviewed like code."""
    with explained():
        import modelwatch

        drafted = modelwatch.Contract.infer(modelwatch.profile(baseline), roles=_roles(roles))
        if out is not None:
            drafted.save(out)
    text = drafted.to_yaml() if out is None else f"{len(drafted.columns)} columns in {out}"
    Output(as_json).result(drafted.to_dict(), text)


def schema(as_json: JsonOption = True) -> None:
    """Print the JSON Schema of monitor.yaml, for editors and checks; it is JSON either way."""
    del as_json
    from modelwatch.monitor_schema import monitor_schema

    Output(as_json=True).result(monitor_schema())


def _evaluated(
    path: Path, baseline: Path, production: Any, window: Window | None, labels: Path | None, journal: Path
) -> tuple[Monitor, dict[str, Any], Subject]:
    """Measure a window, take it into its monitor's history, and return all that its page tells."""
    import modelwatch
    from modelwatch.inputs import read_inputs
    from modelwatch.running import declared_contract, results_of

    monitor = modelwatch.Monitor.load(path)
    contract = declared_contract(monitor, path)
    if window is not None and monitor.data.event_time is None:
        require_dated(production, path)
    inputs = read_inputs(monitor, baseline, production, window, contract=contract, labels=labels, extras={})
    results = results_of(monitor, inputs)
    subject = _watched(monitor, results, journal)
    return monitor, results, replace(subject, profiles=(inputs.baseline, inputs.production))


def _watched(monitor: Monitor, results: dict[str, Any], path: Path) -> Subject:
    """Return what is to be told of a window in its history; without rules or a time it stands alone."""
    from mlops.reporting import Subject, Timeline, subject_of
    from modelwatch.alerts.store import AlertStore
    from modelwatch.alerts.watching import watch

    if not monitor.rules or results["window"]["start"] is None:
        return Subject(Timeline.of_result(results), monitor)
    now = datetime.now(UTC)
    with AlertStore(path) as store:
        results["alerts"] = watch(store, monitor, results, now=now).alerts
        return subject_of(store, monitor.monitor, now=now, upto=results["window"]["start"])


def _roles(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or []:
        column, separator, role = pair.rpartition("=")
        if not separator or not column:
            raise UsageError("A role names no column.", got=pair, expected="--role COLUMN=ROLE")
        found[column] = role
    return found


def _window(start: str | None, end: str | None) -> Any:
    """Return the window between two times, or None without either."""
    if start is None and end is None:
        return None
    from modelwatch import Window

    if start is None or end is None:
        raise UsageError("A window needs a start and an end.", expected="--start TIME --end TIME")
    try:
        moments = [datetime.fromisoformat(text) for text in (start, end)]
    except ValueError as error:
        raise UsageError(
            "A window's time cannot be read.", got=error, expected="ISO 8601, such as 2026-11-20T00:00:00Z"
        ) from error
    return Window(*(moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments))


def _number(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return str(row["note"])
    bound = "" if row["threshold"] is None else f" (bound {row['threshold']:.4g})"
    return f"{row['value']:.4g}{bound}"

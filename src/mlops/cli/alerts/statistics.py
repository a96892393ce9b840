"""``mlops alerts power`` and ``backtest``: what rules notice, and how they would have done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output, table
from mlops.errors import UsageError

if TYPE_CHECKING:
    from modelwatch.alerts.backtest import Backtest

__all__ = ["add_commands", "backtest", "power"]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command(
        "power",
        epilog="Example: `mlops alerts power --monitor pipelines/classical/monitor.yaml "
        "--baseline training.parquet --production later.parquet --rows 1000`",
    )(power)
    group.command(
        "backtest",
        epilog="Example: `mlops alerts backtest --monitor pipelines/classical/monitor.yaml "
        "--store .mlops/monitor/alerts.sqlite --incidents incidents.yaml`",
    )(backtest)


def power(
    monitor: Annotated[Path, typer.Option(help="The declaration, monitor.yaml.")],
    baseline: Annotated[Path, typer.Option(help="Parquet, CSV, JSON lines, a folder, or a saved profile.")],
    production: Annotated[Path, typer.Option(help="Rows that nothing is wrong with; not the baseline's.")],
    rows: Annotated[int, typer.Option(min=2, help="Rows a window.")] = 1_000,
    windows: Annotated[int, typer.Option(min=1, help="Changed windows to wait for an alert.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Streams drawn from the rows.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Break one feature at a time, in real rows, and say which rules fire after how many windows."""
    output = Output(as_json)
    with explained():
        import modelwatch
        from modelwatch.alerts.power import power as measured_power

        declared = modelwatch.Monitor.load(monitor)
        contract = None
        if declared.contract is not None:
            contract = modelwatch.Contract.load(monitor.parent / declared.contract)
        frozen = modelwatch.Profile.load(baseline) if baseline.suffix == ".profile" else baseline
        found = measured_power(
            declared, frozen, production, rows=rows, contract=contract, windows=windows, repeats=repeats,
            progress=output.progress,
        )  # fmt: skip
    lines = [
        (
            row.change,
            row.feature,
            row.rule or "nobody",
            "-" if row.rule is None else f"{row.fired:.0%}",
            "-" if row.windows is None else f"{row.windows:g}",
        )
        for row in found.detections
    ]
    output.result(found.to_dict(), table(("change", "feature", "noticed by", "of streams", "windows"), lines))
    output.progress(
        f"{len(found.unnoticed)} of {len({(row.change, row.feature) for row in found.detections})} changes "
        f"go unnoticed; unchanged, {found.fired_before:.0%} of streams ring"
    )
    if found.left_out:
        output.progress(f"left out, since they need labels or rows: {', '.join(found.left_out)}")


def backtest(
    monitor: Annotated[Path, typer.Option(help="The declaration, monitor.yaml.")],
    store: Annotated[Path, typer.Option(help="The history, alerts.sqlite of `mlops monitor run`.")],
    incidents: Annotated[Path, typer.Option(help="What really happened, as YAML.")],
    as_json: JsonOption = False,
) -> None:
    """Hold rules to a stored history with labelled incidents.

    Exit code 1 when false alarms exceed the monitor's budget, or what the file requires is not reached.
    """
    from modelwatch.alerts.store import AlertStore

    if not store.is_file():
        raise UsageError(
            "There is no such store.", where=str(store), next_step="mlops monitor run --monitor FILE …"
        )
    with explained():
        import modelwatch
        from modelwatch.alerts.backtest import backtest as tested
        from modelwatch.alerts.labels import Labels

        declared, labels = modelwatch.Monitor.load(monitor), Labels.load(incidents)
        with AlertStore(store) as opened:
            found = tested(declared, opened.history(declared.monitor), labels)
    output = Output(as_json)
    output.result(found.to_dict(), _summary(found))
    for problem in found.problems:
        output.progress(f"not reached: {problem}")
    if found.problems:
        raise typer.Exit(1)


def _summary(found: Backtest) -> str:
    run_length = "no false alarm" if found.run_length is None else f"{found.run_length:.3g} windows"
    rate, most = f"{found.false_alarms_a_month:.2g} a month", f"{found.false_alarms_at_most:.2g}"
    lines = [
        f"{found.windows} windows, {len(found.incidents)} labelled incidents, {found.raised} raised",
        f"precision   {_share(found.precision, found.precision_interval)}",
        f"recall      {_share(found.recall, found.recall_interval)}",
        f"delay       {'-' if found.delay is None else f'{found.delay:g} windows'}",
        f"alerts      {found.alerts_a_week:.2g} a week",
        f"quiet runs  {run_length} in {found.quiet_windows} quiet windows",
        f"false       {rate}, {most} at most (95 %); {found.budget:g} allowed",
    ]
    for incident in found.incidents:
        told = "MISSED" if incident.delay is None else f"after {incident.delay} windows"
        lines.append(f"  {incident.start:%Y-%m-%d %H:%M}  {told}  {incident.note}".rstrip())
    lines += [
        f"  {alarm.start:%Y-%m-%d %H:%M}  false alarm  {', '.join([*alarm.rules, *alarm.features])}"
        for alarm in found.false_alarms
    ]
    return "\n".join(lines)


def _share(value: float | None, interval: tuple[float, float]) -> str:
    return "-" if value is None else f"{value:.0%} ({interval[0]:.0%} to {interval[1]:.0%})"

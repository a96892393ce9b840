"""``mlops monitor plan``: what rules will do, before they are deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output, table

if TYPE_CHECKING:
    from rich.table import Table

    from modelwatch.alerts.planning import Entry, Plan

__all__ = ["plan"]


def plan(
    monitor: Annotated[Path, typer.Option(help="The declaration, monitor.yaml.")],
    baseline: Annotated[Path, typer.Option(help="Parquet, CSV, JSON lines, a folder, or a saved profile.")],
    rows: Annotated[
        int | None,
        typer.Option(min=2, help="Rows expected in a window; by default as many as the baseline has in one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how often rules will ring falsely, what they will find, and how soon.

    Exit code 1 when a rule cannot work, or false alarms exceed the monitor's budget.
    """
    from modelwatch.alerts.planning import plan as planned

    with explained():
        import modelwatch

        declared = modelwatch.Monitor.load(monitor)
        contract = None
        if declared.contract is not None:
            contract = modelwatch.Contract.load(monitor.parent / declared.contract)
        if baseline.suffix == ".profile":
            profile = modelwatch.Profile.load(baseline)
        else:
            profile = modelwatch.profile(baseline, contract=contract)
        found = planned(declared, profile, contract=contract, rows=rows)
    output = Output(as_json)
    output.result(found.to_dict(), _table(found))
    output.progress(
        f"{found.rows} rows a window against {found.baseline_rows}: {found.alarms_month:.2g} false alarms "
        f"a month expected, {found.budget:g} allowed"
    )
    for accepted in found.accepted:
        output.progress(f"accepted: {accepted}")
    for refusal in found.refusals:
        output.progress(f"refused: {refusal}")
    if found.refusals:
        raise typer.Exit(1)


def _table(found: Plan) -> Table:
    columns = (
        "rule", "metric", "feature", "fire", "breach by chance", "alarm a month", "found with 80 %", "95 %",
        "days", "rows needed", "",
    )  # fmt: skip
    return table(columns, [_row(entry) for entry in found.entries])


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.rule,
        entry.metric,
        entry.feature or "",
        _number(entry.fire),
        _number(entry.false_alarm_window),
        _number(entry.false_alarm_month),
        f"{_number(entry.shift_80)} {entry.unit or ''}".strip(),
        _number(entry.shift_95),
        _number(entry.days_80),
        "any" if entry.rows_needed == 0 else _number(entry.rows_needed),
        entry.problem,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if value == 0 else f"{value:.3g}" if value < 1_000 else f"{value:,.0f}"

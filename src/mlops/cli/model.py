"""``mlops train``, ``evaluate`` and ``register``: from data to a numbered model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import EnvironmentOption, JsonOption, Session, UseCaseOption
from mlops.cli.output import table
from mlops.cli.pipeline import overrides_from

if TYPE_CHECKING:
    from rich.table import Table

    from mlops.cli.flows import Trained

__all__ = ["add_commands"]

JobOption = Annotated[str, typer.Option("--job", help="Name of a completed training job.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("train", epilog="Example: `mlops train --usecase classical --set knots=9`")(train)
    app.command("evaluate", epilog="Example: `mlops evaluate --job NAME`")(evaluate)
    app.command("register", epilog="Example: `mlops register --job NAME`")(register)


def train(
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    data: Annotated[Path | None, typer.Option(help="Training data; the sample by default.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a training parameter.")
    ] = None,
    recent_from: Annotated[
        int | None,
        typer.Option(help="Id of the first row since the outcome changed: rows since calibrate and judge."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, evaluate and judge a model. Exit code 1 when the gate refuses it."""
    from mlops.cli.flows import train_and_follow

    session = Session.open(environment, as_json=as_json)
    trained = train_and_follow(
        session,
        session.usecase(usecase),
        data=data,
        recent_from=recent_from,
        overrides=overrides_from(parameters),
    )
    _show(session, trained, usecase, environment)


def evaluate(
    job: JobOption,
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Show what a training job measured and what the gate said. Exit code 1 when it refused."""
    from mlops.cli.flows import evaluated
    from mlops.jobs import follow

    session = Session.open(environment, as_json=as_json)
    run = follow(session.client, job, progress=session.output.progress)
    _show(session, evaluated(session, run), usecase, environment)


def register(
    job: JobOption,
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Register the model of a job whose gate passed; the same job always gives the same version."""
    from mlops.cli import flows
    from mlops.jobs import follow
    from mlops.promotion.accepting import refuse_own_models

    session = Session.open(environment, as_json=as_json)
    refuse_own_models(session.settings, usecase)
    run = follow(session.client, job, progress=session.output.progress)
    version = flows.register(session, session.usecase(usecase), flows.evaluated(session, run))
    session.output.result(
        version.to_dict(),
        f"{version.name} version {version.version} ({version.role})\n"
        f"next: mlops deploy --usecase {usecase} --env {environment}",
    )


def _show(session: Session, trained: Trained, usecase: str, environment: str) -> None:
    options = f"--job {trained.run.name} --usecase {usecase} --env {environment}"
    session.output.result(trained.to_dict(), gate_table(trained.gate))
    if trained.passed and session.settings.accepts_releases:
        session.output.progress(
            f"the gate passes it, and {environment} deploys what was promoted to it alone"
        )
        return
    if trained.passed:
        session.output.progress(f"the gate passes it\nnext: mlops register {options}")
        return
    session.output.progress("the gate refuses it: what serves now keeps serving")
    raise typer.Exit(1)


def gate_table(gate: Any) -> Table:
    """Return a gate's checks as a table."""
    rows = [
        (check["status"], check["name"], check["detail"])
        for check in [*gate["checks"], *gate.get("reported", [])]
    ]
    return table(("status", "check", "what was found"), rows, title=f"gate: {gate['verdict']}")

"""``mlops deploy``, ``rollback`` and ``score``: from a numbered model to answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import EnvironmentOption, JsonOption, Session, UseCaseOption
from mlops.cli.output import table
from mlops.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from mlops.rollout import RolloutResult
    from mlops.scoring import Exchange

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("deploy", epilog="Example: `mlops deploy --usecase classical`")(deploy)
    app.command("rollback", epilog="Example: `mlops rollback --usecase classical`")(rollback)
    app.command("score", epilog="Example: `mlops score --data rows.csv --out answers.csv`")(score)


def deploy(
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    version: Annotated[
        str | None,
        typer.Option(help="Model version; the release, the challenger, else the champion, by default."),
    ] = None,
    traffic: Annotated[
        Path | None, typer.Option(help="Rows that judge it; the sample's stream by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy blue/green: smoke, shadow, canary, full, each judged. Exit code 1 when it was rolled back.

    After the first environment of the promotion chain, what is deployed is the release of
    `environments/releases/`, its bytes verified before any traffic moves.
    """
    from mlops.cli import flows

    session = Session.open(environment, as_json=as_json)
    model, result = flows.deploy(session, session.usecase(usecase), version=version, traffic=traffic)
    session.output.result({**result.to_dict(), "model": model.to_dict()}, rollout_table(result))
    serving = f"{result.serving} serves {result.model}" if result.serving else "nothing serves"
    session.output.progress(f"{result.endpoint}: {result.status}; {serving}")
    if not result.ok:
        raise typer.Exit(1)


def rollback(
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Send everything to the deployment that served before, and make its model champion again."""
    from mlops.cli import flows
    from mlops.registry import ModelRegistry
    from mlops.rollout import roll_back

    session = Session.open(environment, as_json=as_json)
    result = roll_back(
        session.client,
        session.settings.names.endpoint(usecase),
        progress=flows.rollout_progress(session.output),
    )
    if result.model is not None:
        name, _, version = result.model.removeprefix("azureml:").rpartition(":")
        ModelRegistry(session.client).set_champion(name, version)
    session.output.result(result.to_dict(), rollout_table(result))
    session.output.progress(f"{result.endpoint}: {result.serving} serves {result.model}")


def score(
    data: Annotated[Path, typer.Option(help="CSV, Parquet, JSON or JSON lines file of rows.")],
    out: Annotated[Path | None, typer.Option(help="CSV or Parquet file for the answers.")] = None,
    usecase: UseCaseOption = "classical",
    environment: EnvironmentOption = "local",
    rows_per_request: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    deployment: Annotated[
        str | None, typer.Option(help="Send past the traffic rules to this deployment.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send rows to the endpoint. Exit code 1 when a request failed; its rows say why."""
    import pandas as pd

    from mlops.scoring import EndpointClient, batches, read_rows, score_batches, summarize

    if out is not None and out.suffix not in {".csv", ".parquet"}:
        raise UsageError(
            "Answers cannot be written to this kind of file.",
            where="--out",
            got=str(out),
            expected="a file name that ends in .csv or .parquet",
        )
    session = Session.open(environment, as_json=as_json)
    endpoint = EndpointClient(session.client, session.settings.names.endpoint(usecase))
    identifiers = [c.name for c in session.usecase(usecase).contract.columns if c.role == "id"]
    exchanges: list[Exchange] = []
    frames = score_batches(
        endpoint,
        batches(read_rows(data), size=rows_per_request, id_column=next(iter(identifiers), None)),
        deployment=deployment,
        on_exchange=exchanges.append,
    )
    answers = pd.concat(list(frames), ignore_index=True)
    summary = summarize(exchanges)
    if out is not None:
        _write(answers, out)
    document = {**summary.to_dict(), "rows": len(answers), "out": str(out) if out else None}
    shown = table([str(c) for c in answers.columns], answers.head(10).itertuples(index=False))
    session.output.result(document, shown if out is None else f"{len(answers)} answers in {out}")
    session.output.progress(
        f"{summary.requests} requests, {summary.errors} failed, p50 {summary.p50_ms or 0:.0f} ms, "
        f"p95 {summary.p95_ms or 0:.0f} ms, by deployment {dict(summary.by_deployment)}"
    )
    if summary.errors:
        raise typer.Exit(1)


def rollout_table(result: RolloutResult) -> Table:
    """Return a rollout's steps as a table."""
    rows = [(step.name, step.status, f"{step.seconds:.1f}", step.message) for step in result.steps]
    return table(("step", "status", "seconds", "what was found"), rows, title=f"rollout: {result.status}")


def _write(answers: object, out: Path) -> None:
    import pandas as pd

    assert isinstance(answers, pd.DataFrame)  # noqa: S101 - for the type checker
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.part")
    if out.suffix == ".csv":
        answers.to_csv(temporary, index=False)
    else:
        answers.to_parquet(temporary, index=False)
    temporary.replace(out)

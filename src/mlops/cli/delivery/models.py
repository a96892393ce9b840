"""``mlops ci model-report``, ``retraining-request`` and ``retraining-requests``."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import EnvironmentOption, JsonOption
from mlops.cli.delivery.surroundings import checkout, github, log_workspace, read_json, this_run
from mlops.cli.monitoring.errors import explained
from mlops.cli.output import Output
from mlops.cli.pipeline import usecase_names
from mlops.delivery import alert_states, model_report, retraining
from mlops.delivery.markdown import fit
from mlops.delivery.preview import now
from mlops.errors import DataError
from mlops.files import write_json, write_text
from mlops.settings.together import load_together

if TYPE_CHECKING:
    from collections.abc import Collection

    from modelwatch.monitor import Monitor

__all__ = ["add_commands"]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("alerts", epilog="Example: `mlops ci alerts --env prod --out prod.json`")(alerts)
    group.command("model-report", epilog="Example: `mlops ci model-report trained.json --out model.md`")(
        report
    )
    group.command("retraining-request", epilog="Example: `mlops ci retraining-request '{…}'`")(request)
    group.command("retraining-requests", epilog="Example: `mlops ci retraining-requests alerts`")(requests)


def alerts(
    environment: Annotated[str, typer.Option("--env", "-e", help="dev, staging or prod.", metavar="ENV")],
    out: Annotated[Path, typer.Option(help="File for the alerts, as JSON.")] = Path("alerts.json"),
    as_json: JsonOption = False,
) -> None:
    """Read which alerts fire in an environment from the log workspace, each with what its rule asks for."""
    found = alert_states.firing(
        log_workspace(environment).ask(alert_states.query(environment)), _actions(checkout())
    )
    write_json(out, found)
    Output(as_json).result(
        {"alerts": found, "out": str(out)}, f"{len(found)} alert(s) fire in {environment}; {out}"
    )


def report(
    trained: Annotated[Path, typer.Argument(help="What `mlops train --json` printed.")],
    out: Annotated[Path, typer.Option(help="File for the report.")] = Path("model.md"),
    environment: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Write how a model compares with the champion. Exit code 1 when the gate refuses it."""
    content = read_json(trained)
    if not isinstance(content, dict):
        raise DataError(
            "This is no result of training.", where=str(trained), expected="what `mlops train` prints"
        )
    text = fit(model_report.to_markdown(content, environment=environment))
    write_text(out, text)
    verdict = model_report.verdict_of(content)
    run = this_run()
    run.add_summary(text)
    run.set_outputs({"verdict": verdict, "job": str(content.get("job") or "")})
    Output(as_json).result({"report": str(out), "verdict": verdict}, f"{verdict}; report: {out}")
    if verdict != "pass":
        raise typer.Exit(1)


def request(
    text: Annotated[str, typer.Argument(help="The request as JSON.", metavar="JSON")],
    as_json: JsonOption = False,
) -> None:
    """Check a request to retrain; in a workflow, its fields become outputs of the step."""
    found = retraining.read_request(text, usecase_names())
    # Another environment gets its model from there, by promotion; one outside of the chain trains its own.
    chain = load_together(checkout())[found.environment].environment.promotion
    trains_in = chain.trains_in if found.environment in chain.chain else found.environment
    outputs = {name: str(value) for name, value in found.model_dump().items()}
    this_run().set_outputs({**outputs, "trains-in": trains_in})
    Output(as_json).result(
        {**found.model_dump(), "trains_in": trains_in},
        f"train {found.usecase} in {trains_in} for {found.environment}: {found.reason}",
    )


def requests(
    folder: Annotated[Path, typer.Argument(help="Files ENV.json, as `mlops ci alerts` writes them.")],
    as_json: JsonOption = False,
) -> None:
    """Turn fired alerts into requests to retrain: one open a model, none in the pause after the last."""
    run, client, root = this_run(), github(), checkout()
    monitors, settings = _monitors(root), load_together(root)
    decisions = [
        retraining.ask(
            client,
            usecase,
            file.stem,
            found,
            at=now(),
            pause=timedelta(days=settings[file.stem].environment.retraining.cooldown_days),
            run=run.number,
        )
        for file in sorted(folder.rglob("*.json"))
        for usecase, found in retraining.wanting(_alerts_of(file, settings), monitors).items()
    ]
    wanted = [
        {"usecase": one.usecase, "environment": one.environment, "reason": one.reason, "issue": one.issue}
        for one in decisions
        if one.outcome == "requested"
    ]
    run.set_outputs({"requests": json.dumps(wanted)})
    Output(as_json).result(
        [one.to_dict() for one in decisions],
        "\n".join(f"{one.usecase} in {one.environment}: {one.outcome}; {one.reason}" for one in decisions)
        or "no alert asks for a new model",
    )


def _alerts_of(file: Path, environments: Collection[str]) -> list[dict[str, Any]]:
    """Return the alerts of a file that is called like its environment."""
    content = read_json(file)
    if not isinstance(content, list) or file.stem not in environments:
        raise DataError(
            "This is no list of an environment's alerts.",
            where=str(file),
            expected=f"what `mlops ci alerts` writes, in a file called {' or '.join(environments)}.json",
        )
    return content


def _declared(root: Path) -> dict[str, Monitor]:
    """Return the monitor of each use case that `root` declares."""
    from modelwatch.monitor import Monitor

    with explained():
        return {
            path.parent.name: Monitor.load(path)
            for path in sorted((root / "pipelines").glob("*/monitor.yaml"))
        }


def _monitors(root: Path) -> dict[str, str]:
    return {monitor.monitor: usecase for usecase, monitor in _declared(root).items()}


def _actions(root: Path) -> dict[tuple[str, str], str]:
    return {(one.monitor, rule.id): rule.action for one in _declared(root).values() for rule in one.rules}

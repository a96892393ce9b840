"""``mlops ci model-report``, ``retraining-request`` and ``retraining-requests``."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import EnvironmentOption, JsonOption
from mlops.cli.delivery.surroundings import checkout, github, read_json, this_run
from mlops.cli.output import Output
from mlops.cli.pipeline import usecase_names
from mlops.delivery import model_report, retraining
from mlops.delivery.markdown import fit
from mlops.delivery.preview import now
from mlops.errors import DataError
from mlops.files import write_text

__all__ = ["add_commands"]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("model-report", epilog="Example: `mlops ci model-report trained.json --out model.md`")(
        report
    )
    group.command("retraining-request", epilog="Example: `mlops ci retraining-request '{…}'`")(request)
    group.command("retraining-requests", epilog="Example: `mlops ci retraining-requests alerts`")(requests)


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
    this_run().set_outputs({name: str(value) for name, value in found.model_dump().items()})
    Output(as_json).result(
        found.model_dump(), f"retrain {found.usecase} in {found.environment}: {found.reason}"
    )


def requests(
    folder: Annotated[
        Path, typer.Argument(help="Files ENV.json, as `mlops alerts list --json` prints them.")
    ],
    pause_hours: Annotated[int, typer.Option(min=0, help="Between two requests for one model.")] = 72,
    as_json: JsonOption = False,
) -> None:
    """Turn fired alerts into requests to retrain: one open a model, none in the pause after the last."""
    run, client = this_run(), github()
    monitors = _monitors(checkout())
    decisions = []
    for file in sorted(folder.rglob("*.json")):
        alerts = read_json(file)
        if not isinstance(alerts, list):
            raise DataError(
                "This is no list of alerts.", where=str(file), expected="what `mlops alerts list` prints"
            )
        for usecase, found in retraining.wanting(alerts, monitors).items():
            decisions.append(
                retraining.ask(
                    client,
                    usecase,
                    file.stem,
                    found,
                    at=now(),
                    pause=timedelta(hours=pause_hours),
                    run=run.number,
                )
            )
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


def _monitors(root: Path) -> dict[str, str]:
    """Return the use case of each monitor that `root` declares."""
    from mlops.yaml_source import load_yaml

    return {
        str(load_yaml(path)[0].get("name", path.parent.name)): path.parent.name
        for path in sorted((root / "pipelines").glob("*/monitor.yaml"))
    }

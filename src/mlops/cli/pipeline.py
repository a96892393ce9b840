"""``mlops pipeline``: check the training pipeline without a control plane, or only submit it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.context import EnvironmentOption, JsonOption, Session
from mlops.cli.output import Output
from mlops.errors import UsageError
from mlops.settings import ENVIRONMENTS, ROOT, load
from mlops.settings.notifications import known_owners, known_routes

__all__ = ["commands", "usecase_names"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops pipeline``."""
    group = typer.Typer(help="Check or submit training pipelines.", no_args_is_help=True)
    group.command("validate", epilog="Example: `mlops pipeline validate --usecase classical`")(validate)
    group.command("submit", epilog="Example: `mlops pipeline submit --usecase classical --env dev`")(submit)
    return group


def usecase_names() -> list[str]:
    """Return the folders of `pipelines/` that declare a use case."""
    return sorted(path.parent.name for path in (ROOT / "pipelines").glob("*/usecase.yaml"))


def validate(
    usecase: Annotated[
        str | None, typer.Option("--usecase", "-u", metavar="U", help="One use case; all by default.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--env", "-e", metavar="ENV", help="One environment; all by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check pipelines and monitors offline, also for what the SDK lets through. Exit code 1 for problems."""
    from mlops.usecase import load_usecase
    from pipelines import training, validation

    output = Output(as_json)
    names = [usecase] if usecase else usecase_names()
    environments = [environment] if environment else list(ENVIRONMENTS)
    found: list[dict[str, str]] = []
    for name in names:
        declaration = load_usecase(name, ROOT)
        for each in environments:
            found += [
                {"usecase": name, "environment": each, "problem": problem}
                for problem in _monitor_problems(name, each)
            ]
            for champion in (None, f"azureml:{load(each).names.model(name)}:1"):
                job = training.build(
                    load(each), declaration, training_data=f"azureml:{name}-training:1", champion=champion
                )
                found += [
                    {"usecase": name, "environment": each, "problem": str(problem)}
                    for problem in validation.check(job)
                ]
    text = "\n".join(f"{entry['usecase']} in {entry['environment']}: {entry['problem']}" for entry in found)
    fine = f"no problem in {', '.join(names)} for {', '.join(environments)}"
    output.result({"usecases": names, "environments": environments, "problems": found}, text or fine)
    if found:
        raise typer.Exit(1)


def _monitor_problems(usecase: str, environment: str) -> list[str]:
    """Say what is wrong with a use case's monitor, and whom of it an environment does not know."""
    from modelwatch import Monitor
    from modelwatch.errors import WatchError

    path = ROOT / "pipelines" / usecase / "monitor.yaml"
    if not path.is_file():
        return []
    settings = load(environment)
    try:
        Monitor.load(path, owners=sorted(known_owners(settings)), routes=sorted(known_routes(settings)))
    except WatchError as error:
        return [str(error)]
    return []


def submit(
    usecase: Annotated[str, typer.Option("--usecase", "-u", metavar="U")] = "classical",
    environment: EnvironmentOption = "local",
    data: Annotated[Path | None, typer.Option(help="Training data; the sample by default.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a training parameter.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Submit the training pipeline and return at once; ``mlops evaluate`` reads its verdict later."""
    from mlops.cli.flows import train

    session = Session.open(environment, as_json=as_json)
    name, asset = train(session, session.usecase(usecase), data=data, overrides=overrides_from(parameters))
    session.output.result(
        {"job": name, "data": asset},
        f"submitted {name}\nnext: mlops evaluate --job {name} --env {environment}",
    )


def overrides_from(parameters: list[str] | None) -> dict[str, int | float | str]:
    """Read ``NAME=VALUE`` pairs; a value that reads as a number is one.

    Raises
    ------
    UsageError
        A pair has no name or no value.
    """
    found: dict[str, int | float | str] = {}
    for pair in parameters or []:
        name, separator, text = pair.partition("=")
        if not (name and separator and text):
            raise UsageError("A parameter has no name or no value.", got=pair, expected="--set NAME=VALUE")
        found[name] = _number(text)
    return found


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

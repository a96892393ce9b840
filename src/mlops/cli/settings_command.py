"""``mlops settings``: what an environment's settings are, and where each value was written."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output, table
from mlops.settings import ENVIRONMENTS, load_settings

__all__ = ["commands"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops settings``."""
    group = typer.Typer(help="Show what an environment is set to.", no_args_is_help=True)
    group.command("show", epilog="Example: `mlops settings show prod`")(show)
    group.callback()(_group)
    return group


def _group() -> None:
    """Show what an environment is set to."""


def show(
    environment: Annotated[str, typer.Argument(metavar="ENV", help=", ".join(ENVIRONMENTS))],
    as_json: JsonOption = False,
) -> None:
    """Print every effective value and the file and line that it comes from."""
    settings = load_settings(environment)
    origins = settings.origins()
    document = {
        "environment": settings.environment.model_dump(mode="json"),
        "names": settings.environment.names.to_dict(),
        "sources": {origin.key: origin.source for origin in origins},
    }
    rows = [(origin.key, "none" if origin.value == [] else origin.value, origin.source) for origin in origins]
    Output(as_json).result(document, table(("setting", "value", "from"), rows))

"""The group of commands."""

from __future__ import annotations

import typer

from mlops.cli.delivery import (
    champion,
    changing,
    imaging,
    infrastructure,
    models,
    posting,
    promoting,
    releasing,
)

__all__ = ["commands"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops ci``."""
    group = typer.Typer(help="What the workflows call: reports, comments, previews.", no_args_is_help=True)
    for module in (champion, changing, imaging, infrastructure, models, posting, promoting, releasing):
        module.add_commands(group)
    return group

"""The commands below ``mlops alerts``."""

from __future__ import annotations

import typer

from mlops.cli.alerts import checking, operating, rules_as_code, statistics

__all__ = ["commands"]


def commands() -> typer.Typer:
    """Return the commands below ``mlops alerts``."""
    group = typer.Typer(help="Rules as code, and what becomes of alerts.", no_args_is_help=True)
    rules_as_code.add_commands(group)
    statistics.add_commands(group)
    operating.add_commands(group)
    checking.add_commands(group)
    return group

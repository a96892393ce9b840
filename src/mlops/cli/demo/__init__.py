"""``mlops demo``: the whole loop on this machine, from an empty folder to a report."""

from mlops.cli.demo.command import add_commands

__all__ = ["add_commands"]

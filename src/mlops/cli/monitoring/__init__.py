"""``mlops monitor``: contracts and measurements, from files to `results.json` and a page."""

from mlops.cli.monitoring.commands import commands

__all__ = ["commands"]

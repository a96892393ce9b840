"""``mlops ci``: what the workflows below ``.github/`` call, and what runs the same way without them."""

from mlops.cli.delivery.commands import commands

__all__ = ["commands"]

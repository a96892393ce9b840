"""Where data come from: every source becomes Arrow arrays, column by column where the format allows."""

from __future__ import annotations

from modelwatch.sources.base import Source
from modelwatch.sources.opening import open_source
from modelwatch.sources.windows import Window

__all__ = ["Source", "Window", "open_source"]

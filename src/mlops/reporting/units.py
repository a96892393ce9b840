"""Units of metrics: how a number is written."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Unit"]


class Unit(StrEnum):
    """How a number is written."""

    INDEX = "index"
    SHARE = "share"
    P_VALUE = "p-value"
    SCORE = "score"
    TARGET = "unit of the target"
    MILLISECONDS = "ms"
    SECONDS = "s"
    PER_SECOND = "per second"
    RATIO = "ratio"
    FLAG = "found or not"

"""How alarming one window of one series is: the marks of the heat map."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from modelwatch.alerts.history import CODES
from modelwatch.metrics import METRICS, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from modelwatch.alerts.history import History

__all__ = ["DOUBLE", "HALF", "Level", "segment_levels"]

DOUBLE: Final = 2.0
HALF: Final = 0.5
"""Multiples of its threshold from which on a value is worth another mark."""


class Level(StrEnum):
    """How a cell of the heat map looks: one letter each, from nothing to say to most alarming."""

    ABSENT = "."
    CALM = "o"
    NO_DATA = "n"
    INSUFFICIENT = "i"
    NEAR = "h"
    UNPROVEN = "u"
    BREACH = "b"
    DOUBLE = "B"
    ERROR = "x"

    @property
    def words(self) -> str:
        """What the level means."""
        return _WORDS[self]

    @property
    def alarming(self) -> bool:
        """Whether somebody should look."""
        return self in (Level.BREACH, Level.DOUBLE, Level.ERROR)

    @classmethod
    def worst(cls, levels: Iterable[Level]) -> Level:
        """Return the most alarming of several levels."""
        return max(levels, key=_RANK.__getitem__, default=cls.ABSENT)


_RANK: Final = {level: rank for rank, level in enumerate(Level)}
_WORDS: Final = {
    Level.ABSENT: "not measured",
    Level.CALM: "no breach",
    Level.NO_DATA: "no data",
    Level.INSUFFICIENT: "too few rows to tell",
    Level.NEAR: "over half of its threshold",
    Level.UNPROVEN: "beyond its threshold, without evidence",
    Level.BREACH: "breach",
    Level.DOUBLE: "breach, twice its threshold or more",
    Level.ERROR: "could not be measured",
}


_ORDER: Final = tuple(Level)


def segment_levels(history: History) -> dict[str, tuple[Level, ...]]:
    """Return the worst level of each window for each segment: thousands of series, as arrays."""
    columns: dict[str, list[int]] = {}
    for position, key in enumerate(history.series):
        if key.segment is not None:
            columns.setdefault(key.segment, []).append(position)
    ranks = _ranks(history)
    return {
        name: tuple(_ORDER[rank] for rank in ranks[:, positions].max(axis=1).tolist())
        for name, positions in columns.items()
    }


def _ranks(history: History) -> NDArray[np.uint8]:
    """Return positions in `Level`, shape (windows, series), by the rules of `Series.level`."""
    entries = [METRICS.get(key.metric) for key in history.series]
    higher, lower = (
        np.array([one is not None and one.direction is direction for one in entries], dtype=np.bool_)
        for direction in (Direction.HIGHER_IS_WORSE, Direction.LOWER_IS_WORSE)
    )
    value, bound = history.value, history.threshold
    with np.errstate(all="ignore"):
        strain = np.where(higher & (bound > 0), value / bound, np.nan)
        beyond = (higher & (value > bound)) | (lower & (value < bound))
    status = history.status
    breach, plain = status == CODES["breach"], status == CODES["ok"]
    marks = {
        Level.CALM: plain,
        Level.NEAR: plain & (strain > HALF),
        Level.UNPROVEN: plain & beyond,
        Level.NO_DATA: status == CODES["no_data"],
        Level.INSUFFICIENT: status == CODES["insufficient"],
        Level.BREACH: breach,
        Level.DOUBLE: breach & (strain >= DOUBLE),
        Level.ERROR: (status == CODES["error"]) | (status == CODES["schema_error"]),
    }
    ranks = np.full(status.shape, _RANK[Level.ABSENT], dtype=np.uint8)
    for level, where in marks.items():
        ranks[where] = _RANK[level]
    return ranks

"""The shape of a control: a rule about a setting that prod keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.settings.model import Environment

__all__ = ["Control"]


@dataclass(frozen=True, slots=True)
class Control:
    """One rule about a setting, and whether an environment keeps it."""

    check: str
    key: str
    expected: str
    holds: Callable[[Environment], bool]

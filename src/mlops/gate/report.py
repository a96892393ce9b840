"""The gate's verdict and everything it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops.files import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Check", "GateReport", "Note"]

VERSION = 1


@dataclass(frozen=True, slots=True)
class Check:
    """One question that had to be answered with yes.

    Parameters
    ----------
    name
        Stable and dotted, such as ``comparison.log_loss``.
    status
        ``error`` when the question could not be answered; it counts like ``fail``.
    value, bound
        The number that was judged and the rule it was held to, such as ``<= 0.004``.
    detail
        One sentence for a person.
    comparison
        Against the champion: the `metric`, by how much it degrades (`estimate`), the one-sided bounds
        `lower` and `upper`, and the number of `rows`.
    """

    name: str
    status: Literal["pass", "fail", "error"]
    value: float | None
    bound: str | None
    detail: str
    comparison: Mapping[str, str | float | int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; a value that is no finite number becomes null."""
        value = self.value if self.value is not None and math.isfinite(self.value) else None
        return {
            "name": self.name,
            "status": self.status,
            "value": value,
            "bound": self.bound,
            "detail": self.detail,
            **({"comparison": dict(self.comparison)} if self.comparison else {}),
        }


@dataclass(frozen=True, slots=True)
class Note:
    """What was not judged, and why: reported, without a say in the verdict."""

    name: str
    status: Literal["insufficient", "not_applicable", "changed"]
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"name": self.name, "status": self.status, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class GateReport:
    """All checks of one model."""

    usecase: str
    rows: int
    checks: tuple[Check, ...]
    notes: tuple[Note, ...] = ()

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        """``pass`` when there are checks and every one of them passed."""
        return "pass" if self.checks and all(check.status == "pass" for check in self.checks) else "fail"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``gate.json``."""
        return {
            "version": VERSION,
            "usecase": self.usecase,
            "verdict": self.verdict,
            "rows": self.rows,
            "checks": [check.to_dict() for check in self.checks],
            "reported": [note.to_dict() for note in self.notes],
        }

    def write(self, path: Path, extra: Mapping[str, Any] | None = None) -> Path:
        """Write ``gate.json`` atomically, with the facts of `extra` beside the checks."""
        return write_json(path, {**self.to_dict(), **(extra or {})})

    def summary(self) -> str:
        """Return one line a check, for a job's log."""
        lines = [f"{self.usecase}: {self.verdict} on {self.rows} held-out rows"]
        lines += [f"  {check.status:5} {check.name}: {check.detail}" for check in self.checks]
        lines += [f"  {note.status}: {note.name}: {note.detail}" for note in self.notes]
        return "\n".join(lines)

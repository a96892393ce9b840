"""What every measurement in this package returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Status(StrEnum):
    """What a measurement may conclude. There is no silent state: not knowing has names of its own."""

    OK = "ok"
    BREACH = "breach"
    INSUFFICIENT = "insufficient"
    NO_DATA = "no_data"
    SCHEMA_ERROR = "schema_error"
    ERROR = "error"


def finite(value: float | None) -> float | None:
    """Return ``value``, or None where it is missing, NaN or infinite: such is never compared or written."""
    return None if value is None or not math.isfinite(value) else float(value)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number about one feature in one segment, with what it takes to trust it.

    Attributes
    ----------
    metric, definition
        What was measured, and by which published rule (``robust/v1``, ``azureml/4b41f8c``).
    value
        The published number; for a test whose published number is a p-value, the p-value. None where there
        is none, and then `status` says why.
    p_value, q_value
        Evidence against "nothing changed", before and after correction for the number of features.
    n_baseline, n_production
        Rows that entered the number (nulls excluded where the metric excludes them).
    bound
        Largest possible distance between `value` (for a p-value: its statistic) and the exact number; 0 when
        exact.
    interval
        Confidence interval of `value`.
    count
        The raw count behind a rate: rounding is for display alone.
    statistic
        Test statistic behind a p-value.
    """

    metric: str
    definition: str
    value: float | None
    status: Status = Status.OK
    p_value: float | None = None
    q_value: float | None = None
    n_baseline: int = 0
    n_production: int = 0
    signal: str = ""
    feature: str | None = None
    segment: str | None = None
    threshold: float | None = None
    note: str = ""
    statistic: float | None = None
    bound: float | None = None
    interval: tuple[float, float] | None = None
    count: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("value", "p_value", "q_value", "statistic", "bound", "threshold"):
            object.__setattr__(self, name, finite(getattr(self, name)))
        if self.interval is not None and not all(map(math.isfinite, self.interval)):
            object.__setattr__(self, "interval", None)
        if self.value is None and self.status in (Status.OK, Status.BREACH):
            object.__setattr__(self, "status", Status.ERROR)
            object.__setattr__(self, "note", with_note(self.note, "the value is not a finite number"))

    def noting(self, note: str) -> Measurement:
        """Return the measurement with a note that also says ``note``."""
        whole = with_note(self.note, note)
        return self if whole == self.note else replace(self, note=whole)

    def to_dict(self) -> dict[str, Any]:
        """Return the row of ``results.json``: the fixed keys always, the rest where they say something."""
        row: dict[str, Any] = {
            "signal": self.signal,
            "metric": self.metric,
            "definition": self.definition,
            "feature": self.feature,
            "segment": self.segment,
            "value": self.value,
            "p_value": self.p_value,
            "q_value": self.q_value,
            "n_baseline": self.n_baseline,
            "n_production": self.n_production,
            "status": self.status.value,
            "threshold": self.threshold,
            "note": self.note,
        }
        if self.count is not None:
            row["count"] = self.count
        if self.statistic is not None:
            row["statistic"] = self.statistic
        if self.bound is not None:
            row["bound"] = self.bound
        if self.interval is not None:
            row["interval"] = list(self.interval)
        if self.details:
            row["details"] = dict(self.details)
        return row


def with_note(note: str, addition: str) -> str:
    """Join two notes, leaving out empty and repeated ones."""
    if not addition or addition in note:
        return note
    return f"{note}; {addition}" if note else addition

"""What a rule of ``monitor.yaml`` may say."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from modelwatch.metrics import Direction, Metric, full_name, metric

K_OF_N = re.compile(r"^\s*(\d+)\s+of\s+(\d+)\s*$")
# Flags of past windows are bits of one 64-bit integer.
LONGEST_MEMORY = 60


class Severity(StrEnum):
    """How urgent an alert is; Azure Monitor's numbers beside it."""

    INFO = "info"  # 3
    WARNING = "warning"  # 2
    CRITICAL = "critical"  # 1

    @property
    def rank(self) -> int:
        """Position in the order of urgency, from 0."""
        return _RANKS.index(self)


_RANKS = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
_AZURE = {"sev1": Severity.CRITICAL, "sev2": Severity.WARNING, "sev3": Severity.INFO}
SEVERITIES = _RANKS
"""From the least to the most urgent; arrays hold positions in it."""

Policy = Literal["hold", "alert", "ignore"]
Action = Literal["none", "issue", "request_retraining", "request_annotation"]
GroupKey = Literal["monitor", "rule", "signal", "feature", "segment"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Evidence(_Model):
    """How sure a breach must be: the false discovery rate that is put up with."""

    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Budget(_Model):
    """How many false alarms a month of quiet may bring; `mlops monitor plan` and CI hold the rules to it."""

    false_alarms_per_month: Annotated[float, Field(gt=0)] = 0.05


class Rule(_Model):
    """One condition and what it takes for people to hear of it.

    Attributes
    ----------
    when
        ``signal.metric``, or ``signal`` alone for any breach of the signal's own thresholds.
    features
        The features it is about; all of the signal's by default.
    fire, clear
        Beyond `fire` is a breach; the alert recovers only when the value is not beyond `clear` any more
        (hysteresis; the same bound by default). Without `fire` the measurement's own threshold counts.
    direction
        Which side of `fire` is worse. The metric says so; written down, it is held against the metric.
    evidence
        A breach needs a q-value below `fdr`, or, where a measurement has an interval and no p-value, an
        interval that lies beyond the bound as a whole. None asks for the effect alone.
    persistence
        ``k of n``: the alert fires when k of the last n judged windows were breaches (key ``for``).
    keep_firing
        Windows in a row that have to be clear before the alert is resolved.
    severity
        One name, or names by the value from which on they hold.
    group_by
        Alerts that share these become one incident.
    inhibited_by
        Rules whose alert on the same feature and segment mutes this one: a broken schema explains drift.
    no_data, insufficient
        What a window without data, or with too little, does: `hold` leaves the state as it is, `alert` counts
        it as a breach, `ignore` as clear.
    accept_noise
        Why a rule that planning finds useless is wanted all the same.

    Examples
    --------
    >>> rule = Rule.model_validate(
    ...     {"id": "drift", "when": "inputs.psi", "fire": 0.2, "clear": 0.1, "for": "3 of 5"}
    ... )
    >>> rule.needed, rule.out_of, rule.metric.id
    (3, 5, 'population_stability_index')
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    description: str | None = None
    when: str
    features: tuple[str, ...] | None = None
    fire: float | None = None
    clear: float | None = None
    direction: Literal["above", "below"] | None = None
    evidence: Evidence | None = Evidence()
    persistence: Annotated[str, Field(alias="for")] = "2 of 3"
    keep_firing: Annotated[int, Field(ge=1, le=LONGEST_MEMORY)] = 2
    severity: Severity | dict[float, Severity] = Severity.WARNING
    group_by: tuple[GroupKey, ...] = ("monitor",)
    inhibited_by: tuple[str, ...] = ()
    no_data: Policy = "hold"
    insufficient: Policy = "hold"
    owner: str | None = None
    route: str | None = None
    runbook: str | None = None
    action: Action = "issue"
    accept_noise: str | None = None

    @field_validator("evidence", mode="before")
    @classmethod
    def _no_evidence(cls, written: Any) -> Any:
        return None if written == "none" else written

    @field_validator("severity", mode="before")
    @classmethod
    def _azure_names(cls, written: Any) -> Any:
        if isinstance(written, dict):
            return {level: _AZURE.get(str(name), name) for level, name in written.items()}
        return _AZURE.get(str(written), written)

    @field_validator("persistence")
    @classmethod
    def _k_of_n(cls, text: str) -> str:
        match = K_OF_N.match(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= LONGEST_MEMORY:
            raise ValueError(f"write `k of n` with 1 <= k <= n <= {LONGEST_MEMORY}, such as `3 of 5`")
        return text

    @field_validator("when")
    @classmethod
    def _selector(cls, text: str) -> str:
        _signal, dot, name = text.partition(".")
        if dot:
            full_name(name)
        return text

    @model_validator(mode="after")
    def _directions(self) -> Self:
        bounds = [("fire", self.fire), ("clear", self.clear), *(("severity", level) for level in self.levels)]
        for name, bound in bounds:
            if bound is not None and not math.isfinite(bound):
                raise ValueError(f"`{name}` is not a finite number")
        if self.fire is None:
            given = [name for name, bound in bounds if bound is not None]
            if given:
                raise ValueError(f"`{given[0]}` needs `fire`, and `when` with a metric")
            return self
        if self.metric is None:
            raise ValueError("`fire` compares one metric: write `when: signal.metric`")
        worse = "above" if self.metric.direction is Direction.HIGHER_IS_WORSE else "below"
        if self.direction not in (None, worse):
            raise ValueError(
                f"`direction: {self.direction}` contradicts {self.metric.id}, which is worse {worse}"
            )
        if self.clear is not None and self.metric.breaches(self.clear, self.fire):
            raise ValueError(
                f"`clear` {self.clear} is on the bad side of `fire` {self.fire}: "
                f"{self.metric.id} is worse {worse}"
            )
        for level in self.levels:
            if self.metric.breaches(self.fire, level):
                raise ValueError(
                    f"`severity` {level} is on the good side of `fire` {self.fire}: "
                    f"{self.metric.id} is worse {worse}"
                )
        return self

    @property
    def signal(self) -> str:
        """Name of the signal it watches."""
        return self.when.partition(".")[0]

    @property
    def metric(self) -> Metric | None:
        """The metric it watches; None for all of the signal's."""
        name = self.when.partition(".")[2]
        return metric(full_name(name)) if name else None

    @property
    def needed(self) -> int:
        """How many breaches make it fire."""
        return int(self.persistence.split()[0])

    @property
    def out_of(self) -> int:
        """Among how many judged windows."""
        return int(self.persistence.split()[2])

    @property
    def levels(self) -> dict[float, Severity]:
        """Severities by the value from which on they hold; empty where there is one for all."""
        return self.severity if isinstance(self.severity, dict) else {}

    @property
    def lowest_severity(self) -> Severity:
        """The severity of the mildest breach."""
        if isinstance(self.severity, Severity):
            return self.severity
        return min(self.severity.values(), key=lambda severity: severity.rank)

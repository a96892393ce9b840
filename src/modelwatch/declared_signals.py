"""What a monitor declares of one signal: columns, metrics, bounds, evidence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from modelwatch.errors import UsageError
from modelwatch.metrics import CATEGORICAL, METRICS, NUMERICAL, full_name
from modelwatch.signal_checks import check_drift_metrics, check_thresholds, number_of
from modelwatch.sources.windows import parse_duration

# What profiles alone are enough for.
PROFILED = frozenset({"data_drift", "prediction_drift", "data_quality"})


class Declaration(BaseModel):
    """A part of ``monitor.yaml``: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Threshold(Declaration):
    """A bound on one metric.

    Attributes
    ----------
    value
        The bound, or with ``above_baseline`` what is added to the baseline's own rate or value; negative
        where a metric is worse below.
    """

    value: float
    above_baseline: bool = False

    @classmethod
    def parse(cls, metric_id: str, written: Any) -> Threshold:
        """Read ``0.1``, ``{max: 0.2}``, or ``{above_baseline: 0.02}`` (in short ``+0.02``).

        A metric that is worse below has ``{min: 0.8}`` and ``{below_baseline: 0.02}`` instead.

        Raises
        ------
        UsageError
            If the direction contradicts the metric's.
        """
        if isinstance(written, str) and written.startswith("+"):
            written = {"above_baseline": written}
        if not isinstance(written, dict):
            return cls(value=number_of(written, metric_id))
        worse_below = METRICS[metric_id].breaches(0.0, 1.0)
        sides = ("min", "below_baseline") if worse_below else ("max", "above_baseline")
        (side, value), *rest = written.items() or [("", 0.0)]
        if rest or side not in sides:
            raise UsageError(
                "The bound contradicts the metric's direction",
                where=metric_id,
                got=written,
                expected=" or ".join(f"{{{name}: …}}" for name in sides),
            )
        number = number_of(value, metric_id)
        return cls(
            value=-number if side == "below_baseline" else number,
            above_baseline=side.endswith("_baseline"),
        )


class Top(Declaration):
    """The most important features only."""

    top: Annotated[int, Field(ge=1)]


class Signal(Declaration):
    """One group of measurements.

    ``numeric`` and ``categorical`` name drift metrics, ``thresholds`` maps metrics (long or short names) to
    bounds. ``positive`` is the class that probabilities and rates are about, inferred where the classes tell.
    """

    type: Literal[
        "data_drift",
        "prediction_drift",
        "data_quality",
        "feature_attribution_drift",
        "model_performance",
        "estimated_performance",
        "fairness",
        "multivariate_drift",
        "training_serving_skew",
        "operations",
    ]
    features: Literal["all"] | Top | tuple[str, ...] = "all"
    numeric: str | tuple[str, ...] = "population_stability_index"
    categorical: str | tuple[str, ...] = "jensen_shannon_distance"
    thresholds: dict[str, Any] = Field(default_factory=dict)
    positive: Any = None
    average: Literal["macro", "binary"] = "macro"
    decision: float = 0.5
    by: tuple[str, ...] = ()
    label_lag: str = "P0D"
    minimum_labels: Annotated[int, Field(ge=0)] = 30
    minimum_coverage: Annotated[float, Field(ge=0, le=1)] = 0.0
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    evidence: Literal["closed", "held_out"] = "closed"

    @field_validator("numeric", "categorical")
    @classmethod
    def _compares(cls, named: str | tuple[str, ...], field: ValidationInfo) -> str | tuple[str, ...]:
        kind = NUMERICAL if field.field_name == "numeric" else CATEGORICAL
        check_drift_metrics(str(field.field_name), (named,) if isinstance(named, str) else named, kind)
        return named

    @field_validator("thresholds")
    @classmethod
    def _measured(cls, thresholds: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        if "type" in others.data:
            check_thresholds(others.data["type"], thresholds)
        for key, written in thresholds.items():
            try:
                Threshold.parse(full_name(key), written)
            except UsageError as error:
                raise ValueError(f"`{key}`: {error.what}; expected {error.expected}") from error
        return thresholds

    @field_validator("label_lag")
    @classmethod
    def _lag(cls, text: str) -> str:
        parse_duration(text)
        return text

    @property
    def bounds(self) -> dict[str, Threshold]:
        """Thresholds by full metric id."""
        return {
            full_name(name): Threshold.parse(full_name(name), written)
            for name, written in self.thresholds.items()
        }

    @property
    def needs_rows(self) -> bool:
        """Whether profiles are not enough to measure it."""
        return self.type not in PROFILED or self.evidence == "held_out"

    def with_threshold(self, name: str, bound: Threshold) -> Signal:
        """Return a copy with another bound for the metric of that full name."""
        kept = {key: written for key, written in self.thresholds.items() if full_name(key) != name}
        written: Any = bound.value
        if bound.above_baseline:
            side = "above_baseline" if bound.value >= 0 else "below_baseline"
            written = {side: abs(bound.value)}
        return self.model_copy(update={"thresholds": {**kept, name: written}})

    def metrics_for(self, kind: str) -> tuple[str, ...]:
        """Return the drift metrics of numerical or categorical columns."""
        named = self.numeric if kind == "numerical" else self.categorical
        return tuple(full_name(name) for name in ((named,) if isinstance(named, str) else named))


# Metrics that stand beside `type` in a signal, as `null_rate: +0.02` does, are thresholds.
SIGNAL_FIELDS = frozenset(Signal.model_fields)

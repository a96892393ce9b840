"""``monitor.yaml``: what is measured, on which data, against which baseline, and what is worth an alert."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from modelwatch.alerts.rules import Budget, Rule
from modelwatch.errors import ContractError, UsageError
from modelwatch.metrics import (
    CATEGORICAL,
    METRICS,
    NUMERICAL,
    ROBUST,
    full_name,
    require_definition,
)
from modelwatch.signal_checks import check_drift_metrics, check_thresholds, number_of
from modelwatch.sources.windows import Window, parse_duration, require_zone
from modelwatch.yaml_files import line_of, read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


_KEY_NAMED = re.compile(r"^`(\w+)")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Threshold(_Model):
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


class Data(_Model):
    """Where production data are in time."""

    event_time: str | None = None
    timezone: str | None = None
    correlation_id: str = "correlationid"
    window: str = "P1D"
    offset: str = "P0D"
    lateness: str = "PT0S"
    min_rows: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"

    @field_validator("window", "offset", "lateness")
    @classmethod
    def _duration(cls, text: str, field: ValidationInfo) -> str:
        if not parse_duration(text) and field.field_name == "window":
            raise ValueError("a window that has a length")
        return text

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str | None) -> str | None:
        if name is not None:
            require_zone(name)
        return name

    def latest_window(self, at: datetime) -> Window:
        """Return the last window that was complete at a time, late rows included."""
        delay = parse_duration(self.offset) + parse_duration(self.lateness)
        return Window.latest(at, parse_duration(self.window), delay)


class Baseline(_Model):
    """What production is compared with."""

    asset: str | None = None
    path: str | None = None
    definition: str = ROBUST

    @field_validator("definition")
    @classmethod
    def _known(cls, name: str) -> str:
        return require_definition(name)


class Segmentation(_Model):
    """A column by whose values everything is measured once more."""

    by: str
    min_rows: Annotated[int, Field(ge=0)] = 100


class Top(_Model):
    """The most important features only."""

    top: Annotated[int, Field(ge=1)]


class Signal(_Model):
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
_FIELDS = frozenset(Signal.model_fields)


class Monitor(_Model):
    """The whole declaration.

    Examples
    --------
    >>> Monitor.model_validate(
    ...     {"monitor": "m", "signals": {"inputs": {"type": "data_drift", "psi": 0.2}}}
    ... ).signals["inputs"].bounds["population_stability_index"].value
    0.2
    """

    apiVersion: Literal["monitoring/v1"] = "monitoring/v1"  # noqa: N815  (the file's own key)
    monitor: str
    owner: str | None = None
    description: str | None = None
    data: Data = Data()
    baseline: Baseline = Baseline()
    contract: str | None = None
    segments: tuple[Segmentation, ...] = ()
    signals: Annotated[dict[str, Signal], Field(min_length=1)]
    rules: tuple[Rule, ...] = ()
    budget: Budget = Budget()

    @field_validator("signals", mode="before")
    @classmethod
    def _gather_thresholds(cls, signals: Any) -> Any:
        if not isinstance(signals, dict):
            return signals
        gathered = {}
        for name, written in signals.items():
            if not isinstance(written, dict):
                gathered[name] = written
                continue
            extra = {key: value for key, value in written.items() if key not in _FIELDS}
            kept = {key: value for key, value in written.items() if key in _FIELDS}
            beside = kept.get("thresholds", {})
            if isinstance(beside, dict):
                kept["thresholds"] = {**beside, **extra}
            gathered[name] = kept
        return gathered

    @field_validator("rules", mode="before")
    @classmethod
    def _shipped_rules(cls, rules: Any, others: ValidationInfo) -> Any:
        if rules != "default":
            return rules
        from modelwatch.alerts.defaults import default_rules  # noqa: PLC0415  (most monitors have their own)

        return default_rules(others.data.get("signals", {}))

    @model_validator(mode="after")
    def _defined(self) -> Self:
        """Refuse drift metrics that the definition does not have for such columns: they would say nothing."""
        for name, signal in self.signals.items():
            if signal.type in ("data_drift", "prediction_drift"):
                for key, kind in (("numeric", NUMERICAL), ("categorical", CATEGORICAL)):
                    place_of = f"signals.{name}.{key}"
                    check_drift_metrics(place_of, signal.metrics_for(kind), kind, self.baseline.definition)
        return self

    @model_validator(mode="after")
    def _rules_judge(self) -> Self:
        """Make a metric that a rule fires on a threshold of its signal, so that it is measured and judged."""
        signals = dict(self.signals)
        for rule in self.rules:
            if rule.fire is None or rule.metric is None or rule.signal not in signals:
                continue
            signal, name = signals[rule.signal], rule.metric.id
            present = signal.bounds.get(name)
            if present is None or (
                not present.above_baseline and rule.metric.breaches(present.value, rule.fire)
            ):
                signals[rule.signal] = signal.with_threshold(name, Threshold(value=rule.fire))
        if signals != self.signals:
            object.__setattr__(self, "signals", signals)
        return self

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        owners: Sequence[str] | None = None,
        routes: Sequence[str] | None = None,
    ) -> Monitor:
        """Read a monitor from YAML, and hold its rules to what is around it.

        Parameters
        ----------
        owners, routes
            Those that exist; None leaves them unchecked.

        Raises
        ------
        ContractError
            If the file is no YAML or no monitor, or a rule names something that does not exist; the message
            has file and line.
        """
        from modelwatch.alerts.checking import check_rules  # noqa: PLC0415  (it imports this module)

        monitor = cls.parse(read_yaml(Path(path), "monitor"), where=str(path))
        check_rules(monitor, Path(path), owners=owners, routes=routes)
        return monitor

    @classmethod
    def parse(cls, document: Any, *, where: str = "monitor") -> Monitor:
        """Read a monitor from plain values.

        Raises
        ------
        ContractError
            If they are no monitor; the message says where.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            location, got = first["loc"], first.get("input")
            if first["type"] == "extra_forbidden":
                raise ContractError(
                    f"Unknown key {location[-1]!r}", where=place(where, location), expected=_keys(location)
                ) from error
            message = first["msg"].removeprefix("Value error, ")
            # What contradicts its neighbours is found at the mapping, and says which key it is about.
            about = _KEY_NAMED.match(message)
            if about is not None and isinstance(got, dict) and about[1] in got:
                location, got = (*location, about[1]), got[about[1]]
            location = _as_written(document, location)
            raise ContractError(
                "The monitor is wrong", where=place(where, location), got=got, expected=message
            ) from error


def place(where: str, location: Sequence[str | int]) -> str:
    """Return ``file:line: key.key`` of a value in a declaration."""
    line = line_of(Path(where), location)
    keys = ".".join(str(part) for part in location)
    return f"{where}:{line}: {keys}" if line is not None else f"{where}: {keys}"


def _as_written(document: Any, location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return a location as the document has it, where thresholds may stand beside the other keys."""
    if len(location) < 4 or location[0] != "signals" or location[2] != "thresholds":
        return tuple(location)
    beside = document["signals"][location[1]].get("thresholds")
    held = isinstance(beside, dict) and location[3] in beside
    return tuple(location) if held else (*location[:2], *location[3:])


def _keys(location: Sequence[str | int]) -> str:
    """Return the keys that stand where an unknown one was found, the nearest first."""
    model: type[BaseModel] = Monitor
    for part in location[:-1]:
        model = _PARTS.get(str(part), model)
    known = sorted(field.alias or name for name, field in model.model_fields.items())
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"{near[0]!r}; the keys are {', '.join(known)}" if near else f"one of {', '.join(known)}"


_PARTS: dict[str, type[BaseModel]] = {
    "data": Data,
    "baseline": Baseline,
    "segments": Segmentation,
    "signals": Signal,
    "features": Top,
    "rules": Rule,
    "budget": Budget,
}
PROFILED = frozenset({"data_drift", "prediction_drift", "data_quality"})

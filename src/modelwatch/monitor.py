"""``monitor.yaml``: what is measured, on which data, against which baseline, and what is worth an alert."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from modelwatch.alerts.rules import Budget, Rule
from modelwatch.declared_signals import SIGNAL_FIELDS, Declaration, Signal, Threshold, Top
from modelwatch.errors import ContractError
from modelwatch.metrics import (
    CATEGORICAL,
    NUMERICAL,
    ROBUST,
    require_definition,
)
from modelwatch.signal_checks import check_drift_metrics
from modelwatch.sources.windows import Window, parse_duration, require_zone
from modelwatch.yaml_files import line_of, read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


_KEY_NAMED = re.compile(r"^`(\w+)")


class Data(Declaration):
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


class Baseline(Declaration):
    """What production is compared with."""

    asset: str | None = None
    path: str | None = None
    definition: str = ROBUST

    @field_validator("definition")
    @classmethod
    def _known(cls, name: str) -> str:
        return require_definition(name)


class Segmentation(Declaration):
    """A column by whose values everything is measured once more."""

    by: str
    min_rows: Annotated[int, Field(ge=0)] = 100


class Monitor(Declaration):
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
            extra = {key: value for key, value in written.items() if key not in SIGNAL_FIELDS}
            kept = {key: value for key, value in written.items() if key in SIGNAL_FIELDS}
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

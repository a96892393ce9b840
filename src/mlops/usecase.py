"""The declaration of a use case, `pipelines/<name>/usecase.yaml`, as one frozen, checked model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from mlops.errors import SettingsError, UsageError, nearest
from mlops.yaml_source import describe, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AbsoluteBound",
    "Column",
    "Comparison",
    "Condition",
    "Contract",
    "Gate",
    "Latency",
    "Serving",
    "Slice",
    "SliceRule",
    "Split",
    "Target",
    "Training",
    "UseCase",
    "load_usecase",
    "read_usecase",
]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Reason = Annotated[str, StringConstraints(min_length=10)]
MetricName = Literal["roc_auc", "log_loss", "brier_score", "calibration_error"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Section):
    """One column of the data."""

    name: Annotated[str, StringConstraints(min_length=1)]
    type: Literal["integer", "number", "string"]
    role: Literal["id", "feature", "target"]
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[int | float | str, ...] | None = Field(None, min_length=1)
    description: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        if self.type == "string" and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"column {self.name!r} is text and cannot have a minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        if self.role != "feature" and self.nullable:
            raise ValueError(f"column {self.name!r} has the role {self.role} and cannot be nullable")
        return self


class Contract(_Section):
    """What every data set of the use case must look like."""

    columns: tuple[Column, ...] = Field(min_length=2)
    minimum_rows: int = Field(1, ge=1)

    @property
    def features(self) -> tuple[Column, ...]:
        """The model's inputs, in order."""
        return tuple(column for column in self.columns if column.role == "feature")

    @model_validator(mode="after")
    def _columns(self) -> Contract:
        names = [column.name for column in self.columns]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"columns declared twice: {', '.join(repeated)}")
        if sum(column.role == "target" for column in self.columns) != 1:
            raise ValueError("exactly one column has the role target")
        if not self.features:
            raise ValueError("at least one column has the role feature")
        return self


class Target(_Section):
    """What is predicted."""

    column: str
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which the label is 1")


class Condition(_Section):
    """Inclusive bounds on a column's value."""

    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Condition:
        if self.minimum is None and self.maximum is None:
            raise ValueError("a condition needs a minimum or a maximum")
        return self


class Slice(_Section):
    """A way to part the rows into groups that a new model must not harm.

    A group is a mapping of columns to a value, or to bounds; all of them must hold.
    """

    name: Name
    reason: Reason
    groups: dict[Name, dict[str, int | float | str | Condition]] = Field(min_length=1)


class Split(_Section):
    """Shares of the rows, in order, and what tells one person from the next."""

    train: float = Field(gt=0, lt=1)
    calibration: float = Field(gt=0, lt=1)
    held_out: float = Field(gt=0, lt=1)
    person: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Split:
        total = self.train + self.calibration + self.held_out
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class Training(_Section):
    """How the model is trained."""

    seed: int = Field(ge=0, lt=2**32)
    split: Split
    minimum_recent_rows: int = Field(1000, ge=1, description="labelled rows since a change to retrain with")
    parameters: dict[Name, int | float | str] = Field(default_factory=dict)


class AbsoluteBound(_Section):
    """A value that the new model must reach by itself.

    ``better_than: base_rate`` holds it to what the held-out rows' own rate scores as a constant forecast: the
    bound moves with the outcome, as a number that was written for last year's rate does not.
    """

    metric: MetricName
    minimum: float | None = None
    maximum: float | None = None
    better_than: Literal["base_rate"] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _one_bound(self) -> AbsoluteBound:
        if sum(bound is not None for bound in (self.minimum, self.maximum, self.better_than)) != 1:
            raise ValueError("a bound has either a minimum or a maximum, or says better_than")
        if self.better_than is not None and self.metric == "calibration_error":
            raise ValueError("the base rate is calibrated by definition: no model is better")
        return self


class Comparison(_Section):
    """How much worse than the champion the new model may be, in the metric's own unit."""

    metric: MetricName
    margin: float = Field(gt=0)
    reason: Reason


class SliceRule(_Section):
    """How groups are compared with the champion."""

    metric: MetricName
    margin: float = Field(gt=0)
    minimum_rows: int = Field(ge=2)
    minimum_per_class: int = Field(ge=1)
    too_small: Literal["report", "fail"]


class Latency(_Section):
    """The 95th percentile of single-row predictions."""

    requests: int = Field(ge=20)
    p95_ms: float = Field(gt=0)


class Gate(_Section):
    """What a model must show before it may be registered."""

    seed: int = Field(ge=0)
    confidence: float = Field(ge=0.8, lt=1)
    resamples: int = Field(ge=200, le=20_000)
    block_length: int = Field(ge=1, description="rows a block of the bootstrap")
    absolute: tuple[AbsoluteBound, ...] = Field(min_length=1)
    comparison: tuple[Comparison, ...] = Field(min_length=1)
    slices: SliceRule
    latency: Latency


class Serving(_Section):
    """What a deployment uploads; paths are relative to the repository's root."""

    code: str
    scoring_script: str
    sample_request: str


class UseCase(_Section):
    """Everything that is declared about one use case."""

    name: Name
    title: Annotated[str, StringConstraints(min_length=1)]
    archetype: Literal["classical", "cv", "nlp"]
    description: str
    contract: Contract
    target: Target
    slices: tuple[Slice, ...] = ()
    training: Training
    gate: Gate
    serving: Serving

    @model_validator(mode="after")
    def _references(self) -> UseCase:
        known = {column.name: column for column in self.contract.columns}
        used = {
            "target.column": [self.target.column],
            "training.split.person": list(self.training.split.person),
        }
        for part in self.slices:
            for name, group in part.groups.items():
                used[f"slices.{part.name}.{name}"] = list(group)
        for place, names in used.items():
            for name in names:
                if name not in known:
                    close = nearest(name, known)
                    hint = f"; did you mean {close!r}?" if close else ""
                    raise ValueError(f"{place} names column {name!r}, which the contract does not have{hint}")
        if known[self.target.column].role != "target":
            raise ValueError(f"target.column {self.target.column!r} does not have the role target")
        return self


def load_usecase(name: str, root: Path) -> UseCase:
    """Load `pipelines/<name>/usecase.yaml` below `root`.

    Raises
    ------
    UsageError
        There is no such use case.
    SettingsError
        Its declaration is wrong; the message names file, line and key.
    """
    folder = root / "pipelines"
    path = folder / name / "usecase.yaml"
    if not path.is_file():
        known = sorted(found.parent.name for found in folder.glob("*/usecase.yaml"))
        close = nearest(name, known)
        raise UsageError(
            f"There is no use case {name!r}.",
            where=str(path),
            got=name,
            expected=f"one of {', '.join(known)}" if known else "a folder with a usecase.yaml",
            next_step=f"write {close!r}" if close else None,
        )
    usecase = read_usecase(path)
    if usecase.name != name:
        raise SettingsError(
            "A use case's name must be its folder's.", where=f"{path} (name)", got=usecase.name, expected=name
        )
    return usecase


def read_usecase(path: Path) -> UseCase:
    """Read and check one declaration.

    Raises
    ------
    SettingsError
        The declaration is wrong; the message names file, line and key.
    """
    data, marks = load_yaml(path)
    try:
        return UseCase.model_validate(data)
    except ValidationError as error:
        raise describe(error, marks, UseCase) from None

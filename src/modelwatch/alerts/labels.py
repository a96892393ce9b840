"""The file of incidents that people have labelled, for backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelwatch.errors import ContractError
from modelwatch.monitor import place
from modelwatch.yaml_files import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledIncident(_Model):
    """Something that really happened, from ``start`` until ``end``, which is outside.

    Attributes
    ----------
    features
        Those concerned; any alert counts by default.
    note
        What it was.
    """

    start: AwareDatetime
    end: AwareDatetime
    features: tuple[str, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.end <= self.start:
            raise ValueError("`end` is not after `start`")
        return self


class Requirements(_Model):
    """What the rules must reach, beside the monitor's budget of false alarms.

    Attributes
    ----------
    delay
        Windows from the one in which an incident begins to the alert, in the median.
    """

    precision: Share | None = None
    recall: Share | None = None
    delay: Annotated[float, Field(ge=0)] | None = None


class Labels(_Model):
    """The file of labelled incidents.

    Attributes
    ----------
    grace
        Windows after an incident in which an alert still counts as told of it: rules look back.
    """

    incidents: tuple[LabelledIncident, ...]
    grace: Annotated[int, Field(ge=0)] = 2
    require: Requirements = Requirements()

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read labels from YAML.

        Raises
        ------
        ContractError
            If the file is no YAML or holds no labels; the message has file and line.
        """
        try:
            return cls.model_validate(read_yaml(path, "file of incidents"))
        except ValidationError as error:
            first = error.errors()[0]
            raise ContractError(
                "The incidents are wrong",
                where=place(str(path), first["loc"]),
                got=first.get("input"),
                expected=first["msg"],
            ) from error

"""What a newcomer is asked: five values, from which everything else follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError

from mlops.errors import UsageError
from mlops.settings.model import Project, Uuid
from mlops.settings.together import STACKS
from mlops.yaml_source import describe, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops.yaml_source import Location, Mark

__all__ = ["KEYS", "Answers", "answers_from", "read_answers"]


def _by_environment(value: Any) -> Any:
    """Read one id for all environments, ``dev=…,prod=…``, or a mapping."""
    if not isinstance(value, str):
        return value
    if "=" not in value:
        return dict.fromkeys(STACKS, value.strip().lower())
    pairs = [part.partition("=") for part in value.split(",")]
    return {name.strip(): identifier.strip().lower() for name, _, identifier in pairs}


def _names(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Answers(Project):
    """The five values; the first three are those of `project.yaml`."""

    subscription: Annotated[dict[str, Uuid], BeforeValidator(_by_environment)] = Field(
        description="the id of the Azure subscription: one for all, or dev=…,staging=…,prod=…"
    )
    usecases: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        min_length=1, description="the archetypes to keep, separated by commas"
    )


KEYS: Final = tuple(Answers.model_fields)
"""What may be asked, in the order in which it is."""


def answers_from(values: Mapping[str, Any], marks: Mapping[Location, Mark]) -> Answers:
    """Check the five values.

    Raises
    ------
    SettingsError
        A value is missing, unknown or not valid; the message names where it was written.
    UsageError
        A subscription is given for an environment that does not exist, or is missing for one.
    """
    try:
        answers = Answers.model_validate(dict(values))
    except ValidationError as error:
        raise describe(error, marks, Answers) from None
    if set(answers.subscription) != set(STACKS):
        raise UsageError(
            "Each environment in Azure needs one subscription.",
            got=", ".join(answers.subscription) or "none",
            expected=f"one id for all, or one each for {', '.join(STACKS)}",
            next_step="--subscription " + ",".join(f"{name}=ID" for name in STACKS),
        )
    return answers


def read_answers(path: Path) -> tuple[dict[str, Any], dict[Location, Mark]]:
    """Read some of the five values from a YAML file, with their lines."""
    return load_yaml(path)

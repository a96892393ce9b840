"""Reading `environments/*.yaml` into one :class:`~mlops.settings.model.Environment`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from mlops.errors import UsageError, nearest
from mlops.settings.controls import check_controls
from mlops.settings.model import Environment
from mlops.settings.rules import findings
from mlops.yaml_source import describe, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.yaml_source import Location, Mark

__all__ = ["ENVIRONMENTS", "ROOT", "Origin", "Settings", "load", "load_settings"]

ROOT: Final = Path(__file__).resolve().parents[3]
"""The repository that this code was cloned with: a template is never installed as a wheel."""

ENVIRONMENTS: Final = ("local", "dev", "staging", "prod")


@dataclass(frozen=True, slots=True)
class Origin:
    """One effective value and where it came from."""

    key: str
    value: object
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """An environment together with where each of its values was written."""

    environment: Environment
    marks: Mapping[Location, Mark]

    def origins(self, root: Path = ROOT) -> list[Origin]:
        """Return every effective value with the file and line, the default or the rule it came from."""
        written = [
            Origin(".".join(map(str, location)), value, self._source(location, root))
            for location, value in _leaves(self.environment.model_dump(mode="json"))
        ]
        derived = [
            Origin(f"names.{key}", value, "derived from project.name")
            for key, value in self.environment.names.to_dict().items()
        ]
        return written + derived

    def _source(self, location: Location, root: Path) -> str:
        if location == ("name",):
            return "the file's name"
        mark = self.marks.get(location)
        if mark is None:
            return "default"
        return f"{mark.path.relative_to(root) if mark.path.is_relative_to(root) else mark.path}:{mark.line}"


def load(name: str, root: Path = ROOT, *, today: date | None = None) -> Environment:
    """Return the settings of one environment.

    Parameters
    ----------
    name
        ``local``, ``dev``, ``staging`` or ``prod``.
    root
        The repository's folder.
    today
        The date that exceptions are held to; the current date in UTC by default.

    Raises
    ------
    UsageError
        There is no such environment.
    SettingsError
        A file is wrong: the message names file, line, key and remedy.

    Examples
    --------
    >>> load("local").names.workspace
    'mlw-mlops-local'
    """
    return load_settings(name, root, today=today).environment


def load_settings(name: str, root: Path = ROOT, *, today: date | None = None) -> Settings:
    """Return the settings of one environment with the origin of each value; see :func:`load`."""
    if name not in ENVIRONMENTS:
        close = nearest(name, ENVIRONMENTS)
        raise UsageError(
            f"There is no environment {name!r}.",
            got=name,
            expected=f"one of: {', '.join(ENVIRONMENTS)}",
            next_step=f"write {close!r}" if close else None,
        )
    folder = root / "environments"
    data: dict[str, Any] = {}
    marks: dict[Location, Mark] = {}
    for file in ("project.yaml", "base.yaml", f"{name}.yaml"):
        overlay, overlay_marks = load_yaml(folder / file)
        data = _merged(data, overlay)
        marks |= overlay_marks
    try:
        environment = Environment.model_validate({**data, "name": name})
    except ValidationError as error:
        raise describe(error, marks, Environment) from None
    for finding in findings(environment):
        raise finding.error(name, marks)
    check_controls(environment, marks, today or datetime.now(UTC).date())
    _check_names(environment)
    return Settings(environment, marks)


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Lay mappings over each other key by key; lists and values are replaced whole."""
    both = {key for key in overlay if isinstance(base.get(key), dict) and isinstance(overlay[key], dict)}
    return {**base, **overlay, **{key: _merged(base[key], overlay[key]) for key in both}}


def _leaves(value: Any, location: Location = ()) -> Iterator[tuple[Location, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*location, key))
    elif isinstance(value, list) and value:
        for position, item in enumerate(value):
            yield from _leaves(item, (*location, position))
    else:
        yield location, value


def _check_names(environment: Environment) -> None:
    """Derive every name once, so that one that Azure refuses is found before anything is created."""
    environment.names.to_dict()
    for key in environment.compute:
        environment.names.compute(key)

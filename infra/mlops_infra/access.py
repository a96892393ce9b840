"""The access matrix: personas, services and environments as data, read from `environments/access.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from infra.mlops_infra.conditions import CONDITIONS
from infra.mlops_infra.roles import ROLES
from mlops.errors import SettingsError, nearest
from mlops.settings.section import Section
from mlops.yaml_source import describe, load_yaml, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlops.yaml_source import Location, Mark

__all__ = ["SERVICES", "AccessMatrix", "Assignment", "Persona", "assignments", "load_access"]

Service = Literal[
    "workspace", "key_vault", "container_registry", "storage", "repository", "packages", "log_analytics",
    "monitor",
]  # fmt: skip
SERVICES: Final = (
    "workspace", "key_vault", "container_registry", "storage", "repository", "packages", "log_analytics",
    "monitor",
)  # fmt: skip
# GitHub's roles: applied by the repository's own settings, kept here so that the matrix is whole.
_GITHUB_ROLES: Final = ("read", "triage", "write", "maintain", "admin")
_UNSET: Final = "00000000-0000-0000-0000-000000000000"

Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class RoleEntry(Section):
    """A role with what narrows it."""

    role: str
    eligible: bool = Field(
        False, description="granted by Privileged Identity Management, for hours, on request"
    )
    condition: str | None = Field(None, description="a name of infra/mlops_infra/conditions.py")


Cell = tuple[str | RoleEntry, ...]
Row = dict[Service, Cell]


class Principal(Section):
    """Who a persona is: an Entra group, or an identity that a stack creates."""

    group: Uuid | None = None
    identity: Literal["workspace", "monitor", "deploy"] | None = None


class Persona(Section):
    """One row of the matrix, before and in production."""

    title: str
    kind: Literal["person", "process"]
    principal: Principal
    preproduction: Row = Field(default_factory=dict)
    production: Row = Field(default_factory=dict)


class Deviation(Section):
    """A cell that differs from the Architecture Center's table, and why."""

    persona: str
    services: tuple[Service, ...]
    article: str
    here: str
    reason: Annotated[str, StringConstraints(min_length=20)]


class AccessMatrix(Section):
    """Twelve personas, eight services, two kinds of environment."""

    personas: dict[str, Persona]
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role of one persona on one service, with its condition written out."""

    persona: str
    title: str
    service: str
    role: str
    group_id: str | None
    identity: str | None
    eligible: bool
    condition: str | None


def load_access(root: Path) -> AccessMatrix:
    """Return the checked matrix.

    Raises
    ------
    SettingsError
        The file names a role, condition or persona that is not there, or grants Owner; the message
        names file and line.
    """
    data, marks = load_yaml(root / "environments" / "access.yaml")
    try:
        matrix = AccessMatrix.model_validate(data)
    except ValidationError as error:
        raise describe(error, marks, AccessMatrix) from None
    _check(matrix, marks)
    return matrix


def assignments(matrix: AccessMatrix, profile: str) -> list[Assignment]:
    """Return what holds in an environment; as in the article, staging counts as production."""
    kind: Literal["preproduction", "production"] = "preproduction" if profile == "dev" else "production"
    return [
        Assignment(
            persona=name,
            title=persona.title,
            service=service,
            role=entry.role,
            group_id=None if persona.principal.group == _UNSET else persona.principal.group,
            identity=persona.principal.identity,
            eligible=entry.eligible,
            condition=CONDITIONS[entry.condition]() if entry.condition else None,
        )
        for name, persona in matrix.personas.items()
        for service, cell in (
            persona.preproduction if kind == "preproduction" else persona.production
        ).items()
        for entry in (_entry(item) for item in cell)
    ]


def _entry(item: str | RoleEntry) -> RoleEntry:
    return RoleEntry.model_validate({"role": item}) if isinstance(item, str) else item


def _check(matrix: AccessMatrix, marks: Mapping[Location, Mark]) -> None:
    for location, entry, service in _cells(matrix):
        known = _GITHUB_ROLES if service in {"repository", "packages"} else tuple(ROLES)
        if entry.role not in known:
            raise _unknown("role", entry.role, known, location, marks)
        if entry.condition is not None and entry.condition not in CONDITIONS:
            raise _unknown("condition", entry.condition, tuple(CONDITIONS), location, marks)
        if entry.role in _NEEDS_CONDITION and entry.condition is None:
            raise SettingsError(
                f"The role {entry.role!r} is granted without a condition.",
                where=f"{mark_of(location, marks)} ({'.'.join(map(str, location))})",
                got="no condition",
                expected="a condition: whoever may assign any role is Owner",
                next_step="write {role: …, condition: constrained-delegation}",
            )
    for name, persona in matrix.personas.items():
        if (persona.principal.group is None) == (persona.principal.identity is None):
            raise SettingsError(
                f"The persona {name!r} needs one principal.",
                where=f"{mark_of(('personas', name, 'principal'), marks)} (personas.{name}.principal)",
                got="both or neither",
                expected="group: <Entra object id>, or identity: workspace, monitor or deploy",
                next_step="keep one of the two",
            )
    for position, deviation in enumerate(matrix.deviations):
        if deviation.persona not in matrix.personas:
            location = ("deviations", position, "persona")
            raise _unknown("persona", deviation.persona, tuple(matrix.personas), location, marks)


_NEEDS_CONDITION: Final = frozenset({"Role Based Access Control Administrator"})


def _cells(matrix: AccessMatrix) -> Iterator[tuple[Location, RoleEntry, str]]:
    for name, persona in matrix.personas.items():
        for kind, row in MappingProxyType(
            {"preproduction": persona.preproduction, "production": persona.production}
        ).items():
            for service, cell in row.items():
                for position, item in enumerate(cell):
                    yield ("personas", name, kind, service, position), _entry(item), service


def _unknown(
    what: str, got: str, known: tuple[str, ...], location: Location, marks: Mapping[Location, Mark]
) -> SettingsError:
    close = nearest(got, known)
    return SettingsError(
        f"There is no {what} {got!r} that may be used here.",
        where=f"{mark_of(location, marks)} ({'.'.join(map(str, location))})",
        got=got,
        expected=f"one of: {', '.join(known)}",
        next_step=f"write {close!r}" if close else f"choose another {what}",
    )

"""What a check is: an identity, a reason, a remedy, and a function from a resource to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Finder",
    "ResourceCheck",
    "Severity",
    "StackCheck",
    "StackFinder",
    "Subject",
    "at",
    "requires",
    "when",
]

Severity = Literal["low", "medium", "high", "critical"]

_PREFIX = "azure-native:"


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource as a policy sees it.

    Parameters
    ----------
    props
        Its inputs; in checks of the whole stack its outputs, which lack what the ID is made of.
    dependencies
        The resources that it depends on.
    by_property
        The resources that each of its properties depends on.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    dependencies: tuple[str, ...] = ()
    by_property: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def short_type(self) -> str:
        """The type without the provider's name."""
        return self.type.removeprefix(_PREFIX)


Finder = Callable[[Subject], Iterable[str]]
StackFinder = Callable[[Sequence[Subject]], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class ResourceCheck:
    """A rule about single resources of some types.

    Parameters
    ----------
    source
        Who else demands it: a rule of checkov or PSRule, a baseline, Azure's documentation.
    control
        The control of the settings whose exception waives this check.
    """

    id: str
    title: str
    severity: Severity
    remediation: str
    source: str
    types: tuple[str, ...]
    find: Finder
    control: str | None = None

    def findings(self, subject: Subject) -> list[str]:
        """Return what is wrong with a resource; nothing for one of another type."""
        return list(self.find(subject)) if subject.short_type in self.types else []


@dataclass(frozen=True, slots=True)
class StackCheck:
    """A rule about a stack as a whole; a finding names the resource that it is about, or none."""

    id: str
    title: str
    severity: Severity
    remediation: str
    source: str
    find: StackFinder
    control: str | None = None

    def findings(self, subjects: Sequence[Subject]) -> list[tuple[str, str]]:
        """Return what is wrong, with the URN of the resource concerned."""
        return list(self.find(subjects))


def at(props: Any, path: str) -> Any:
    """Return the value at a dotted path; None where there is nothing.

    Examples
    --------
    >>> at({"sku": {"name": "Standard_ZRS"}}, "sku.name")
    'Standard_ZRS'
    """
    value = props
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def requires(path: str, *allowed: Any) -> Finder:
    """Return a finder for resources where `path` holds none of the allowed values.

    Text is compared without case: Azure's own samples differ in it.
    """

    def find(subject: Subject) -> Iterator[str]:
        value = at(subject.props, path)
        if _folded(value) not in [_folded(one) for one in allowed]:
            expected = " or ".join(_shown(one) for one in allowed)
            yield f"{path} is {_shown(value)}; it must be {expected}"

    return find


def when(applies: Callable[[Subject], bool], find: Finder) -> Finder:
    """Return `find` for the resources that it applies to."""
    return lambda subject: find(subject) if applies(subject) else ()


def _folded(value: Any) -> Any:
    # 0 and False are different answers; 0 and 0.0, as protobuf has it, are the same.
    return value.casefold() if isinstance(value, str) else (isinstance(value, bool), value)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What a check found, and how findings are told."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mlops.rest import ACCESS_DENIED, RefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["RUNBOOKS", "Check", "Findings", "Report", "Status"]

RUNBOOKS: Final = MappingProxyType(
    {
        "tools": "machine",
        "control plane": "machine",
        "settings": "login",
        "login": "login",
        "subscription": "login",
        "rights": "rights",
        "names": "names",
        "quota": "quota",
        "policies": "policies",
        "network": "network",
        "github": "github",
        "bootstrap": "bootstrap",
    }
)
"""The page of `runbooks/` that each group of checks leads to."""

_FOLDER: Final = "src/mlops/onboarding/runbooks"


class Status(StrEnum):
    """What a check says.

    ``unknown`` is a result of its own: what could not be looked at is neither fine nor wrong.
    """

    passed = "PASS"
    warned = "WARN"
    failed = "FAIL"
    unknown = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its finding.

    Parameters
    ----------
    group
        What it is about: ``tools``, ``settings``, ``login`` and so on.
    fix
        The command or the edit that puts it right; empty when it passed.
    """

    group: str
    title: str
    status: Status
    found: str = ""
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "runbook": self.runbook}

    @property
    def runbook(self) -> str:
        """The page that says more than the remedy does; empty when it passed."""
        return "" if self.status is Status.passed else f"{_FOLDER}/{RUNBOOKS[self.group]}.md"


@dataclass(slots=True)
class Findings:
    """Checks as they are made; one that cannot look becomes ``unknown`` and does not stop the others."""

    tell: Callable[[Check], None] = lambda _: None
    checks: list[Check] = field(default_factory=list)
    group: str = ""

    def passed(self, title: str, found: str = "") -> None:
        """Note that something is as it should be."""
        self._add(title, Status.passed, found, "")

    def warned(self, title: str, found: str, fix: str) -> None:
        """Note what works and may surprise."""
        self._add(title, Status.warned, found, fix)

    def failed(self, title: str, found: str, fix: str) -> None:
        """Note what will not work."""
        self._add(title, Status.failed, found, fix)

    def unknown(self, title: str, found: str, fix: str) -> None:
        """Note what could not be looked at."""
        self._add(title, Status.unknown, found, fix)

    def judge(self, title: str, good: bool, found: str, fix: str, *, warn: bool = False) -> None:
        """Note a check that passes or not."""
        if good:
            self.passed(title, found)
        else:
            (self.warned if warn else self.failed)(title, found, fix)

    @contextmanager
    def about(self, group: str, title: str) -> Iterator[None]:
        """Make the checks inside; a refusal or a missing answer is noted under `title`."""
        self.group = group
        try:
            yield
        except RefusedError as refusal:
            words = "may not look" if refusal.status in ACCESS_DENIED else "was refused"
            self.unknown(title, f"{words}: {refusal.got}", refusal.next_step or "run it again")
        except UnreachableError as error:
            self.unknown(title, error.what.rstrip("."), error.next_step or "run it again")

    def _add(self, title: str, status: Status, found: str, fix: str) -> None:
        check = Check(self.group, title, status, found, fix)
        self.checks.append(check)
        self.tell(check)


@dataclass(frozen=True, slots=True)
class Report:
    """Every check of one environment."""

    environment: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed and nothing was left unknown: a doctor who could not look says no."""
        return not {one.status for one in self.checks} & {Status.failed, Status.unknown}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "environment": self.environment,
            "healthy": self.healthy,
            "counts": {status.value: self._counts()[status] for status in Status},
            "checks": [one.to_dict() for one in self.checks],
        }

    def to_text(self) -> str:
        """Return one block a group; what was found alike shares a line, what is mended alike a remedy."""
        rows = []
        for group in dict.fromkeys(one.group for one in self.checks):
            inside = [one for one in self.checks if one.group == group]
            rows += [group, *_lines(inside)]
            rows += [f"  more: {page}" for page in sorted({one.runbook for one in inside} - {""})]
        counts = ", ".join(f"{number} {status.value}" for status, number in sorted(self._counts().items()))
        return "\n".join([*rows, f"{self.environment}: {counts}"])

    def _counts(self) -> Counter[Status]:
        return Counter(one.status for one in self.checks)


def _lines(checks: Iterable[Check]) -> Iterator[str]:
    alike: dict[tuple[Status, str], dict[str, list[str]]] = {}
    for one in checks:
        alike.setdefault((one.status, one.fix), {}).setdefault(one.found, []).append(one.title)
    for (status, fix), findings in alike.items():
        for found, titles in findings.items():
            yield f"  {status.value:<7} {', '.join(titles)}{f': {found}' if found else ''}"
        if fix:
            yield f"          → {fix}"

"""A stack held against everything that can be known without an account: the SDK's types, the policies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.engine import PolicyPack
from infra.render import render
from infra.sdk_types import Problem, check_resources
from mlops.settings import ROOT

if TYPE_CHECKING:
    from infra.engine import Result, Violation

__all__ = ["Report", "check", "report"]

_POLICIES: Final = Path("infra/policy")


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a stack.

    Parameters
    ----------
    problems
        Inputs that do not fit the SDK's types.
    violations
        What policies found; advisory ones do not stop a deployment.
    """

    stack: str
    resources: int
    problems: tuple[Problem, ...]
    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether the stack may be deployed."""
        return not self.problems and all(one.level != "mandatory" for one in self.violations)

    def to_document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "stack": self.stack,
            "passed": self.passed,
            "resources": self.resources,
            "problems": [str(one) for one in self.problems],
            "violations": [
                {
                    "policy": one.policy,
                    "level": one.level,
                    "severity": one.severity,
                    "urn": one.urn,
                    "message": one.message,
                    "description": one.description,
                }
                for one in self.violations
            ],
        }

    def to_text(self) -> str:
        """Return the report for people, what stops a deployment first."""
        advisory = [one for one in self.violations if one.level != "mandatory"]
        mandatory = [one for one in self.violations if one.level == "mandatory"]
        verdict = "passed" if self.passed else "failed"
        lines = [f"{self.stack}: {verdict}; {self.resources} resources, {len(advisory)} advisory findings"]
        lines += [f"[type] {one}" for one in self.problems]
        lines += [str(one) for one in (*mandatory, *advisory)]
        return "\n".join(lines)


def check(stack: str, *, root: Path = ROOT) -> Report:
    """Render a stack and hold every resource against the SDK's types and the policy pack.

    Raises
    ------
    UsageError
        There is no such stack.
    DeploymentFailedError
        The program itself fails.
    """
    pack = PolicyPack(root / _POLICIES)
    return report(render(stack, root=root, policy_packs=[pack], collect_violations=True))


def report(result: Result) -> Report:
    """Return what is wrong with a stack that was rendered with the policy pack."""
    number = sum(one.custom for one in result.resources)
    return Report(result.stack, number, tuple(check_resources(result.resources)), result.violations)

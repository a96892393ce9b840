"""What a rollout did: every step with its measured values and bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mlops.rollout.judge import Check
    from mlops.rollout.state import EndpointState

__all__ = ["RolloutProgress", "RolloutResult", "StepResult", "summary"]

StepStatus = Literal["ok", "failed", "skipped"]
RolloutStatus = Literal["completed", "unchanged", "rolled_back"]


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    """One message while a rollout runs; `total` is 0 where there is nothing to count."""

    step: str
    message: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of a rollout."""

    name: str
    status: StepStatus
    seconds: float
    message: str
    checks: tuple[Check, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON-ready values."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "message": self.message,
            "checks": [check.to_dict() for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """The outcome of a rollout or of a rollback.

    Parameters
    ----------
    status
        ``completed``: the wanted deployment serves everything now. ``unchanged``: it did already.
        ``rolled_back``: it did not hold its bounds, and what served before serves everything again.
    endpoint
        The endpoint's name.
    serving
        The deployment that serves now; None when none does.
    model
        The model that it serves, ``<name>:<version>``.
    previous
        The deployment that is kept without traffic, for a rollback.
    steps
        What was done, in order.
    logs
        The last lines of the removed deployment's log, when there was a rollback.
    """

    status: RolloutStatus
    endpoint: str
    serving: str | None
    model: str | None
    previous: str | None
    steps: tuple[StepResult, ...] = ()
    logs: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the wanted deployment serves everything."""
        return self.status != "rolled_back"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "status": self.status,
            "endpoint": self.endpoint,
            "serving": self.serving,
            "model": self.model,
            "previous": self.previous,
            "steps": [step.to_dict() for step in self.steps],
            "logs": self.logs,
        }


def summary(
    status: RolloutStatus,
    endpoint: str,
    state: EndpointState,
    serving: str | None,
    *,
    previous: str | None,
    steps: tuple[StepResult, ...] = (),
    logs: str | None = None,
) -> RolloutResult:
    """Return the result of a run that left the endpoint in `state`, with `serving` serving everything."""
    deployment = state.deployments.get(serving or "")
    model = deployment.model if deployment else None
    return RolloutResult(status, endpoint, serving, model, previous, steps, logs)

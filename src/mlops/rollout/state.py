"""Where a rollout stands, read from the endpoint itself, and what comes next: pure functions.

The endpoint's traffic, mirror traffic and three of its tags are the whole state. They are written together
in one request, so whatever moment a rollout is interrupted at, the next one sees a consistent picture:

================  =================================================================
tag               meaning
================  =================================================================
serving           the deployment that won the last rollout; the one to go back to
candidate         the deployment that is being rolled out; empty when none is
previous          the deployment that served before, kept without traffic for a rollback
================  =================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COLORS",
    "DEFINITION_TAG",
    "DeploymentState",
    "EndpointState",
    "Plan",
    "Step",
    "endpoint_state",
    "plan",
    "provisioning_state",
]

COLORS: Final = ("blue", "green")
# The deployment's builder writes it: the digest of everything that makes a deployment what it is.
DEFINITION_TAG: Final = "definition"
MODEL_TAG: Final = "model"
SUCCEEDED: Final = "Succeeded"


class Step(IntEnum):
    """The steps of a rollout, in order."""

    CREATE = 0
    SMOKE = 1
    SHADOW = 2
    CANARY = 3
    FULL = 4

    @property
    def title(self) -> str:
        """The step's name as people read it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What matters of one deployment."""

    name: str
    provisioning: str
    definition: str | None
    model: str | None

    @property
    def ready(self) -> bool:
        """Whether its last creation or update succeeded."""
        return self.provisioning == SUCCEEDED


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What matters of an endpoint with its deployments."""

    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentState] = field(default_factory=dict)

    def tagged(self, tag: str) -> str | None:
        """Return the deployment that a tag names; None when the tag is empty or the deployment is gone."""
        name = self.tags.get(tag) or None
        return name if name in self.deployments else None

    @property
    def candidate(self) -> str | None:
        """The deployment that an unfinished rollout was rolling out."""
        tagged = self.tagged("candidate")
        return tagged if tagged != self.tagged("serving") else None

    @property
    def previous(self) -> str | None:
        """The deployment to roll back to."""
        return self.tagged("previous")

    @property
    def serving(self) -> str | None:
        """The deployment to measure against and to go back to; None when nothing has won a rollout.

        The tag is believed before the traffic: in the middle of a rollout most of the traffic may go to
        the candidate. Where nobody ever set the tag, the largest share of the traffic decides.
        """
        tagged = self.tagged("serving")
        if tagged is not None:
            return tagged
        live = [name for name, share in self.traffic.items() if share and name != self.candidate]
        return max(live, key=lambda name: (self.traffic[name], name), default=None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollout does next.

    Parameters
    ----------
    color
        The deployment that the wanted definition has or gets.
    serving
        The deployment that it is compared with; None when nothing serves.
    start
        The first step to do; None when the wanted definition serves already.
    occupied
        Whether another deployment has to be deleted from `color` first.
    resumed
        Whether an interrupted rollout of the same definition goes on.
    """

    color: str
    serving: str | None
    start: Step | None
    occupied: bool = False
    resumed: bool = False


def plan(state: EndpointState, definition: str) -> Plan:
    """Decide what to do so that a deployment of `definition` serves everything.

    Parameters
    ----------
    state
        The endpoint now.
    definition
        Digest of the wanted deployment.
    """
    serving, candidate = state.serving, state.candidate
    if serving is None and candidate is not None and state.deployments[candidate].definition != definition:
        # The very first rollout was interrupted, and now another definition is wanted: what has the
        # traffic keeps it until its successor is ready.
        serving = candidate if state.traffic.get(candidate) else None
    matching = [d for d in state.deployments.values() if d.definition == definition]
    # Prefer what is in flight, then what serves.
    matching.sort(key=lambda d: (d.name != candidate, d.name != serving, d.name))
    for found in matching:
        in_flight = found.name == candidate
        if not in_flight and found.name == serving:
            if found.ready:
                return Plan(found.name, serving, None)
            # It serves, or should, and its own last update failed: build it again beside itself.
            continue
        start = _reached(state, found) if in_flight else Step.SMOKE
        if not found.ready:
            return Plan(found.name, serving, Step.CREATE, occupied=True, resumed=in_flight)
        return Plan(found.name, serving, start, resumed=in_flight)
    color = next(color for color in COLORS if color != serving)
    return Plan(color, serving, Step.CREATE, occupied=color in state.deployments)


def endpoint_state(endpoint: Any, deployments: Any) -> EndpointState:
    """Take what matters from the SDK's entities."""
    found = {
        str(deployment.name): DeploymentState(
            name=str(deployment.name),
            provisioning=provisioning_state(deployment),
            definition=(deployment.tags or {}).get(DEFINITION_TAG),
            model=(deployment.tags or {}).get(MODEL_TAG),
        )
        for deployment in deployments
    }
    return EndpointState(
        traffic=_shares(endpoint.traffic),
        mirror=_shares(endpoint.mirror_traffic),
        tags=dict(endpoint.tags or {}),
        deployments=found,
    )


def provisioning_state(entity: Any) -> str:
    """Return an entity's provisioning state as the service spells it; the SDK gives an enum or text."""
    state = entity.provisioning_state
    return str(getattr(state, "value", state))


def _reached(state: EndpointState, candidate: DeploymentState) -> Step:
    """Return the step that an interrupted rollout was in: it is repeated, since its judgement is lost."""
    share = state.traffic.get(candidate.name, 0)
    if share == 100:
        return Step.FULL
    if share > 0:
        return Step.CANARY
    return Step.SHADOW if state.mirror.get(candidate.name) else Step.SMOKE


def _shares(shares: Mapping[str, int] | None) -> dict[str, int]:
    """Return the shares above zero: the SDK adds a zero for every deployment without traffic."""
    return {str(name): int(share) for name, share in (shares or {}).items() if share}

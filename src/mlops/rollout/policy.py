"""How carefully a rollout goes: its steps' shares, sizes and bounds, from the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.rollout.judge import Bounds

if TYPE_CHECKING:
    from mlops.settings import Environment

__all__ = ["RolloutPolicy"]


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """The shares and sizes of a rollout's steps.

    Parameters
    ----------
    shadow_percent, canary_percent
        Traffic that is mirrored, and then sent, to the new deployment; 0 leaves the step out.
    bounds
        What each step must hold. `bounds.minimum_requests` is how many requests the new deployment must
        have answered in a step.
    concurrency
        Requests at a time.
    patience
        A step whose evidence does not suffice goes on until it has sent this many times the requests
        that should have been enough.
    """

    shadow_percent: int
    canary_percent: int
    bounds: Bounds
    concurrency: int = 4
    patience: int = 3

    @classmethod
    def from_settings(cls, settings: Environment, *, expected_shift: float = 0.0) -> RolloutPolicy:
        """Take the policy of an environment; `expected_shift` is what the model's evaluation found."""
        rollout = settings.serving.rollout
        return cls(
            shadow_percent=rollout.shadow_percent,
            canary_percent=rollout.canary_percent,
            bounds=Bounds(
                max_error_rate=rollout.max_error_rate,
                max_p95_ms=rollout.max_p95_ms,
                minimum_requests=rollout.requests_per_step,
                latency_slack_ms=rollout.latency_slack_ms,
                expected_shift=expected_shift,
            ),
            concurrency=min(4, settings.serving.max_concurrent_requests),
        )

    def requests(self, share: int = 100) -> int:
        """Return how many requests give the new deployment enough of them, at its share in percent."""
        return math.ceil(self.bounds.minimum_requests * 100 / share)

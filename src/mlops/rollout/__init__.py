"""Blue/green rollout of a deployment: smoke, shadow, canary, full; judged, reversible, resumable."""

from mlops.rollout.expectation import Expectation
from mlops.rollout.judge import Bounds, Check, Judgement, Observation, judge
from mlops.rollout.policy import RolloutPolicy
from mlops.rollout.result import RolloutProgress, RolloutResult, StepResult
from mlops.rollout.rollback import roll_back
from mlops.rollout.rollout import deploy

__all__ = [
    "Bounds",
    "Check",
    "Expectation",
    "Judgement",
    "Observation",
    "RolloutPolicy",
    "RolloutProgress",
    "RolloutResult",
    "StepResult",
    "deploy",
    "judge",
    "roll_back",
]

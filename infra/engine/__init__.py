"""An offline engine for Pulumi programs: the real protocol, a stand-in for the cloud."""

from infra.engine.analyzer import PolicyPack, Violation
from infra.engine.errors import DeploymentFailedError, EngineError
from infra.engine.properties import MASK, UNKNOWN, Secret, masked, revealed
from infra.engine.result import Result
from infra.engine.run import run
from infra.engine.state import ResourceState
from infra.engine.steps import Diagnostic, Step

__all__ = [
    "MASK",
    "UNKNOWN",
    "DeploymentFailedError",
    "Diagnostic",
    "EngineError",
    "PolicyPack",
    "ResourceState",
    "Result",
    "Secret",
    "Step",
    "Violation",
    "masked",
    "revealed",
    "run",
]

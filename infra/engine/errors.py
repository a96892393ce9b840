"""What the engine refuses, beyond what a program itself got wrong."""

from __future__ import annotations

from mlops.errors import ProjectError

__all__ = ["DeploymentFailedError", "EngineError"]


class EngineError(ProjectError):
    """A project, a state file or a policy pack cannot be used."""


class DeploymentFailedError(ProjectError):
    """A program, a step of the plan or a mandatory policy stopped a deployment."""

    exit_code = 1

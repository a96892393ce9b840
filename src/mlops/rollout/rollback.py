"""Going back to the deployment that served before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops.errors import DeploymentError
from mlops.rollout.operations import EndpointOperations
from mlops.rollout.result import RolloutProgress, RolloutResult, StepResult, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

    from mlops.rollout.state import EndpointState

__all__ = ["roll_back"]


def roll_back(
    client: MLClient, endpoint: str, *, progress: Callable[[RolloutProgress], None] = lambda _: None
) -> RolloutResult:
    """Send everything to the deployment that served before; one request, no measurement first.

    Repeating it changes nothing: the deployment that was left keeps running without traffic, and is not
    noted as one to go back to.

    Raises
    ------
    DeploymentError
        There is no such endpoint, or nothing to go back to.
    """
    operations = EndpointOperations(
        client, endpoint, report=lambda message: progress(RolloutProgress("rollback", message))
    )
    state = _state(operations)
    previous, serving = state.previous, state.serving
    if previous is None or not state.deployments[previous].ready:
        if state.tags.get("rolled_back_from") and serving is not None:
            return summary("unchanged", operations.name, state, serving, previous=None)
        raise DeploymentError(
            f"The endpoint {endpoint} has no earlier deployment to go back to.",
            where=f"endpoint {endpoint}",
            got=", ".join(f"{d.name} {d.provisioning}" for d in state.deployments.values())
            or "no deployments",
            expected="a deployment that served before and is kept without traffic",
            next_step="deploy the earlier model again: mlops deploy",
        )
    started = time.monotonic()
    operations.route(
        traffic={previous: 100},
        mirror={},
        tags={"serving": previous, "previous": None, "candidate": None, "rolled_back_from": serving},
    )
    step = StepResult("rollback", "ok", time.monotonic() - started, f"{previous} serves everything again")
    return summary("completed", operations.name, state, previous, previous=None, steps=(step,))


def _state(operations: EndpointOperations) -> EndpointState:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - a second of import

    try:
        return operations.state()
    except ResourceNotFoundError:
        raise DeploymentError(
            f"There is no online endpoint {operations.name}.",
            where=f"endpoint {operations.name}",
            next_step="deploy a model first: mlops deploy",
        ) from None

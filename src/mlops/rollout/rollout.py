"""Blue/green rollout of one deployment, judged step by step; safe to interrupt and to repeat."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlops.rollout.measure import Measurement, smoke_test
from mlops.rollout.operations import EndpointOperations
from mlops.rollout.result import RolloutProgress, RolloutResult, StepResult, summary
from mlops.rollout.state import DEFINITION_TAG, Plan, Step, plan
from mlops.scoring import EndpointClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

    from mlops.rollout.expectation import Expectation
    from mlops.rollout.judge import Judgement
    from mlops.rollout.measure import TrafficSource
    from mlops.rollout.policy import RolloutPolicy
    from mlops.scoring import Exchange

__all__ = ["deploy"]


def _silent(_: RolloutProgress) -> None:
    return


def deploy(
    client: MLClient,
    *,
    endpoint: OnlineEndpoint,
    deployment: Callable[[str], OnlineDeployment],
    policy: RolloutPolicy,
    sample: Any,
    expectation: Expectation,
    traffic: TrafficSource,
    progress: Callable[[RolloutProgress], None] = _silent,
    on_exchange: Callable[[Exchange], None] | None = None,
) -> RolloutResult:
    """Roll a deployment out: smoke, shadow, canary, full; each step judged, rolled back on failure.

    Safe to repeat: where an interrupted run got to is read back from the endpoint, and a definition that
    serves everything already changes nothing.

    Parameters
    ----------
    client
        Client of the workspace.
    endpoint
        The endpoint to create when there is none of its name; an existing one is left as it is.
    deployment
        Builds the deployment for a colour. Its ``definition`` tag identifies it.
    policy
        Shares, sizes and bounds.
    sample
        Body of a request that a right deployment answers.
    expectation
        What a right answer looks like.
    traffic
        Yields request bodies, called once for each step.
    progress
        Receives messages.
    on_exchange
        Receives every exchange that went by the traffic rules, as a user's would.

    Returns
    -------
    RolloutResult
        ``completed``, ``unchanged`` or ``rolled_back``, with every step, value and bound.

    Raises
    ------
    DeploymentError
        The traffic source failed; traffic is back where it was.
    """
    run = _Rollout(client, endpoint, deployment, policy, sample, expectation, traffic, progress, on_exchange)
    return run.run()


@dataclass
class _Rollout:
    client: MLClient
    endpoint: OnlineEndpoint
    build: Callable[[str], OnlineDeployment]
    policy: RolloutPolicy
    sample: Any
    expectation: Expectation
    traffic: TrafficSource
    progress: Callable[[RolloutProgress], None]
    on_exchange: Callable[[Exchange], None] | None
    steps: list[StepResult] = field(default_factory=list)
    step: Step = Step.CREATE

    def run(self) -> RolloutResult:
        name = str(self.endpoint.name)
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - a second of import

        self.operations = EndpointOperations(self.client, name, report=self._report)
        self.operations.ensure_endpoint(self.endpoint)
        state = self.operations.state()
        wanted = self.build("blue").tags[DEFINITION_TAG]
        decided = plan(state, wanted)
        if decided.start is None:
            self._route(decided.color, 100, decided, tags={"candidate": None})
            return summary("unchanged", name, state, decided.color, previous=state.previous)
        if decided.resumed:
            self._report(f"going on with {decided.color} where an earlier run was interrupted")
        try:
            failed = self._advance(decided)
        except Exception as error:
            # Whatever went wrong, users go back to what served them before the error is told.
            error.add_note(self._try_to_withdraw(decided))
            raise
        if not failed:
            return self._complete(decided)
        try:
            logs = self._withdraw(decided)
            after = self.operations.state()
        except AzureError as error:
            error.add_note("The rollout failed and going back did too; run the same command again.")
            raise
        steps, previous = tuple(self.steps), after.previous
        return summary("rolled_back", name, after, decided.serving, previous=previous, steps=steps, logs=logs)

    def _advance(self, decided: Plan) -> bool:
        """Do the steps from where the plan starts; return whether one failed."""
        for step in Step:
            if decided.start is None or step < decided.start:
                continue
            self.step = step
            started = time.monotonic()
            result = self._do(step, decided)
            self.steps.append(replace(result, seconds=time.monotonic() - started))
            self._report(f"{result.status}: {result.message}")
            if result.status == "failed":
                return True
        return False

    def _do(self, step: Step, decided: Plan) -> StepResult:
        """Do one step; whatever share it needs is set first, together with the tags."""
        percent = {Step.SHADOW: self.policy.shadow_percent, Step.CANARY: self.policy.canary_percent}.get(step)
        if percent is not None and decided.serving is None:
            return StepResult(
                step.title, "skipped", 0.0, "nothing serves yet, so there is nobody to share with"
            )
        if percent == 0:
            return StepResult(step.title, "skipped", 0.0, "switched off in the settings")
        match step:
            case Step.CREATE:
                return self._create(decided)
            case Step.SMOKE:
                judgement = self._smoke(decided)
            case Step.SHADOW:
                self._route(decided.serving, 100, decided, mirror={decided.color: self.policy.shadow_percent})
                judgement = self._measurement(decided).shadow()
            case Step.CANARY:
                self._route(decided.color, self.policy.canary_percent, decided)
                judgement = self._measurement(decided).canary()
            case Step.FULL:
                self._route(decided.color, 100, decided)
                judgement = self._measurement(decided).full()
        return _judged(step, judgement)

    def _smoke(self, decided: Plan) -> Judgement:
        client = self._endpoint_client()
        return smoke_test(client, decided.color, self.sample, self.expectation, self.policy)

    def _create(self, decided: Plan) -> StepResult:
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - a second of import

        # Undo what a rollout of another definition left behind before its deployment is replaced.
        tags: dict[str, str | None] = {"candidate": decided.color}
        if decided.occupied:
            tags["previous"] = None
        self._route(decided.serving, 100, decided, tags=tags)
        if decided.occupied:
            self.operations.delete_deployment(decided.color)
        deployment = self.build(decided.color)
        try:
            self.operations.create_deployment(deployment)
        except HttpResponseError as error:
            message = " ".join(str(error.message or error).split())
            return StepResult("create", "failed", 0.0, f"{decided.color} did not start: {message}")
        return StepResult("create", "ok", 0.0, f"{decided.color} is ready, without traffic")

    def _complete(self, decided: Plan) -> RolloutResult:
        # The old deployment stays: going back to it takes seconds, building it again minutes.
        tags = {
            "serving": decided.color, "previous": decided.serving, "candidate": None, "rolled_back_from": None
        }  # fmt: skip
        self._route(decided.color, 100, decided, tags=tags)
        state = self.operations.state()
        steps = tuple(self.steps)
        return summary(
            "completed", self.operations.name, state, decided.color, previous=decided.serving, steps=steps
        )

    def _withdraw(self, decided: Plan) -> str | None:
        """Give everything back to what served before and remove the new deployment; return its log.

        Removed, since its instances cost as much as those that serve, and its colour is needed for the
        next attempt; what it takes to find the cause, the log, is kept.
        """
        serving = {decided.serving: 100} if decided.serving else {}
        self.operations.route(traffic=serving, mirror={}, tags={"candidate": None})
        logs = self.operations.logs(decided.color)
        self.operations.delete_deployment(decided.color)
        return logs

    def _try_to_withdraw(self, decided: Plan) -> str:
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - a second of import

        try:
            self._withdraw(decided)
        except AzureError as error:
            return f"Going back failed too ({type(error).__name__}); run the same command again."
        return f"Traffic is back with {decided.serving or 'nothing'}; {decided.color} was removed."

    def _route(
        self,
        deployment: str | None,
        share: int,
        decided: Plan,
        *,
        mirror: dict[str, int] | None = None,
        tags: dict[str, str | None] | None = None,
    ) -> None:
        """Give a deployment a share and the rest to what serves; without one, nothing gets any."""
        traffic = {} if deployment is None else {deployment: share}
        if share < 100 and decided.serving is not None:
            traffic = {decided.serving: 100 - share, **traffic}
        wanted = {"candidate": decided.color} if tags is None else tags
        self.operations.route(traffic=traffic, mirror=mirror or {}, tags=wanted)

    def _measurement(self, decided: Plan) -> Measurement:
        return Measurement(
            endpoint=self._endpoint_client(),
            candidate=decided.color,
            current=decided.serving,
            expectation=self.expectation,
            policy=self.policy,
            traffic=self.traffic,
            progress=self.progress,
            on_exchange=self.on_exchange,
        )

    def _endpoint_client(self) -> EndpointClient:
        return EndpointClient(self.client, self.operations.name)

    def _report(self, message: str) -> None:
        self.progress(RolloutProgress(self.step.title, message))


def _judged(step: Step, judgement: Judgement) -> StepResult:
    if judgement.status == "ok":
        count = max(check.requests for check in judgement.checks)
        return StepResult(step.title, "ok", 0.0, f"held over {count} requests", judgement.checks)
    return StepResult(step.title, "failed", 0.0, "; ".join(judgement.reasons()), judgement.checks)

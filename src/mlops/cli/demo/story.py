"""What the demo does, step by step, and what it finds out on the way.

The story has a hero (the first model), a better one that takes over under traffic, and a worse one that
the gate turns away. Every step goes through the same verbs that the commands use.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlops.cli import flows
from mlops.cli.demo.collected import collected_ids
from mlops.cli.local import instance_at, instance_config
from mlops.errors import DeploymentError, PipelineError, RegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azureml_local.instance import Instance
    from mlops.cli.context import Session
    from mlops.model_version import ModelVersion
    from mlops.rollout import RolloutResult
    from mlops.scoring import Exchange
    from mlops.usecase import UseCase

__all__ = ["DemoStep", "Story"]

STREAM_REQUESTS: Final = 200
# The gate compares with the champion, so a challenger needs no more than to be no worse: other knots are
# another model of the same quality, and labels shuffled for two rows in three are a worse one.
CHALLENGER: Final = {"knots": 5}
WORSE: Final = {"shuffle_labels": 0.67}

TITLES: Final = {
    "control-plane": "start the embedded Azure ML control plane",
    "data": "write the sample data",
    "train": "train the first model in a pipeline",
    "register": "register it",
    "deploy": "deploy it on a real inference server",
    "traffic": "send it the stream's first requests",
    "challenger": "train a challenger and compare it with the champion",
    "rollout": "roll the challenger out: shadow, canary, full",
    "refusal": "train a worse model, which the gate must refuse",
    "collected": "find every request among the collected data",
}


@dataclass(slots=True)
class DemoStep:
    """One step of the demo."""

    name: str
    title: str
    status: str = "failed"
    seconds: float = 0.0
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary.json` says of it."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 2),
            "title": self.title,
            "detail": self.detail,
        }


@dataclass
class Story:
    """One run of the demo and everything that it learnt; the report is drawn from it."""

    session: Session
    usecase: UseCase
    steps: list[DemoStep] = field(default_factory=list)
    trained: dict[str, flows.Trained] = field(default_factory=dict)
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    rollouts: dict[str, RolloutResult] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    champion_before: str | None = None
    champion_after: str | None = None
    collected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every step did what it should."""
        return len(self.steps) == len(TITLES) and all(step.status == "ok" for step in self.steps)

    def run(self) -> None:
        """Tell the story from an empty folder; the control plane ends with it, however it ends."""
        started = time.monotonic()
        instance = instance_at(self.session.home)
        if instance.status().running:
            raise UsageError(
                "Another demo is running, or was left running.",
                where=str(self.session.home.control_plane),
                next_step=f"MLOPS_HOME={self.session.home.path} mlops local down",
            )
        instance.reset()
        try:
            self._tell(instance)
        finally:
            instance.down()
            self.seconds = time.monotonic() - started

    def summary(self, report: Path) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "report": str(report),
            "alerts": [],
            "champion_before": self.champion_before,
            "champion_after": self.champion_after,
            "seconds": round(self.seconds, 1),
            "usecase": self.usecase.name,
            "rows": self.collected,
        }

    def verdict(self) -> str:
        """Say in one sentence how it went."""
        if not self.ok:
            failed = next((step for step in self.steps if step.status != "ok"), None)
            return f"The demo failed at: {failed.title if failed else 'its start'}."
        return (
            f"All {len(self.steps)} steps did what they should in {self.seconds:.0f} s: version "
            f"{self.champion_before} was trained and served, version {self.champion_after} took over under "
            "traffic, and a worse model was refused."
        )

    def _tell(self, instance: Instance) -> None:
        with self._step("control-plane") as step:
            config = instance_config(self.session.settings, self.session.home)
            state = instance.up(config, with_parent=True)
            step.detail = f"{state.base_url}, workspace {self.session.settings.names.workspace}"
        with self._step("data") as step:
            sample = flows.sample_of(self.session, self.usecase)
            step.detail = f"{sample.training.name} and {sample.stream.name} in {sample.training.parent}"
        with self._step("train") as step:
            trained = self._train("first")
            step.detail = f"the gate passes it with {len(trained.gate['checks'])} checks"
        with self._step("register") as step:
            first = self.versions["first"] = flows.register(self.session, self.usecase, trained)
            step.detail = f"{first.name} version {first.version}"
        with self._step("deploy") as step:
            champion, result = flows.deploy(self.session, self.usecase, on_exchange=self.exchanges.append)
            self._note_rollout("first", result, step)
            self.champion_before = self.champion_after = champion.version
        with self._step("traffic") as step:
            self._send_stream(sample.stream, step)
        with self._step("challenger") as step:
            challenger = self._train("challenger", CHALLENGER)
            second = flows.register(self.session, self.usecase, challenger)
            self.versions["challenger"] = second
            step.detail = (
                f"the gate passes it against version {first.version}; it is version {second.version}"
            )
        with self._step("rollout") as step:
            champion, result = flows.deploy(self.session, self.usecase, on_exchange=self.exchanges.append)
            self._note_rollout("challenger", result, step)
            self.champion_after = champion.version
        with self._step("refusal") as step:
            self._refuse(second, step)
        with self._step("collected") as step:
            self._find_collected(step)

    def _train(self, name: str, overrides: dict[str, Any] | None = None) -> flows.Trained:
        trained = flows.train_and_follow(self.session, self.usecase, overrides=overrides)
        self.trained[name] = trained
        if not trained.passed and name != "worse":
            failed = [check["detail"] for check in trained.gate["checks"] if check["status"] != "pass"]
            raise PipelineError("The gate refused a model that it should pass.", got="; ".join(failed))
        return trained

    def _note_rollout(self, name: str, result: RolloutResult, step: DemoStep) -> None:
        self.rollouts[name] = result
        if not result.ok:
            messages = [each.message for each in result.steps if each.status == "failed"]
            raise DeploymentError("The rollout was rolled back.", got="; ".join(messages))
        step.detail = f"{result.serving} serves {result.model}"

    def _send_stream(self, stream: Path, step: DemoStep) -> None:
        from itertools import islice

        from mlops.scoring import EndpointClient, send_all, summarize

        endpoint = EndpointClient(
            self.session.client, self.session.settings.names.endpoint(self.usecase.name)
        )
        sent = list(send_all(endpoint, islice(flows.replay(stream), STREAM_REQUESTS)))
        self.exchanges += sent
        summary = summarize(sent)
        step.detail = f"{summary.requests} requests, {summary.errors} failed, p95 {summary.p95_ms:.0f} ms"
        if summary.errors:
            raise DeploymentError("Requests failed.", got=dict(summary.errors_by_status), expected="none")

    def _refuse(self, champion: ModelVersion, step: DemoStep) -> None:
        from mlops.registry import ModelRegistry

        worse = self._train("worse", WORSE)
        if worse.passed:
            raise PipelineError(
                "The gate passed a model whose labels were shuffled.", got="pass", expected="fail"
            )
        serving = ModelRegistry(self.session.client).champion(champion.name)
        if serving is None or serving.version != champion.version:
            raise RegistryError(
                "The refused model changed who serves.", got=serving, expected=champion.version
            )
        failed = [check["name"] for check in worse.gate["checks"] if check["status"] != "pass"]
        step.detail = f"refused by {', '.join(failed)}; version {serving.version} keeps serving"

    def _find_collected(self, step: DemoStep) -> None:
        answered = {exchange.request_id for exchange in self.exchanges if exchange.ok}
        found = collected_ids(
            self.session.client,
            self.session.settings.names.endpoint(self.usecase.name),
            expected=answered,
            folder=self.session.home.path / "collected",
        )
        self.collected = {"sent": len(answered), **{name: len(ids) for name, ids in found.items()}}
        for name, ids in found.items():
            missing = answered - ids
            if missing:
                raise DeploymentError(
                    f"Requests are missing among the collected {name}.",
                    got=f"{len(missing)} of {len(answered)} missing",
                    expected="every request that was answered",
                )
        served = Counter(str(exchange.deployment) for exchange in self.exchanges)
        shares = ", ".join(f"{count} by {name}" for name, count in sorted(served.items()))
        step.detail = f"{len(answered)} requests ({shares}), inputs and outputs of each collected"

    @contextmanager
    def _step(self, name: str) -> Iterator[DemoStep]:
        step = DemoStep(name, TITLES[name])
        self.steps.append(step)
        position = f"[{len(self.steps):2}/{len(TITLES)}]"
        self.session.output.progress(f"{position} {step.title} …")
        started = time.monotonic()
        try:
            yield step
            step.status = "ok"
        except Exception as error:
            step.detail = str(error)
            raise
        finally:
            step.seconds = time.monotonic() - started
            self.session.output.progress(f"        {step.status} in {step.seconds:.1f} s: {step.detail}")

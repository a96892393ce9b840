"""What the demo does, step by step, and what it finds out on the way.

The story has a hero (the first model), a world that changes behind its back, a monitor that notices and
tells its evidence, a successor that learns from what came since and takes over under traffic, and a worse
model that the gate turns away. Every step goes through the same verbs that the commands use.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mlops.actions import Subject, request_actions
from mlops.actions.requests import close, start
from mlops.baseline import held_out_answers
from mlops.cli import flows
from mlops.cli.demo.evidence import evidence, fired
from mlops.cli.demo.expectations import fire, resolve, stay_quiet
from mlops.cli.demo.production import Champion, Production
from mlops.cli.demo.steps import DemoStep, Steps
from mlops.cli.local import instance_at, instance_config
from mlops.errors import DeploymentError, PipelineError, RegistryError, UsageError
from mlops.files import write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from azureml_local.instance import Instance
    from mlops.cli.context import Session
    from mlops.model_version import ModelVersion
    from mlops.rollout import RolloutResult
    from mlops.scoring import Exchange
    from mlops.usecase import UseCase

__all__ = ["Story"]

# Labels shuffled for two rows in three: a join gone wrong.
WORSE: Final = {"shuffle_labels": 0.67}


@dataclass
class Story:
    """One run of the demo and everything that it learnt; the report is drawn from it."""

    session: Session
    usecase: UseCase
    trained: dict[str, flows.Trained] = field(default_factory=dict)
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    rollouts: dict[str, RolloutResult] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    production: Production | None = None
    changed_on: int | None = None
    alerted_on: int | None = None
    champion_before: str | None = None
    champion_after: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.steps = Steps(self.session.output)
        self._worse_job = ("", "")
        self._happened: list[tuple[int, str]] = []

    @property
    def ok(self) -> bool:
        """Whether every step did what it should."""
        return self.steps.ok

    @property
    def watched(self) -> bool:
        """Whether a day of production has been measured."""
        return self.production is not None and bool(self.production.watch.days)

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
        for leftover in ("collected", "monitoring"):
            shutil.rmtree(self.session.home.path / leftover, ignore_errors=True)
        try:
            self._tell(instance)
        finally:
            instance.down()
            self.seconds = time.monotonic() - started

    def close(self) -> None:
        """Close the alert store, once everything has been read."""
        if self.production is not None:
            self.production.watch.store.close()

    def summary(self, report: Path) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        return {
            "steps": [step.to_dict() for step in self.steps.done],
            "report": str(report),
            "alerts": fired(self.production.watch) if self.production else [],
            "champion_before": self.champion_before,
            "champion_after": self.champion_after,
            "seconds": round(self.seconds, 1),
            "usecase": self.usecase.name,
            "rows": self.rows,
        }

    def verdict(self) -> str:
        """Say in one sentence how it went."""
        if not self.ok or self.alerted_on is None or self.changed_on is None:
            failed = self.steps.failed
            return f"The demo failed at: {failed.title if failed else 'its start'}."
        return (
            f"All {len(self.steps.done)} steps did what they should in {self.seconds:.0f} s: version "
            f"{self.champion_before} served until the outcomes changed, the alert fired on day "
            f"{self.alerted_on - self.changed_on + 1} of the change, version {self.champion_after} learnt "
            "from what came since and took over under traffic, the alert resolved, and a worse model was "
            "refused."
        )

    def marks(self) -> list[tuple[int, str]]:
        """Return the days on which something happened, for the drawing."""
        changed = [] if self.changed_on is None else [(self.changed_on, "outcomes change")]
        return changed + self._happened

    def _tell(self, instance: Instance) -> None:
        step = self.steps.step
        with step("control-plane") as now:
            config = instance_config(self.session.settings, self.session.home)
            state = instance.up(config, with_parent=True)
            now.detail = f"{state.base_url}, workspace {self.session.settings.names.workspace}"
        with step("data") as now:
            sample = flows.sample_of(self.session, self.usecase)
            production = self.production = Production.open(
                self.session, self.usecase, sample, on_exchange=self.exchanges.append
            )
            now.detail = f"{len(production.replay.rows)} rows to come, on {production.replay.days} days"
        with step("train") as now:
            trained = self._train("first", flows.train(self.session, self.usecase))
            now.detail = f"the gate passes it with {len(trained.gate['checks'])} checks"
        with step("register") as now:
            first = self.versions["first"] = flows.register(self.session, self.usecase, trained)
            now.detail = f"{first.name} version {first.version}"
        with step("deploy") as now:
            self._roll_out("first", production, now)
            self.champion_before = self.champion_after
        with step("quiet") as now:
            self._worse_job = flows.train(self.session, self.usecase, overrides=WORSE)
            self._quiet(production, sample.changed_from, now)
        with step("refusal") as now:
            self._refuse(now)
        with step("alert") as now:
            self._alert(production, now)
        with step("retrain") as now:
            self._retrain(production, sample.training, now)
        with step("rollout") as now:
            self._roll_out("challenger", production, now)
        with step("recovery") as now:
            self._recover(production, now)
        with step("collected") as now:
            self._find_collected(production, now)

    def _train(self, name: str, job: tuple[str, str]) -> flows.Trained:
        trained = self.trained[name] = flows.trained(self.session, *job)
        if not trained.passed and name != "worse":
            failed = [check["detail"] for check in trained.gate["checks"] if check["status"] != "pass"]
            raise PipelineError("The gate refused a model that it should pass.", got="; ".join(failed))
        return trained

    def _roll_out(self, name: str, production: Production, step: DemoStep) -> None:
        """Roll the challenger out on the stream's own requests, one row each, as its users send them."""
        champion, result = flows.deploy(
            self.session, self.usecase, traffic=production.replay.users, on_exchange=production.note
        )
        self.rollouts[name] = result
        if not result.ok or result.serving is None:
            messages = [each.message for each in result.steps if each.status == "failed"]
            raise DeploymentError("The rollout was rolled back.", got="; ".join(messages))
        baseline = held_out_answers(self.trained[name].predictions, self.usecase)
        write_parquet(
            self.session.home.path / "monitoring" / f"baseline-{champion.version}.parquet", baseline
        )
        production.champions[result.serving] = Champion(champion.version, baseline)
        self.champion_after = champion.version
        if name == "challenger":
            self._happened.append((production.replay.days_sent, f"version {champion.version} has taken over"))
        step.detail = f"{result.serving} serves {result.model}"
        production.catch_up()

    def _quiet(self, production: Production, changed_from: int, step: DemoStep) -> None:
        self.changed_on = production.replay.day_of(changed_from)
        stay_quiet(production, self.changed_on)
        drifted = sorted({str(a["feature"]) for i in production.watch.incidents() for a in i.alerts})
        step.detail = (
            f"{production.ended} days, {len(self.exchanges)} requests; noted without paging anybody: "
            f"drift of {', '.join(drifted) or 'nothing'}"
        )

    def _refuse(self, step: DemoStep) -> None:
        worse = self._train("worse", self._worse_job)
        if worse.passed:
            raise PipelineError(
                "The gate passed a model whose labels were shuffled.", got="pass", expected="fail"
            )
        serving = self._require_champion(self.versions["first"].version)
        failed = [check["name"] for check in worse.gate["checks"] if check["status"] != "pass"]
        step.detail = f"refused by {', '.join(failed)}; version {serving} keeps serving"

    def _alert(self, production: Production, step: DemoStep) -> None:
        changed_on = self.changed_on or 0
        incident, self.alerted_on = fire(production, changed_on)
        self._happened.append((production.ended, "alert fires, retraining requested"))
        told = evidence(production.watch, incident)
        step.detail = f"day {self.alerted_on - changed_on + 1} of the change: {told}"

    def _retrain(self, production: Production, training: Path, step: DemoStep) -> None:
        import pandas as pd

        store, subject = production.watch.store, Subject(self.usecase.name, self.usecase.archetype)
        monitor, cooldown = production.watch.monitor.monitor, timedelta(days=1)
        asked = request_actions(store, monitor, subject, now=production.now, cooldown=cooldown)
        if not (wanted := [each for each in asked if each.kind == "retraining"]):
            raise PipelineError("The incident asks for no retraining.", got=[each.kind for each in asked])
        request = start(store, wanted[0], actor="demo", now=production.now)
        # Rows from the day on from which the alert fires are surely from after the change.
        first = production.replay.day(self.alerted_on or 0)
        since = int(first[production.replay.identifier].iloc[0])
        needed = self.usecase.training.minimum_recent_rows
        while (recent := int((production.labelled()[production.replay.identifier] >= since).sum())) < needed:
            production.next_day()
        rows = pd.concat([pd.read_parquet(training), production.labelled()])
        file = write_parquet(self.session.home.path / "data" / self.usecase.name / "retraining.parquet", rows)
        job = flows.train(self.session, self.usecase, data=file, recent_from=since)
        trained = self._train("challenger", job)
        version = self.versions["challenger"] = flows.register(self.session, self.usecase, trained)
        close(store, request, "done", note=f"version {version.version}", actor="demo", now=production.now)
        step.detail = (
            f"{len(rows) - recent} rows teach, {recent} since the change calibrate and judge; the gate "
            f"passes it against version {self.champion_before}; it is version {version.version}"
        )

    def _recover(self, production: Production, step: DemoStep) -> None:
        self._require_champion(self.versions["challenger"].version)
        incident, ended = resolve(production)
        self._happened.append((ended, "alert resolves"))
        step.detail = f"resolved: {evidence(production.watch, incident)}"

    def _find_collected(self, production: Production, step: DemoStep) -> None:
        answered = sum(exchange.ok for exchange in self.exchanges)
        found = production.collected.requests()
        missing = len(self.exchanges) - answered
        self.rows = {"sent": answered, "rows": len(production.replay.answers), **found}
        if (
            missing
            or min(found.values()) < answered
            or len(production.replay.answers) < production.replay.position
        ):
            raise DeploymentError(
                "Requests are missing among the collected data.",
                got=self.rows,
                expected=f"{len(self.exchanges)} requests and {production.replay.position} rows",
            )
        served = Counter(str(exchange.deployment) for exchange in self.exchanges)
        shares = ", ".join(f"{count} by {name}" for name, count in sorted(served.items()))
        step.detail = (
            f"{answered} requests ({shares}) with {self.rows['rows']} rows, "
            "inputs and outputs of each collected"
        )

    def _require_champion(self, version: str) -> str:
        from mlops.registry import ModelRegistry

        name = self.session.settings.names.model(self.usecase.name)
        serving = ModelRegistry(self.session.client).champion(name)
        if serving is None or serving.version != version:
            raise RegistryError("Another version than it should be serves.", got=serving, expected=version)
        return serving.version

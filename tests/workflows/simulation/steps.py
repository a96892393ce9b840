"""The steps of one job, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.workflows.definitions import load
from tests.workflows.node_service import ROOT
from tests.workflows.simulation.actions import run_action
from tests.workflows.simulation.expressions import Scope
from tests.workflows.simulation.machine import assignments, files_of_step
from tests.workflows.simulation.scenario import JobRun, StepRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.workflows.node_service import NodeService
    from tests.workflows.simulation.machine import Machine
    from tests.workflows.simulation.scenario import Result

__all__ = ["Steps"]


@dataclass(slots=True)
class Steps:
    """Runs a job's steps and keeps what they leave for each other.

    Parameters
    ----------
    contexts
        All contexts but `steps`, `env` and, inside a composite action, `inputs`.
    runner
        The variables that GitHub's runner sets for every step.
    composite
        Whether local composite actions are run step by step, instead of taken for granted.
    """

    node: NodeService
    machine: Machine
    job: JobRun
    contexts: Mapping[str, Any]
    environment: dict[str, str]
    runner: Mapping[str, str]
    shell: str | None
    composite: bool = False
    failed: bool = False
    summary: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    _number: int = 0

    def run(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Run steps until the end; after a failure, only those whose condition says so."""
        for step in steps:
            self._number += 1
            name = step.get("id") or step.get("name") or step.get("uses") or step["run"].strip()
            if not self._scope().holds(step.get("if")):
                self._done(step, StepRun(name, "skipped"), {})
                continue
            if "uses" in step:
                self._use(step, name)
            else:
                self._script(step, name)

    def outputs(self, declared: Mapping[str, Any]) -> dict[str, str]:
        """Return the job's outputs."""
        return {name: self._scope().text(value) for name, value in declared.items()}

    def _scope(self, more: Mapping[str, str] | None = None) -> Scope:
        contexts = {**self.contexts, "steps": self.results, "env": {**self.environment, **(more or {})}}
        status = {"success": not self.failed, "failure": self.failed, "cancelled": False}
        return Scope(self.node, contexts, status)

    def _done(self, step: Mapping[str, Any], run: StepRun, outputs: Mapping[str, str]) -> None:
        tolerated = run.outcome == "failure" and step.get("continue-on-error") is True
        conclusion: Result = "success" if tolerated else run.outcome
        self.job.steps.append(run)
        self.failed = self.failed or conclusion == "failure"
        if "id" in step:
            self.results[step["id"]] = {
                "outcome": run.outcome,
                "conclusion": conclusion,
                "outputs": dict(outputs),
            }

    def _use(self, step: Mapping[str, Any], name: str) -> None:
        scope = self._scope()
        inputs = {key: scope.text(value) for key, value in (step.get("with") or {}).items()}
        action = step["uses"].partition("@")[0]
        if action.startswith("./"):
            good, said = self._local(ROOT / action / "action.yml", inputs)
        else:
            good, said = run_action(
                action,
                inputs,
                self.machine,
                environment=self.job.environment,
                permissions=self.job.permissions,
            )
        if action == "azure/login" and good:
            self.job.identity = said
        run = StepRun(f"{name} {action}", "success" if good else "failure", said, inputs)
        self._done(step, run, {})

    def _local(self, path: Any, inputs: dict[str, str]) -> tuple[bool, str]:
        definition = load(path)
        unknown = set(inputs) - set(definition.get("inputs") or {})
        assert not unknown, f"{path} takes no {unknown}"
        if not self.composite:
            return True, ""
        given = {
            key: inputs.get(key, one.get("default", "")) for key, one in definition.get("inputs", {}).items()
        }
        inner = Steps(
            self.node,
            self.machine,
            self.job,
            {**self.contexts, "inputs": given},
            dict(self.environment),
            self.runner,
            None,
        )
        inner._number = 1000 * self._number
        inner.run(definition["runs"]["steps"])
        return not inner.failed, ""

    def _script(self, step: Mapping[str, Any], name: str) -> None:
        own = {key: self._scope().text(value) for key, value in (step.get("env") or {}).items()}
        files = files_of_step(self.machine.folder, self._number)
        variables = {
            **self.runner,
            **self.environment,
            **own,
            **{f"GITHUB_{key}": str(path) for key, path in files.items()},
        }
        script = self._scope(own).text(step["run"])
        code, said = self.machine.run(script, step.get("shell") or self.shell, variables, self.job.identity)
        self.environment.update(assignments(files["ENV"]))
        self.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")
        run = StepRun(name, "success" if code == 0 else "failure", said, own)
        self._done(step, run, assignments(files["OUTPUT"]))

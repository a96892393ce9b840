"""The jobs of a workflow, and of those that it calls.

Where GitHub's behaviour is disputed the simulation takes the stricter reading: in a called workflow the
status functions count what happened before the call, as users report (actions/runner #2205).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workflows.definitions import load
from tests.workflows.node_service import ROOT
from tests.workflows.simulation.expressions import Scope
from tests.workflows.simulation.scenario import REPOSITORY, Environment, JobRun, RefusedError, WorkflowRun
from tests.workflows.simulation.steps import Steps
from tests.workflows.simulation.triggers import call_inputs, dispatch_inputs, started

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.workflows.node_service import NodeService
    from tests.workflows.simulation.github_api import GitHubApi
    from tests.workflows.simulation.machine import Machine
    from tests.workflows.simulation.scenario import Result, Scenario

__all__ = ["Simulator"]

WORKFLOWS = ROOT / ".github" / "workflows"
_LEVELS = ("none", "read", "write")


@dataclass(slots=True)
class Simulator:
    """Runs workflows of this repository against a machine and an API."""

    node: NodeService
    machine: Machine
    api: GitHubApi
    sha: str
    base: str
    composite: bool = False

    def run(self, workflow: str, scenario: Scenario) -> WorkflowRun:
        """Run a workflow for an event.

        Raises
        ------
        RefusedError
            GitHub would not start it.
        """
        definition = load(WORKFLOWS / f"{workflow}.yml")
        started(definition, scenario)
        inputs = dispatch_inputs(definition, scenario)
        event = self.machine.folder / "event.json"
        event.write_text(json.dumps(scenario.payload))
        run = WorkflowRun()
        _Workflow(self, scenario, definition, inputs, run, event).execute()
        run.artifacts = set(self.machine.artifacts)
        return run


@dataclass(slots=True)
class _Workflow:
    """One workflow of a run; the called ones have `prefix`, `cap` and `before` of their caller."""

    simulator: Simulator
    scenario: Scenario
    definition: dict[str, Any]
    inputs: dict[str, Any]
    run: WorkflowRun
    event: Path
    prefix: str = ""
    cap: Mapping[str, str] | None = None
    before: Sequence[Result] = ()

    def execute(self) -> Result:
        """Run all jobs in the order that they need each other."""
        done: dict[str, tuple[Result, dict[str, str]]] = {}
        waiting = dict(self.definition["jobs"])
        while waiting:
            name = next(n for n, job in waiting.items() if set(_needs(job)) <= set(done))
            done[name] = self._job(name, waiting.pop(name), done)
        results = [result for result, _ in done.values()]
        return _together(results)

    def _job(
        self, name: str, job: dict[str, Any], done: Mapping[str, tuple[Result, dict[str, str]]]
    ) -> tuple[Result, dict[str, str]]:
        needs = {one: {"result": done[one][0], "outputs": done[one][1]} for one in _needs(job)}
        if any(one["result"] == "waiting" for one in needs.values()):
            self.run.jobs.append(JobRun(f"{self.prefix}{name}", "waiting"))
            return "waiting", {}
        status = self._status(name, done)
        scope = Scope(self.simulator.node, self._contexts(needs), status)
        if not scope.holds(job.get("if")):
            self.run.jobs.append(JobRun(f"{self.prefix}{name}", "skipped"))
            return "skipped", {}
        results, outputs = [], {}
        for values in self._matrix(job, scope, name):
            label = f" ({', '.join(_short(value) for value in values.values())})" if values else ""
            made = self._one(f"{self.prefix}{name}{label}", job, needs, values, status)
            results.append(made.result)
            outputs.update(made.outputs)
        return _together(results), outputs

    def _one(
        self,
        path: str,
        job: dict[str, Any],
        needs: dict[str, Any],
        matrix: dict[str, Any],
        status: Mapping[str, bool],
    ) -> JobRun:
        scope = Scope(self.simulator.node, {**self._contexts(needs), "matrix": matrix}, status)
        permissions = self._permissions(job, path)
        if "uses" in job:
            before = [*self.before, *(one["result"] for one in needs.values())]
            return JobRun(path, self._call(path, job, scope, permissions, before))
        made = JobRun(path, "success", permissions=permissions)
        self.run.jobs.append(made)
        if "concurrency" in job:
            made.concurrency = scope.value(job["concurrency"])
        assert "timeout-minutes" in job, path
        environment = self._entered(made, job, scope, needs)
        if made.result == "success":
            self._steps(made, job, needs, matrix, environment)
        return made

    def _call(
        self,
        path: str,
        job: dict[str, Any],
        scope: Scope,
        permissions: dict[str, str],
        before: Sequence[Result],
    ) -> Result:
        called = load(ROOT / job["uses"])
        inputs = call_inputs(called, {k: scope.value(v) for k, v in (job.get("with") or {}).items()}, path)
        return _Workflow(
            self.simulator,
            self.scenario,
            called,
            inputs,
            self.run,
            self.event,
            prefix=f"{path}/",
            cap=permissions,
            before=before,
        ).execute()

    def _entered(self, made: JobRun, job: dict[str, Any], scope: Scope, needs: dict[str, Any]) -> Environment:
        """Wait for the reviewers of the job's environment."""
        if "environment" not in job:
            return Environment()
        made.environment = scope.text(job["environment"])
        environment = self.scenario.environments.get(made.environment, Environment())
        branch = self.scenario.ref.removeprefix("refs/heads/")
        allowed = environment.branches
        if allowed is not None and not any(fnmatchcase(branch, one) for one in allowed):
            made.result = "failure"
        elif environment.approval == "waiting":
            made.result = "waiting"
        elif environment.approval == "rejected":
            made.result = "failure"
        if environment.meanwhile is not None and made.result == "success":
            environment.meanwhile(needs)
        return environment

    def _steps(
        self,
        made: JobRun,
        job: dict[str, Any],
        needs: dict[str, Any],
        matrix: dict[str, Any],
        environment: Environment,
    ) -> None:
        token = f"token-{len(self.simulator.api.tokens)}"
        self.simulator.api.tokens[token] = made.permissions
        variables = {**self.scenario.variables, **environment.variables}
        contexts = {**self._contexts(needs, token=token), "matrix": matrix, "vars": variables}
        scope = Scope(self.simulator.node, contexts, {})
        shell = (self.definition.get("defaults") or {}).get("run", {}).get("shell")
        steps = Steps(
            self.simulator.node,
            self.simulator.machine,
            made,
            contexts,
            {key: scope.text(value) for key, value in (job.get("env") or {}).items()},
            self._runner(),
            shell,
            composite=self.simulator.composite,
        )
        steps.run(job["steps"])
        made.result = "failure" if steps.failed else "success"
        made.outputs = steps.outputs(job.get("outputs") or {})
        self.run.summary += steps.summary

    def _runner(self) -> dict[str, str]:
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.simulator.api.url,
            "GITHUB_EVENT_NAME": self.scenario.event,
            "GITHUB_EVENT_PATH": str(self.event),
            "GITHUB_REF": self.scenario.ref,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": str(self.scenario.run),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": self.simulator.sha,
            "GITHUB_WORKSPACE": str(self.simulator.machine.workspace),
        }

    def _contexts(self, needs: Mapping[str, Any], *, token: str = "") -> dict[str, Any]:
        github = {
            "event": dict(self.scenario.payload),
            "event_name": self.scenario.event,
            "ref": self.scenario.ref,
            "ref_name": self.scenario.ref.rpartition("/")[2],
            "repository": REPOSITORY,
            "run_id": str(self.scenario.run),
            "sha": self.simulator.sha,
            "token": token,
        }
        return {
            "github": github,
            "inputs": self.inputs,
            "needs": dict(needs),
            "vars": dict(self.scenario.variables),
            "secrets": {},
            "matrix": {},
            "strategy": {},
            "runner": {"os": "Linux"},
            "job": {},
        }

    def _status(self, name: str, done: Mapping[str, tuple[Result, dict[str, str]]]) -> dict[str, bool]:
        results = [*self.before, *(done[one][0] for one in self._ancestors(name))]
        return {
            "success": all(result == "success" for result in results),
            "failure": "failure" in results,
            "cancelled": "cancelled" in results,
        }

    def _ancestors(self, name: str) -> set[str]:
        direct = set(_needs(self.definition["jobs"][name]))
        return direct.union(*(self._ancestors(one) for one in direct))

    def _matrix(self, job: dict[str, Any], scope: Scope, name: str) -> Iterator[dict[str, Any]]:
        vectors = {
            key: scope.value(value) for key, value in job.get("strategy", {}).get("matrix", {}).items()
        }
        for key, values in vectors.items():
            if not values:
                raise RefusedError(f"{name}: the matrix vector {key} does not contain any values")
        yield from (dict(zip(vectors, values, strict=True)) for values in product(*vectors.values()))

    def _permissions(self, job: dict[str, Any], path: str) -> dict[str, str]:
        wanted = job.get("permissions", self.definition.get("permissions"))
        assert isinstance(wanted, dict), f"{path}: permissions are not named one by one"
        for scope, level in wanted.items():
            allowed = (self.cap or {}).get(scope, "none") if self.cap is not None else "write"
            if _LEVELS.index(level) > _LEVELS.index(allowed):
                raise RefusedError(f"{path} asks for {scope}: {level}, and its caller gives {allowed}")
        if not self.scenario.fork:
            return dict(wanted)
        # A fork's token reads at most, and cannot ask for an identity.
        return {scope: "read" for scope in wanted if scope != "id-token"}


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs") or []
    return [needs] if isinstance(needs, str) else list(needs)


def _short(value: Any) -> str:
    return ", ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _together(results: Sequence[Result]) -> Result:
    for result in ("failure", "cancelled", "waiting", "success"):
        if result in results:
            return result
    return "skipped"

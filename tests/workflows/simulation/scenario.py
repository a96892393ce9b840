"""What happens on GitHub, and what a simulated run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "REPOSITORY",
    "Environment",
    "JobRun",
    "RefusedError",
    "Result",
    "Scenario",
    "StepRun",
    "WorkflowRun",
]

REPOSITORY = "contoso/mlops"

Result = Literal["success", "failure", "cancelled", "skipped", "waiting"]


class RefusedError(Exception):
    """GitHub does not start a run: no trigger fits, an input is wrong, or a call asks for too much."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A GitHub environment.

    Parameters
    ----------
    approval
        What its reviewers do with a job that waits for them; None when it has no reviewers.
    meanwhile
        What happens while they think; it gets what the job needs, and may change it.
    branches
        Patterns of the branches that may deploy; None for all.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    approval: Literal["approved", "rejected", "waiting"] | None = None
    meanwhile: Callable[[dict[str, Any]], None] | None = None
    branches: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """An event, and the repository that it happens to.

    Parameters
    ----------
    inputs
        Of a dispatch, as its form sends them.
    variables
        The repository's configuration variables.
    files
        What a push changes.
    """

    event: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    ref: str = "refs/heads/main"
    inputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    run: int = 100
    files: Sequence[str] = ()

    @property
    def fork(self) -> bool:
        """Whether the event is a pull request of a fork, whose token may only read."""
        head = (self.payload.get("pull_request") or {}).get("head") or {}
        return bool(head) and (head.get("repo") or {}).get("full_name") != REPOSITORY


@dataclass(slots=True)
class StepRun:
    """One step that ran or was skipped."""

    name: str
    outcome: Result
    output: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class JobRun:
    """One job that ran or was skipped.

    Parameters
    ----------
    path
        Ids from the outermost workflow, with the matrix's values: ``preview (dev)/apply``.
    identity
        The client id that it signed in to Azure with.
    """

    path: str
    result: Result
    environment: str | None = None
    identity: str | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    steps: list[StepRun] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    concurrency: dict[str, Any] | None = None

    def step(self, name: str) -> StepRun:
        """Return a step by its id, its name, or the beginning of its command or action."""
        return next(step for step in self.steps if name in step.name)


@dataclass(slots=True)
class WorkflowRun:
    """Everything that a run did."""

    jobs: list[JobRun] = field(default_factory=list)
    summary: str = ""
    artifacts: set[str] = field(default_factory=set)

    def job(self, path: str) -> JobRun:
        """Return one job."""
        found = [job for job in self.jobs if job.path == path]
        assert found, f"no job {path!r} among {[job.path for job in self.jobs]}"
        return found[0]

    def results(self) -> dict[str, Result]:
        """Return what became of each job."""
        return {job.path: job.result for job in self.jobs}

    def ran(self) -> set[str]:
        """Return the jobs that were not skipped."""
        return {job.path for job in self.jobs if job.result != "skipped"}

    def identities(self) -> dict[str, str]:
        """Return who each job signed in as; jobs that did not sign in are not there."""
        return {job.path: job.identity for job in self.jobs if job.identity}

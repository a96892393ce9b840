"""Submitting a pipeline job, following its steps, and fetching what it wrote."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.client import visible_errors
from mlops.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job, PipelineJob

__all__ = ["JobRun", "download_output", "follow", "submit"]

# RunHistory's own list of states that do not change any more.
TERMINAL: Final = frozenset({"Completed", "Failed", "Canceled", "NotResponding", "Paused"})
LOG_TAIL_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class JobRun:
    """A pipeline job that completed.

    Parameters
    ----------
    name
        The job's name in its workspace.
    studio_url
        Its page in Azure Machine Learning studio; None where there is none.
    seconds
        Wall-clock time from submission to completion, as seen from here.
    """

    name: str
    studio_url: str | None
    seconds: float


def submit(client: MLClient, job: PipelineJob) -> str:
    """Submit a job and return its name."""
    with visible_errors():
        return str(client.jobs.create_or_update(job).name)


def follow(
    client: MLClient, name: str, *, progress: Callable[[str], None], poll_seconds: float = 1.0
) -> JobRun:
    """Report each step's state as it changes, until the job ends.

    Parameters
    ----------
    progress
        Receives one line a change.
    poll_seconds
        Pause between two looks.

    Raises
    ------
    PipelineError
        The job failed or was cancelled; the message names the step and ends with its log's last lines.
    """
    started = time.monotonic()
    seen: dict[str, str] = {}
    while True:
        job = client.jobs.get(name)
        for step in client.jobs.list(parent_job_name=name):
            label, status = str(step.display_name or step.name), str(step.status)
            if seen.get(label) != status:
                seen[label] = status
                progress(f"  {time.monotonic() - started:5.1f} s  {label}: {status.lower()}")
        if job.status in TERMINAL:
            break
        time.sleep(poll_seconds)
    if job.status != "Completed":
        raise _failure(client, job)
    url = getattr(job, "studio_url", None)
    return JobRun(name, url, time.monotonic() - started)


def download_output(client: MLClient, job: str, output: str, folder: Path) -> Path:
    """Download one named output of a job and return the path of its content.

    Raises
    ------
    PipelineError
        The output is empty.
    """
    with visible_errors():
        client.jobs.download(name=job, output_name=output, download_path=str(folder))
    content = folder / "named-outputs" / output
    if not content.exists():
        raise PipelineError(
            f"The job wrote nothing to its output {output!r}.",
            where=job,
            expected=str(content),
            next_step="look at the step's log: az ml job stream",
        )
    return content


def _failure(client: MLClient, job: Job) -> PipelineError:
    steps = list(client.jobs.list(parent_job_name=job.name))
    broken = next((step for step in steps if step.status == "Failed"), None)
    if broken is None:
        return PipelineError(
            f"The job was {str(job.status).lower()}.",
            where=str(job.name),
            next_step="run the same command again: steps that completed are taken from the cache",
        )
    lines = _log(client, str(broken.name)).splitlines()[-LOG_TAIL_LINES:]
    return PipelineError(
        f"The step {broken.display_name or broken.name} failed.",
        where=f"job {job.name}",
        got="\n".join(["its log ends with", *(f"    {line}" for line in lines)]),
        next_step="mend the cause and run the same command again: completed steps come from the cache",
    )


def _log(client: MLClient, name: str) -> str:
    """Return what a finished step printed.

    Its log is among its artifacts; `jobs.stream` shows no log of a run that ended before it was asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        with visible_errors():
            client.jobs.download(name=name, download_path=folder)
        logs = sorted(Path(folder).rglob("user_logs/*.txt"))
        return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

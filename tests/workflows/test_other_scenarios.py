"""Continuous integration, releases and security, event by event; and the set-up that all of them share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from tests.workflows.bench import Bench

CHECKS: list[dict[str, Any]] = [{"arguments": ["infra", "check"]}, {"arguments": ["ci", "secrets"]}]


def test_ci_passes_when_every_job_does(bench: Bench) -> None:
    bench.answer(*CHECKS)
    run = bench.pull_request("ci")
    assert set(run.results().values()) == {"success"}
    assert len(bench.called("mlops infra check")) == 5
    assert all(job.permissions in ({}, {"contents": "read"}) for job in run.jobs)


@pytest.mark.parametrize("failing", ["make", "infra", "ci"])
def test_gate_is_shut_by_any_job_that_fails(bench: Bench, failing: str) -> None:
    bench.answer(*({**check, "exit": int(check["arguments"][0] == failing)} for check in CHECKS))
    (bench.machine.folder / "make.exit").write_text("2" if failing == "make" else "0")
    run = bench.pull_request("ci", fork=True)
    assert run.job("gate").result == "failure"
    assert "a job ended as failure" in run.job("gate").steps[0].output


def test_a_label_does_not_run_ci_again(bench: Bench) -> None:
    with pytest.raises(RefusedError):
        bench.pull_request("ci", action="labeled", labels=["run:azureml"])


def test_tag_is_built_and_published_apart(bench: Bench) -> None:
    bench.answer({"arguments": ["ci", "bill-of-materials"]})
    (bench.machine.workspace / "dist").mkdir()
    (bench.machine.workspace / "dist" / "a.whl").write_text("wheel")
    run = bench.run("release", "push", ref="refs/tags/v1.0.0", payload={"before": "0" * 40})
    assert run.job("build").permissions == {"contents": "read"}
    assert run.job("publish").result == "success"
    assert bench.called("gh") == [
        "gh release create v1.0.0 dist/a.whl --repo contoso/mlops --verify-tag --generate-notes"
    ]
    assert len(bench.called("mlops ci bill-of-materials")) == 2


def test_push_to_a_branch_releases_nothing(bench: Bench) -> None:
    with pytest.raises(RefusedError):
        bench.run("release", "push", payload={"before": bench.base})


def test_weekly_security_has_no_pull_request_to_review(bench: Bench) -> None:
    bench.answer(*CHECKS)
    run = bench.run("security", "schedule", payload={"schedule": "5 4 * * 1"})
    assert run.results() == {
        "workflows": "success",
        "packages": "success",
        "dependencies": "skipped",
        "secrets": "success",
    }


def test_set_up_installs_the_pulumi_release_that_the_lock_pins(bench: Bench) -> None:
    bench.composite = True
    python = bench.machine.workspace / ".venv" / "bin" / "python"
    python.write_text("#!/bin/bash\necho 3.272.0\n")
    python.chmod(0o755)
    bench.cloud = ["dev"]
    run = bench.run("infra-deploy", "workflow_dispatch", inputs={"stack": "dev"})
    steps = {step.name: step for step in run.job("dev/preview").steps}
    assert bench.called("make") == ["make setup"] * 3
    installed = next(step for name, step in steps.items() if "pulumi/actions" in name)
    assert installed.inputs == {"pulumi-version": "3.272.0"}
    assert json.dumps(run.results())

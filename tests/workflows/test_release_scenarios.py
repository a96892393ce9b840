"""From a promotion to a release that serves, event by event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.workflows.answers import DIGEST, alert, command, promotes, release, trains
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from tests.workflows.bench import Bench


def test_release_in_prod_waits_for_its_reviewers(bench: Bench) -> None:
    release(bench, "staging")
    bench.base = bench.head
    release(bench, "prod")
    bench.answer(*trains())
    bench.review("prod", "waiting")
    run = bench.push("deploy")
    assert run.results()["release (classical, prod)"] == "waiting"
    assert bench.called("mlops deploy") == []


def test_merged_release_is_deployed_to_its_environment_alone(bench: Bench) -> None:
    release(bench, "staging")
    bench.answer(*trains())
    run = bench.push("deploy")
    assert run.identities() == {"release (classical, staging)": "deploy-staging"}
    assert bench.called("mlops deploy") == ["mlops deploy --usecase classical --env staging --json"]
    assert run.job("release (classical, staging)").concurrency == {
        "group": "endpoint-staging-classical",
        "cancel-in-progress": False,
    }
    assert run.artifacts == {"release-staging-classical"}


def test_push_that_changes_no_release_deploys_nothing(bench: Bench) -> None:
    bench.change("environments/staging.yaml", "# more\n")
    with pytest.raises(RefusedError):
        bench.push("deploy")
    bench.change("environments/releases/staging.yaml", "# a remark\n")
    run = bench.push("deploy")
    assert run.ran() == {"changes"}
    assert run.identities() == {}


def test_release_that_skips_staging_is_refused_on_the_pull_request_and_on_main(bench: Bench) -> None:
    release(bench, "prod")
    run = bench.pull_request("ml-pr")
    assert run.job("releases").result == run.job("gate").result == "failure"
    assert "prod would release what staging never did" in bench.api.comments[7][0]["body"]
    run = bench.push("deploy")
    assert run.ran() == {"changes"}
    assert run.job("changes").result == "failure"


def test_pull_request_cannot_take_a_model_past_staging_by_writing_both_files(bench: Bench) -> None:
    release(bench, "staging")
    release(bench, "prod")
    assert bench.pull_request("ml-pr").job("gate").result == "failure"
    assert "what staging never did" in bench.api.comments[7][0]["body"]


def test_pull_request_of_a_release_tells_what_it_was_made_from(bench: Bench) -> None:
    release(bench, "staging")
    run = bench.pull_request("ml-pr")
    assert run.ran() == {"changes", "releases", "comment", "gate"}
    assert run.job("gate").result == "success"
    assert run.identities() == {}
    body = bench.api.comments[7][0]["body"]
    for words in (
        DIGEST,
        "16 checks passed on 4,038 held-out rows",
        "classical-training:1",
        "`dev` version `7`",
    ):
        assert words in body


def test_release_file_that_is_wrong_shuts_the_gate_with_file_and_line(bench: Bench) -> None:
    release(bench, "staging")
    bench.replace("environments/releases/staging.yaml", "    digest:", "    digst:")
    run = bench.pull_request("ml-pr")
    assert run.job("gate").result == "failure"
    said = run.job("releases").step("mlops ci releases").output
    assert "staging.yaml:" in said
    assert "write 'digest' instead of 'digst'" in said


def test_promotion_shares_as_one_job_and_asks_as_another(bench: Bench) -> None:
    bench.answer(promotes())
    inputs = {"usecase": "classical", "environment": "dev"}
    run = bench.run("promote", "workflow_dispatch", inputs=inputs)
    assert run.identities() == {"promote": "deploy-dev"}
    assert run.job("promote").permissions == {"contents": "read", "id-token": "write"}
    assert run.job("pull-request").permissions == {"contents": "write", "pull-requests": "write"}
    (pull,) = bench.api.pulls.values()
    assert DIGEST in pull["body"]
    assert "Approve workflows to run" in pull["body"]
    written = bench.api.branches["promote/staging-classical"]["environments/releases/staging.yaml"]
    assert f"digest: {DIGEST}" in written
    assert bench.api.branches["main"] == {}
    # Again: the same pull request, the same file.
    again = bench.run("promote", "workflow_dispatch", inputs=inputs)
    assert again.job("pull-request").result == "success"
    assert len(bench.api.pulls) == 1
    # Merged: nothing is left to ask for.
    bench.api.branches["main"]["environments/releases/staging.yaml"] = written
    bench.api.pulls.clear()
    bench.run("promote", "workflow_dispatch", inputs=inputs)
    assert bench.api.pulls == {}


def test_promotion_where_workflows_may_open_no_pull_request_says_what_to_allow(bench: Bench) -> None:
    bench.answer(promotes())
    bench.api.may_request = False
    run = bench.run("promote", "workflow_dispatch", inputs={"usecase": "classical", "environment": "dev"})
    assert run.job("pull-request").result == "failure"
    said = run.job("pull-request").step("mlops ci release-request").output
    assert "allow GitHub Actions to create pull requests" in said
    assert "promote/staging-classical" in bench.api.branches


def test_promotion_that_is_refused_opens_nothing(bench: Bench) -> None:
    bench.answer(command("promote", exit=2))
    inputs = {"usecase": "classical", "environment": "staging"}
    run = bench.run("promote", "workflow_dispatch", inputs=inputs)
    assert run.job("promote").result == "failure"
    assert run.results()["pull-request"] == "skipped"
    assert bench.api.requests == []


def test_nothing_is_promoted_from_prod_or_from_a_branch(bench: Bench) -> None:
    with pytest.raises(RefusedError):
        bench.run("promote", "workflow_dispatch", inputs={"usecase": "classical", "environment": "prod"})
    inputs = {"usecase": "classical", "environment": "dev"}
    assert bench.run("promote", "workflow_dispatch", inputs=inputs, ref="refs/heads/mine").ran() == set()


def test_model_of_a_job_does_not_get_into_prod_past_its_release(bench: Bench) -> None:
    bench.answer(*(one for one in trains() if one["arguments"] != ["register"]))
    inputs = {"usecase": "classical", "environment": "prod", "operation": "deploy", "job": "j"}
    run = bench.run("deploy", "workflow_dispatch", inputs=inputs)
    assert run.job("deploy").result == "failure"
    assert "no model of its own" in run.job("deploy").step("mlops evaluate").output
    assert bench.called("mlops deploy") == []


def test_release_is_deployed_again_by_hand(bench: Bench) -> None:
    bench.answer(*trains())
    inputs = {"usecase": "classical", "environment": "prod", "operation": "deploy"}
    run = bench.run("deploy", "workflow_dispatch", inputs=inputs)
    assert run.identities() == {"deploy": "deploy-prod"}
    assert bench.called("mlops") == ["mlops deploy --usecase classical --env prod --json"]


def test_request_of_prod_is_closed_when_prod_serves_the_model_that_it_asked_for(bench: Bench) -> None:
    bench.cloud = ["prod"]
    found = command("ci", "alerts", files={"alerts/prod.json": json.dumps([alert()])})
    bench.answer(*trains(), promotes(), found)
    bench.run("drift", "schedule", payload={"schedule": "17 * * * *"})
    (issue,) = bench.api.issues.values()
    assert (issue["title"], issue["state"]) == ("Retrain classical in prod", "open")
    assert bench.called("mlops promote")[0].endswith(f"--request {issue['number']} --json")
    assert len(bench.api.pulls) == 1
    number = issue["number"]
    for environment, state in (("staging", "open"), ("prod", "closed")):
        release(bench, environment, request=number)
        bench.answer(*trains())
        assert bench.push("deploy").job(f"fulfilled (classical, {environment})").result == "success"
        assert bench.api.issues[number]["state"] == state
        bench.base = bench.head

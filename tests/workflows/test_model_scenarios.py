"""From a pull request that changes a model to alerts that ask for a new one, event by event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mlops.promotion.release import Release, ReleaseFile
from tests.workflows.bench import PASSED, REFUSED
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from tests.workflows.bench import Bench

MODEL = "src/usecases/classical/model.py"
HOURLY = {"schedule": "17 * * * *"}
DIGEST = f"sha256:{'0a' * 32}"
VERSION = "0a" * 6


def command(*arguments: str, **answer: Any) -> dict[str, Any]:
    return {"arguments": list(arguments), **answer}


def trains(verdict: str = PASSED) -> list[dict[str, Any]]:
    """Answer what takes minutes or a cloud; the gate's verdict is what a real training run printed."""
    refused = verdict is REFUSED
    return [
        command("local", "up"),
        command("ci", "champion"),
        command("train", stdout=verdict, exit=1 if refused else 0),
        command("evaluate", stdout=verdict, exit=1 if refused else 0),
        command("register", stdout="{}"),
        command("deploy", stdout="{}"),
        command("rollback", stdout="{}"),
    ]


def release_of(source: str, request: int = 0) -> Release:
    """Return a release as `mlops promote` makes it."""
    return Release.model_validate(
        {
            "model": "mlops-classical",
            "registry": "mlr-mlops",
            "version": VERSION,
            "digest": DIGEST,
            "lineage": {
                "training_environment": "training:1",
                "code": "c0de",
                "training_data": "classical-training:1",
                "training_job": "j",
            },
            "gate": {"verdict": "pass", "checks": 16, "rows": 4038},
            "promoted": {
                "environment": source,
                "version": "7",
                "at": "2026-11-25T00:00:00Z",
                "by": "somebody",
                "request": request,
            },
        }
    )


def promotes() -> dict[str, Any]:
    """Answer `mlops promote` from dev to staging."""
    document = {"usecase": "classical", "from": "dev", "to": "staging"}
    document["release"] = release_of("dev").model_dump(mode="json")  # type: ignore[assignment]
    return command("promote", stdout=json.dumps(document))


def release(bench: Bench, environment: str, *, request: int = 0) -> None:
    """Commit a release to an environment."""
    path = f"environments/releases/{environment}.yaml"
    source = {"staging": "dev", "prod": "staging"}[environment]
    text = ReleaseFile().having("classical", release_of(source, request)).to_yaml(environment)
    bench.replace(path, (bench.machine.workspace / path).read_text(), text)


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "fingerprint": "f",
        "monitor": "doctor-visits",
        "rule": "calibration",
        "state": "firing",
        "severity": "critical",
        "action": "request_retraining",
        "owner": "ml-platform",
        "feature": None,
        "segment": "health.fair",
        "since": "2026-11-25T00:00:00Z",
        **fields,
    }


def alerts(*found: dict[str, Any]) -> dict[str, Any]:
    return command("ci", "alerts", files={"alerts/dev.json": json.dumps(found)})


def test_pull_request_that_changes_a_model_trains_it_here_and_tells_how_it_compares(bench: Bench) -> None:
    bench.change(MODEL, "# more\n")
    bench.answer(*trains())
    run = bench.pull_request("ml-pr")
    assert run.ran() == {"changes", "train (classical)", "comment", "gate"}
    assert run.job("gate").result == "success"
    assert run.identities() == {}
    (comment,) = bench.api.comments[7]
    assert "The gate **passes** it: 16 of 16 checks passed" in comment["body"]
    assert "Slices against the champion" in comment["body"]
    assert bench.called("mlops ci champion") == [f"mlops ci champion --base {bench.base} --usecase classical"]


def test_model_that_the_gate_refuses_is_told_and_shuts_the_gate(bench: Bench) -> None:
    bench.change(MODEL, "# more\n")
    bench.answer(*trains(REFUSED))
    run = bench.pull_request("ml-pr")
    assert run.job("train (classical)").result == run.job("gate").result == "failure"
    assert "- **slice.health.fair**: log_loss degrades by" in bench.api.comments[7][0]["body"]


def test_label_trains_in_azure_as_the_environment_dev(bench: Bench) -> None:
    bench.change(MODEL, "# more\n")
    bench.answer(*trains())
    bench.environments["dev"] = bench.environment("deploy-dev", branches=("main", "refs/pull/*/merge"))
    run = bench.pull_request("ml-pr", action="labeled", labels=["run:azureml"])
    assert run.identities() == {"azureml (classical)": "deploy-dev"}
    assert bench.called("mlops train")[-1] == "mlops train --usecase classical --env dev --json"
    (comment,) = bench.api.comments[7]
    assert "## Model: `classical` in `dev`" in comment["body"]


def test_label_is_no_way_around_the_branches_of_an_environment(bench: Bench) -> None:
    bench.change(MODEL, "# more\n")
    bench.answer(*trains())
    run = bench.pull_request("ml-pr", action="labeled", labels=["run:azureml"])
    assert run.job("azureml (classical)").result == run.job("gate").result == "failure"
    assert run.identities() == {}


def test_label_on_a_fork_trains_nothing_in_azure(bench: Bench) -> None:
    bench.change(MODEL, "# more\n")
    bench.answer(*trains())
    run = bench.pull_request("ml-pr", action="labeled", labels=["run:azureml"], fork=True)
    assert run.ran() == {"changes", "train (classical)", "gate"}
    assert run.identities() == {}
    assert bench.api.requests == []


def test_changed_alert_rules_are_tested_and_compared(bench: Bench) -> None:
    bench.change("pipelines/classical/monitor.yaml", "# more\n")
    bench.answer(
        command("alerts", "test"),
        command("alerts", "diff", stdout="## Alert rules\n\n3 alerts instead of 5.\n"),
    )
    run = bench.pull_request("ml-pr")
    assert run.ran() == {"changes", "alert-rules", "comment", "gate"}
    assert "3 alerts instead of 5" in bench.api.comments[7][0]["body"]


def test_alert_rules_whose_test_fails_shut_the_gate(bench: Bench) -> None:
    bench.change("pipelines/classical/monitor.yaml", "# more\n")
    bench.answer(command("alerts", "test", exit=1), command("alerts", "diff"))
    assert bench.pull_request("ml-pr").job("gate").result == "failure"


def test_fired_alert_becomes_one_request_and_a_new_model(bench: Bench) -> None:
    bench.cloud = ["dev"]
    bench.answer(*trains(), alerts(alert(), alert(fingerprint="g", rule="drift"), alert(action="issue")))
    run = bench.run("drift", "schedule", payload=HOURLY)
    (issue,) = bench.api.issues.values()
    reason = "2 alerts fire: doctor-visits/calibration, doctor-visits/drift"
    name = f"retrain (classical, dev, {reason}, {issue['number']})"
    assert run.identities() == {
        "alerts (dev)": "plan-dev",
        f"{name}/train": "deploy-dev",
        f"{name}/deploy/deploy": "deploy-dev",
    }
    assert issue["title"] == "Retrain classical in dev"
    assert issue["state"] == "closed"
    assert "The gate **passes** it" in bench.api.comments[issue["number"]][0]["body"]
    # Fired again an hour later: the pause after a request is not over.
    run = bench.run("drift", "schedule", payload=HOURLY)
    assert len(bench.api.issues) == 1
    assert "retrain" not in run.ran()
    assert "pausing" in run.job("requests").step("requests").output


def test_request_stays_open_while_the_gate_refuses_and_nothing_else_is_asked_for(bench: Bench) -> None:
    bench.cloud = ["dev"]
    bench.answer(*trains(REFUSED), alerts(alert()))
    bench.run("drift", "schedule", payload=HOURLY)
    (issue,) = bench.api.issues.values()
    assert issue["state"] == "open"
    assert "The gate **refuses** it" in bench.api.comments[issue["number"]][0]["body"]
    assert not bench.called("mlops register")
    run = bench.run("drift", "schedule", payload=HOURLY)
    assert len(bench.api.issues) == 1
    assert run.results()["retrain"] == "skipped"


def test_alerts_that_ask_for_nothing_start_nothing(bench: Bench) -> None:
    bench.cloud = ["dev"]
    bench.answer(alerts(alert(state="pending"), alert(action="issue"), alert(state="resolved")))
    run = bench.run("drift", "schedule", payload=HOURLY)
    assert bench.api.issues == {}
    assert run.results()["retrain"] == "skipped"


def test_event_from_outside_trains_in_dev_and_asks_for_a_release_in_staging(bench: Bench) -> None:
    bench.answer(*trains(), promotes())
    payload = {"client_payload": {"usecase": "classical", "environment": "staging", "reason": "new labels"}}
    run = bench.run("retrain", "repository_dispatch", payload={"action": "retrain", **payload})
    assert run.identities() == {
        "train": "deploy-dev",
        "deploy/deploy": "deploy-dev",
        "promote/promote": "deploy-dev",
    }
    assert run.results()["report"] == "skipped"
    assert [one.split(" --job")[0] for one in bench.called("mlops register")] == [
        "mlops register --usecase classical --env dev"
    ]
    (pull,) = bench.api.pulls.values()
    assert (pull["title"], pull["base"]) == (f"Promote classical {VERSION} to staging", "main")
    assert pull["head"] == "promote/staging-classical"


def test_request_of_prod_is_closed_when_prod_serves_the_model_that_it_asked_for(bench: Bench) -> None:
    bench.cloud = ["prod"]
    found = command("ci", "alerts", files={"alerts/prod.json": json.dumps([alert()])})
    bench.answer(*trains(), promotes(), found)
    bench.run("drift", "schedule", payload=HOURLY)
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


@pytest.mark.parametrize(
    "payload",
    [
        {"usecase": "clasical", "environment": "dev", "reason": "x"},
        {"usecase": "classical", "environment": "production", "reason": "x"},
        {"usecase": "classical", "environment": "dev", "reason": "x", "job": "y"},
        {"usecase": "$(touch pwned)", "environment": "dev", "reason": "x"},
        {"usecase": "classical", "environment": "dev"},
        {},
    ],
    ids=["no-such-use-case", "no-such-environment", "unknown-field", "a-command", "no-reason", "empty"],
)
def test_request_that_is_not_valid_signs_in_nowhere(bench: Bench, payload: dict[str, str]) -> None:
    run = bench.run(
        "retrain", "repository_dispatch", payload={"action": "retrain", "client_payload": payload}
    )
    assert run.ran() == {"request"}
    assert run.job("request").result == "failure"
    assert not (bench.machine.workspace / "pwned").exists()
    assert "Traceback" not in run.job("request").step("request").output


def test_event_of_another_type_starts_nothing(bench: Bench) -> None:
    with pytest.raises(RefusedError):
        bench.run("retrain", "repository_dispatch", payload={"action": "deploy", "client_payload": {}})


def test_form_asks_for_retraining_too(bench: Bench) -> None:
    bench.answer(*trains())
    inputs = {"usecase": "classical", "environment": "dev", "reason": '$(id) `id` "quoted"', "issue": "5"}
    bench.api.issues[5] = {"number": 5, "state": "open"}
    run = bench.run("retrain", "workflow_dispatch", inputs=inputs)
    assert run.job("report").result == "success"
    assert bench.api.issues[5]["state"] == "closed"


def test_retraining_from_a_branch_is_refused(bench: Bench) -> None:
    inputs = {"usecase": "classical", "environment": "dev", "reason": "x"}
    assert bench.run("retrain", "workflow_dispatch", inputs=inputs, ref="refs/heads/mine").ran() == set()


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


def test_deployment_that_is_rolled_back_fails(bench: Bench) -> None:
    bench.answer(command("deploy", stdout="{}", exit=1), *trains())
    inputs = {"usecase": "classical", "environment": "dev", "operation": "deploy", "job": "j"}
    run = bench.run("deploy", "workflow_dispatch", inputs=inputs)
    assert run.job("deploy").result == "failure"
    assert run.artifacts == {"deployment-dev-classical"}


def test_what_the_gate_refused_is_not_registered(bench: Bench) -> None:
    bench.answer(*trains(REFUSED))
    inputs = {"usecase": "classical", "environment": "dev", "operation": "deploy", "job": "j"}
    assert bench.run("deploy", "workflow_dispatch", inputs=inputs).job("deploy").result == "failure"
    assert bench.called("mlops register") == bench.called("mlops deploy") == []


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


def test_going_back_is_one_command(bench: Bench) -> None:
    bench.answer(*trains())
    inputs = {"usecase": "classical", "environment": "staging", "operation": "rollback"}
    run = bench.run("deploy", "workflow_dispatch", inputs=inputs)
    assert run.identities() == {"deploy": "deploy-staging"}
    assert bench.called("mlops") == ["mlops rollback --usecase classical --env staging --json"]

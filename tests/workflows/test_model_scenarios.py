"""From a pull request that changes a model to alerts that ask for a new one, event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflows.answers import VERSION, alert, alerts, command, promotes, trains
from tests.workflows.bench import REFUSED
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from tests.workflows.bench import Bench

MODEL = "src/usecases/classical/model.py"
HOURLY = {"schedule": "17 * * * *"}


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


def test_going_back_is_one_command(bench: Bench) -> None:
    bench.answer(*trains())
    inputs = {"usecase": "classical", "environment": "staging", "operation": "rollback"}
    run = bench.run("deploy", "workflow_dispatch", inputs=inputs)
    assert run.identities() == {"deploy": "deploy-staging"}
    assert bench.called("mlops") == ["mlops rollback --usecase classical --env staging --json"]

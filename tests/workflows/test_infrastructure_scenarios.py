"""From a pull request that changes infrastructure to a deployed stack, event by event."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.workflows.bench import ALL_STACKS, step
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from tests.workflows.bench import Bench

UPDATE = {"steps": [step("update", "lake", sku="Standard_ZRS"), step("same", "other")]}
BUDGET = "\nbudget:\n  monthly_amount: 301\n"


def test_pull_request_that_changes_one_environment_previews_it_alone(bench: Bench) -> None:
    bench.change("environments/dev.yaml", "\nserving:\n  instance_count: 2\n")
    bench.machine.preview("dev", UPDATE)
    run = bench.pull_request("infra-pr")
    assert run.ran() == {"changes", "offline", "preview (dev)/preview", "comment", "gate"}
    assert set(run.results().values()) == {"success", "skipped"}
    assert run.identities() == {"preview (dev)/preview": "plan-dev"}
    assert not bench.called("pulumi up")
    (comment,) = bench.api.comments[7]
    assert comment["body"].startswith("<!-- mlops infrastructure run=101 -->")
    assert re.search(r"\| `dev` \| 0 \| 0 \| 0 \| 0 \| \d+ \(\+\d+\) \|", comment["body"])
    assert "### Preview: `dev`" in comment["body"]
    assert "1 to update, 1 unchanged" in comment["body"]


def test_pull_request_that_changes_the_base_previews_every_stack(bench: Bench) -> None:
    bench.replace("environments/base.yaml", "monthly_amount: 300", "monthly_amount: 301")
    bench.answer({"arguments": ["ci", "infra-report"]})
    run = bench.pull_request("infra-pr")
    assert run.identities() == {f"preview ({one})/preview": f"plan-{one}" for one in ALL_STACKS}
    # Bootstrap is a person's: its difference is told, and no identity previews it.
    assert '--stacks ["bootstrap", "shared", "dev", "staging", "prod"]' in bench.called("mlops ci infra")[0]
    assert run.job("gate").result == "success"


def test_a_second_push_updates_the_same_comment(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    bench.pull_request("infra-pr")
    bench.replace("environments/dev.yaml", "301", "302")
    bench.pull_request("infra-pr")
    (comment,) = bench.api.comments[7]
    assert "run=102" in comment["body"]
    assert [method for method, _ in bench.api.requests].count("POST") == 1


def test_pull_request_of_a_fork_gets_neither_identity_nor_comment(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    run = bench.pull_request("infra-pr", fork=True)
    assert run.ran() == {"changes", "offline", "gate"}
    assert run.identities() == {}
    assert bench.api.requests == []
    assert "## Infrastructure" in run.summary
    assert run.job("gate").result == "success"
    assert all(level == "read" for job in run.jobs for level in job.permissions.values())


def test_replacing_data_shuts_the_gate_until_the_label_is_there(bench: Bench) -> None:
    bench.replace("infra/workload/__main__.py", '"accountName": "lake"', '"accountName": "sea"')
    bench.cloud = []
    run = bench.pull_request("infra-pr")
    assert run.job("offline").result == run.job("gate").result == "failure"
    assert "> [!CAUTION]" in bench.api.comments[7][0]["body"]
    run = bench.pull_request("infra-pr", action="labeled", labels=["allow:data-loss"])
    assert run.job("gate").result == "success"
    (comment,) = bench.api.comments[7]
    assert "> [!WARNING]" in comment["body"]
    assert "`dev`: `storage:StorageAccount lake`" in comment["body"]


def test_change_of_prose_runs_nothing_and_passes(bench: Bench) -> None:
    bench.change("infra/README.md", "More.\n")
    run = bench.pull_request("infra-pr")
    assert run.ran() == {"changes", "gate"}
    assert run.job("gate").result == "success"


def test_preview_that_fails_shuts_the_gate_and_the_comment_tells_the_rest(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    (bench.machine.folder / "pulumi" / "dev.json").unlink()
    run = bench.pull_request("infra-pr")
    assert run.job("preview (dev)/preview").result == run.job("gate").result == "failure"
    assert "the program fails" in run.job("preview (dev)/preview").step("plan").output
    assert "## Infrastructure" in bench.api.comments[7][0]["body"]


def test_merge_queue_reports_offline_and_asks_no_cloud(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    payload = {"merge_group": {"base_sha": bench.base}, "action": "checks_requested"}
    run = bench.run("infra-pr", "merge_group", payload=payload, ref="refs/heads/gh-readonly-queue/main/pr-7")
    assert run.ran() == {"changes", "offline", "gate"}
    assert run.job("gate").result == "success"
    assert run.identities() == {}


def test_base_that_is_not_there_fails_the_gate(bench: Bench) -> None:
    bench.base = "0" * 39 + "1"
    run = bench.pull_request("infra-pr")
    assert run.results() == {
        "changes": "failure",
        "offline": "skipped",
        "preview": "skipped",
        "comment": "skipped",
        "gate": "failure",
    }
    assert "fetch-depth: 0" in run.job("changes").step("changes").output


def test_push_to_main_deploys_what_changed_as_previewed(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    bench.machine.preview("dev", UPDATE)
    run = bench.push()
    assert run.identities() == {
        "dev/preview": "plan-dev",
        "dev/apply": "deploy-dev",
        "dev-images/look": "plan-dev",
    }
    assert run.job("dev/apply").environment == "dev"
    assert run.job("dev/apply").concurrency == {"group": "stack-dev", "cancel-in-progress": False}
    assert len(bench.called("pulumi up")) == 1
    assert not bench.called("pulumi refresh")
    assert "### Deployed: `dev`" in run.summary


def test_nothing_to_do_asks_nobody_for_approval(bench: Bench) -> None:
    bench.change("environments/dev.yaml", BUDGET)
    bench.review("dev", "waiting")
    run = bench.push()
    assert run.results()["dev/apply"] == "skipped"
    assert "waiting" not in run.results().values()


def test_stages_follow_each_other_and_prod_waits_for_its_reviewers(bench: Bench) -> None:
    bench.replace("environments/base.yaml", "monthly_amount: 300", "monthly_amount: 301")
    for stack in ALL_STACKS:
        bench.machine.preview(stack, UPDATE)
    bench.review("prod", "waiting")
    run = bench.push()
    deployed = [one.split("--stack ")[1].split()[0] for one in bench.called("pulumi up")]
    assert deployed == ["shared", "dev", "staging"]
    assert run.job("prod/preview").result == "success"
    assert run.job("prod/apply").result == "waiting"
    assert run.job("prod/apply").identity is None


def test_what_fails_in_one_stage_does_not_reach_the_next(bench: Bench) -> None:
    bench.replace("environments/base.yaml", "monthly_amount: 300", "monthly_amount: 301")
    for stack in ALL_STACKS:
        bench.machine.preview(stack, UPDATE)
    # It does not settle: the same operation is planned again after it was carried out.
    bench.machine.preview("dev", UPDATE, after=True)
    run = bench.push()
    assert "does not settle" in run.job("dev/apply").steps[-1].output
    assert {name: result for name, result in run.results().items() if "/" not in name} == {
        "changes": "success",
        "dev-images": "skipped",
        "staging": "skipped",
        "staging-images": "skipped",
        "prod": "skipped",
        "prod-images": "skipped",
    }


def cloud_changes(bench: Bench) -> Any:
    later = {"steps": [step("delete", "lake"), step("same", "other")]}
    return lambda needs: bench.machine.preview("dev", later)


def four_days_pass(bench: Bench) -> Any:
    then = (datetime.now(UTC) - timedelta(days=4)).isoformat(timespec="seconds")
    return lambda needs: needs["preview"]["outputs"].update({"planned-at": then})


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [(cloud_changes, "is not what was approved"), (four_days_pass, "the approval has expired")],
    ids=["the-cloud-changes", "the-approval-expires"],
)
def test_approval_counts_for_what_was_seen_and_not_for_ever(bench: Bench, meanwhile: Any, words: str) -> None:
    bench.change("environments/dev.yaml", "\n# more\n")
    bench.machine.preview("dev", UPDATE)
    bench.review("dev", "approved", meanwhile(bench))
    run = bench.push()
    assert run.job("dev/apply").result == "failure"
    assert run.job("dev/apply").identity == "deploy-dev"
    assert words in run.job("dev/apply").steps[-1].output
    assert words in run.summary
    assert not bench.called("pulumi up")


def test_rejected_approval_never_signs_in(bench: Bench) -> None:
    bench.change("environments/dev.yaml", "\n# more\n")
    bench.machine.preview("dev", UPDATE)
    bench.review("dev", "rejected")
    run = bench.push()
    assert run.job("dev/apply").result == "failure"
    assert run.identities() == {"dev/preview": "plan-dev"}


def test_dispatch_deploys_one_stack_changed_or_not(bench: Bench) -> None:
    bench.machine.preview("staging", UPDATE)
    run = bench.run("infra-deploy", "workflow_dispatch", inputs={"stack": "staging"})
    assert run.identities() == {
        "staging/preview": "plan-staging",
        "staging/apply": "deploy-staging",
        "staging-images/look": "plan-staging",
    }


def test_repair_asks_the_cloud_before_and_after(bench: Bench) -> None:
    bench.machine.preview("dev", UPDATE)
    inputs = {"stack": "dev", "repair": "true"}
    run = bench.run("infra-deploy", "workflow_dispatch", inputs=inputs)
    assert run.job("dev/apply").result == "success"
    assert ["--refresh" in one for one in bench.called("pulumi")] == [True] * 4


@pytest.mark.parametrize("inputs", [{"stack": "production"}, {}, {"stack": "dev", "force": "true"}], ids=str)
def test_dispatch_with_bad_input_starts_nothing(bench: Bench, inputs: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        bench.run("infra-deploy", "workflow_dispatch", inputs=inputs)


def test_dispatch_from_a_branch_deploys_nothing(bench: Bench) -> None:
    run = bench.run("infra-deploy", "workflow_dispatch", inputs={"stack": "dev"}, ref="refs/heads/feature")
    assert run.ran() == set()


def test_repository_without_a_cloud_deploys_nothing_and_fails_nothing(bench: Bench) -> None:
    bench.cloud = []
    bench.change("environments/dev.yaml", BUDGET)
    assert bench.push().ran() == {"changes"}
    assert bench.run("drift", "schedule", payload={"schedule": "43 2 * * *"}).ran() == set()


def test_nightly_drift_is_one_issue_a_stack_until_it_is_gone(bench: Bench) -> None:
    night = {"schedule": "43 2 * * *"}
    bench.cloud = ["dev", "prod"]
    bench.machine.preview("prod", UPDATE)
    run = bench.run("drift", "schedule", payload=night)
    assert run.identities() == {
        "infrastructure (dev)/preview": "plan-dev",
        "infrastructure (prod)/preview": "plan-prod",
    }
    assert all("--refresh" in one for one in bench.called("pulumi preview"))
    bench.run("drift", "schedule", payload=night)
    (issue,) = bench.api.issues.values()
    assert (issue["title"], issue["state"]) == ("Infrastructure of prod is not what the program says", "open")
    bench.machine.preview("prod", {"steps": []})
    bench.run("drift", "schedule", payload=night)
    assert issue["state"] == "closed"


def test_stack_that_cannot_be_looked_at_keeps_its_issue(bench: Bench) -> None:
    night = {"schedule": "43 2 * * *"}
    bench.cloud = ["prod"]
    bench.machine.preview("prod", UPDATE)
    bench.run("drift", "schedule", payload=night)
    (bench.machine.folder / "pulumi" / "prod.json").unlink()
    run = bench.run("drift", "schedule", payload=night)
    assert run.job("issues").result == "failure"
    assert [issue["state"] for issue in bench.api.issues.values()] == ["open"]

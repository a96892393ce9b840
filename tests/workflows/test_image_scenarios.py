"""Who builds the images that jobs and deployments run in, and when, event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflows.bench import step
from tests.workflows.simulation.scenario import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflows.bench import Bench

UPDATE = {"steps": [step("update", "lake", sku="Standard_ZRS")]}
LOCK = "environments/locks/training.txt"


def tags(registry: Path) -> dict[str, int]:
    """Return how many tags each repository has."""
    return {folder.name: len(list(folder.iterdir())) for folder in registry.iterdir()}


def images_jobs(identities: dict[str, str]) -> dict[str, str]:
    return {path: who for path, who in identities.items() if "images" in path}


def test_newcomers_stack_is_applied_and_its_empty_registry_filled_by_the_same_run(bench: Bench) -> None:
    bench.cloud = ["dev"]
    registry = bench.registry("dev")
    bench.change("environments/pulumi/Pulumi.dev.yaml", "encryptedkey: abc\n")
    bench.machine.preview("dev", UPDATE)
    run = bench.push()
    assert set(run.results().values()) == {"success", "skipped"}
    assert run.identities() == {
        "dev/preview": "plan-dev",
        "dev/apply": "deploy-dev",
        "dev-images/look": "plan-dev",
        "dev-images/push": "deploy-dev",
    }
    assert tags(registry) == {"training": 2, "serving": 2}
    (applied, *_) = (i for i, one in enumerate(bench.machine.commands()) if one.startswith("pulumi up"))
    (asked, *_) = (i for i, one in enumerate(bench.machine.commands()) if one.startswith("az acr"))
    assert applied < asked
    assert "### Images of `dev`" in run.summary


def test_changed_lock_builds_one_image_in_every_environment_and_touches_no_stack(bench: Bench) -> None:
    before = {name: bench.registry(name, full=True) for name in ("dev", "staging", "prod")}
    bench.change(LOCK, "# moved\n")
    run = bench.push()
    assert run.identities() == {
        f"{name}-images/{job}": f"{who}-{name}"
        for name in before
        for job, who in (("look", "plan"), ("push", "deploy"))
    }
    assert all(tags(folder) == {"training": 4, "serving": 2} for folder in before.values())
    builds = bench.called("docker build")
    assert len(builds) == 3
    assert all("--file" in one and "training/Dockerfile" in one for one in builds)
    assert not bench.called("pulumi")


def test_image_that_is_there_is_neither_built_nor_approved(bench: Bench) -> None:
    bench.review("prod", "waiting")
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "prod"})
    assert run.results() == {"look": "success", "push": "skipped"}
    assert run.identities() == {"look": "plan-prod"}
    assert not bench.called("docker")
    assert "az acr login" not in " ".join(bench.called("az"))


def test_missing_image_of_prod_waits_for_its_reviewers(bench: Bench) -> None:
    registry = bench.registry("prod")
    bench.review("prod", "waiting")
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "prod"})
    assert run.results() == {"look": "success", "push": "waiting"}
    assert run.identities() == {"look": "plan-prod"}
    bench.review("prod", "approved")
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "prod"})
    assert run.job("push").identity == "deploy-prod"
    assert run.job("push").concurrency == {"group": "images-prod", "cancel-in-progress": False}
    assert tags(registry) == {"training": 2, "serving": 2}


def test_images_wait_while_the_stack_waits_for_its_reviewers(bench: Bench) -> None:
    bench.registry("prod")
    bench.change("environments/prod.yaml", "\n# more\n")
    bench.machine.preview("prod", UPDATE)
    bench.review("prod", "waiting")
    run = bench.push()
    assert run.results()["prod-images"] == "waiting"
    assert images_jobs(run.identities()) == {}


def test_stack_that_fails_gets_no_images(bench: Bench) -> None:
    bench.registry("dev")
    bench.change("environments/dev.yaml", "\n# more\n")
    (bench.machine.folder / "pulumi" / "dev.json").unlink()
    run = bench.push()
    assert run.results()["dev-images"] == "skipped"
    assert not bench.called("az")


def test_changed_dockerfile_leaves_the_image_and_says_so(bench: Bench) -> None:
    bench.cloud = ["dev"]
    bench.change("pipelines/environments/serving/Dockerfile", "# more\n")
    run = bench.push()
    assert images_jobs(run.identities()) == {"dev-images/look": "plan-dev"}
    assert "The image stays as it was built" in run.summary
    assert not bench.called("docker")


def test_pinned_base_reaches_the_build(bench: Bench) -> None:
    base = f"python@sha256:{'0a' * 32}"
    bench.cloud = ["dev"]
    bench.registry("dev")
    bench.change("environments/dev.yaml", f"\nimages:\n  base: {base}\n")
    bench.push()
    assert [f"--build-arg BASE_IMAGE={base} " in one for one in bench.called("docker build")] == [True, True]


def test_registry_that_is_not_there_is_no_registry_without_images(bench: Bench) -> None:
    bench.registry("dev").rmdir()
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "dev"})
    assert run.results() == {"look": "failure", "push": "skipped"}
    assert "apply the stack first" in run.job("look").step("images").output


def test_build_that_fails_pushes_nothing(bench: Bench) -> None:
    registry = bench.registry("dev")
    (bench.machine.folder / "docker.exit").write_text("1")
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "dev"})
    assert run.job("push").result == "failure"
    assert "docker build failed" in run.job("push").step("push-images").output
    assert tags(registry) == {}


def test_images_that_fail_do_not_stop_the_next_stage(bench: Bench) -> None:
    bench.registry("dev").rmdir()
    bench.replace("environments/base.yaml", "monthly_amount: 300", "monthly_amount: 301")
    run = bench.push()
    assert run.job("dev-images/look").result == "failure"
    assert run.job("prod-images/look").result == "success"


def test_stack_deployed_by_hand_gets_its_images(bench: Bench) -> None:
    registry = bench.registry("staging")
    run = bench.run("infra-deploy", "workflow_dispatch", inputs={"stack": "staging"})
    assert images_jobs(run.identities()) == {
        "staging-images/look": "plan-staging",
        "staging-images/push": "deploy-staging",
    }
    assert tags(registry) == {"training": 2, "serving": 2}


def test_without_identities_nothing_is_built(bench: Bench) -> None:
    bench.cloud = []
    bench.change(LOCK, "# moved\n")
    assert bench.push().ran() == {"changes"}
    assert not bench.called("az")
    bench.environments.clear()
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "dev"})
    assert run.results() == {"look": "failure", "push": "skipped"}
    assert run.identities() == {}


def test_branch_builds_nothing_and_there_is_no_fourth_environment(bench: Bench) -> None:
    run = bench.run("images", "workflow_dispatch", inputs={"environment": "dev"}, ref="refs/heads/mine")
    assert run.ran() == set()
    with pytest.raises(RefusedError):
        bench.run("images", "workflow_dispatch", inputs={"environment": "shared"})

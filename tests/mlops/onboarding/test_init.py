"""``mlops init``: five values in, a repository that is the team's own out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.cli.application import run
from mlops.errors import ProjectError, UsageError
from mlops.onboarding.answers import KEYS, answers_from
from mlops.onboarding.changes import apply_changes
from mlops.onboarding.initialise import current_values, plan_init
from mlops.settings import ENVIRONMENTS, ROOT, load
from mlops.settings.together import load_together
from mlops.yaml_source import Location, Mark

DEV, PROD = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
Init = Callable[..., int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of what `init` reads and writes, with a second archetype in it."""
    ignored = shutil.ignore_patterns("locks", "__pycache__")
    shutil.copytree(ROOT / "environments", tmp_path / "environments", ignore=ignored)
    for folder in ("pipelines/classical", "src/usecases/classical"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
        shutil.copytree(ROOT / folder, tmp_path / folder.replace("classical", "extra"), ignore=ignored)
    base = tmp_path / "environments/base.yaml"
    own = "  extra:\n    owner: data-science\n    slo:\n      p95_ms: 900\n      error_percent: 1.0\n"
    base.write_text(base.read_text().replace("endpoints:\n", f"endpoints:\n{own}"))
    for path in (base, base.with_name("prod.yaml")):
        path.write_text(re.sub(r"quota_cores: \d+", "quota_cores: 400", path.read_text()))
    return tmp_path


@pytest.fixture
def init(root: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.setattr("mlops.cli.init.ROOT", root)
    monkeypatch.setattr("mlops.onboarding.azure.tenant_of", lambda subscription: TENANT)
    return lambda *options: run(["init", *options])


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_five_values_are_all_that_is_asked() -> None:
    assert KEYS == ("name", "owner", "location", "subscription", "usecases")


def test_everything_follows_from_the_answers(init: Init, root: Path) -> None:
    ids = f"dev={DEV},staging={DEV},prod={PROD}"
    assert init("--name", "churn", "--owner", "team@contoso.com", "--location", "northeurope",
                "--subscription", ids, "--usecases", "classical") == 0  # fmt: skip
    loaded = load_together(root)
    assert {name: item.environment.azure.subscription_id for name, item in loaded.items()} == {
        "dev": DEV, "staging": DEV, "prod": PROD,
    }  # fmt: skip
    prod = load("prod", root)
    assert (prod.azure.tenant_id, prod.project.location) == (TENANT, "northeurope")
    assert prod.names.workspace == "mlw-churn-prod"
    assert {mail for one in prod.platform.owners.values() for mail in one.emails} == {"team@contoso.com"}
    assert set(prod.endpoints) == {"classical"}
    assert load("local", root).azure == load("local").azure
    assert not (root / "pipelines/extra").exists()
    assert not (root / "src/usecases/extra").exists()


def test_github_asks_the_new_owner_for_reviews(init: Init, root: Path) -> None:
    owners = root / ".github/CODEOWNERS"
    owners.parent.mkdir()
    before = load("dev").project.owner
    owners.write_text(f"# Not {before}x\n* {before}\n/infra/ @org/platform {before}\n")
    assert init("--owner", "team@contoso.com") == 0
    assert owners.read_text() == (
        f"# Not {before}x\n* team@contoso.com\n/infra/ @org/platform team@contoso.com\n"
    )


def test_comments_stay_and_only_answers_change(init: Init, root: Path) -> None:
    before = files(root)
    assert init("--name", "churn") == 0
    after = files(root)
    assert {name for name in before if before[name] != after[name]} == {"environments/project.yaml"}
    assert after["environments/project.yaml"] == before["environments/project.yaml"].replace(
        f"name: {load('dev').project.name}", "name: churn"
    )


def test_it_may_be_run_again_and_back(init: Init, root: Path) -> None:
    original = files(root)
    present = current_values(root)
    assert init("--name", "churn", "--subscription", f"dev={DEV},staging={DEV},prod={PROD}") == 0
    once = files(root)
    assert init() == 0
    assert files(root) == once
    tenant = load("dev").azure.tenant_id
    ids = ",".join(f"{name}={one}" for name, one in present["subscription"].items())
    assert init("--name", present["name"], "--subscription", ids, "--tenant", tenant) == 0
    assert files(root) == original


def test_the_linter_of_yaml_is_content_before_and_after(init: Init, root: Path) -> None:
    assert init("--name", "churn", "--subscription", f"dev={DEV},staging={DEV},prod={PROD}",
                "--usecases", "classical") == 0  # fmt: skip
    assert init("--subscription", DEV) == 0
    command = [sys.executable, "-m", "yamllint", "--strict", "-c", str(ROOT / ".yamllint.yaml"), str(root)]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_no_overlay_repeats_a_value_of_base(init: Init, root: Path) -> None:
    assert init("--subscription", f"dev={DEV},staging={PROD},prod={PROD}") == 0
    own = {
        name: (yaml.safe_load((root / f"environments/{name}.yaml").read_text()).get("azure") or {})
        for name in ("dev", "staging", "prod")
    }
    assert own == {"dev": {"subscription_id": DEV}, "staging": {}, "prod": {}}


def test_a_dry_run_shows_the_difference_and_writes_nothing(
    init: Init, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    assert init("--name", "churn", "--usecases", "classical", "--dry-run", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert files(root) == before
    assert shown["written"] is False
    assert "+  name: churn" in shown["diff"]
    assert {one["path"] for one in shown["changes"] if one["deleted"]} == {
        "pipelines/extra",
        "src/usecases/extra",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "Churn"], ["'Churn'", "--name"]),
        (["--location", "westeurop"], ["With these answers", "write 'westeurope'", "project.yaml"]),
        (["--location", "westus"], ["availability zones", "staging.yaml"]),
        (["--subscription", "1234"], ["--subscription", "1234"]),
        (["--subscription", f"dev={DEV}"], ["dev=ID,staging=ID,prod=ID"]),
        (["--usecases", "clasical"], ["no use case 'clasical'", "write 'classical'"]),
        (["--usecases", "extra"], ["cannot be removed", "classical,extra"]),
        (["--from", "nowhere.yaml"], ["nowhere.yaml", "does not exist"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_answer_changes_nothing_and_says_what_is_right(
    init: Init, root: Path, options: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    assert init(*options) == 2
    assert files(root) == before
    said = " ".join(capsys.readouterr().err.split())
    assert "mlops-init-" not in said
    for word in words:
        assert word in said


def test_a_file_answers_and_its_mistakes_have_lines(
    init: Init, root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path_factory.mktemp("answers") / "answers.yaml"
    answers.write_text(f"name: churn\nsubscription: {{dev: {DEV}, staging: {DEV}, prod: {PROD}}}\n")
    assert init("--from", str(answers)) == 0
    assert load("prod", root).names.workspace == "mlw-churn-prod"
    answers.write_text("name: churn\nlocatoin: westeurope\n")
    assert init("--from", str(answers)) == 2
    said = capsys.readouterr().err
    assert "answers.yaml:2" in said
    assert "write 'location'" in said


def test_an_interrupted_run_is_finished_by_the_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answers_from(
        {**current_values(root), "owner": "new@contoso.com", "subscription": PROD, "usecases": "classical"},
        {(): Mark(Path("test"), 1)},
    )
    owners = root / ".github/CODEOWNERS"
    owners.parent.mkdir()
    owners.write_text(f"* {load('dev').project.owner}\n")
    wanted = plan_init(root, answers, tenant_id=TENANT)
    assert {one.path for one in wanted} >= {
        ".github/CODEOWNERS", "environments/base.yaml", "environments/project.yaml", "pipelines/extra",
    }  # fmt: skip
    for done in range(len(wanted)):
        # What a run leaves that was stopped after so many of its writes.
        apply_changes(root, wanted[:done])
        left = plan_init(root, answers, tenant_id=TENANT)
        assert [one.path for one in left] == [one.path for one in wanted[done:]]
    apply_changes(root, wanted[-1:])
    assert plan_init(root, answers, tenant_id=TENANT) == ()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_without_answers_the_repository_is_already_whole(name: str) -> None:
    """There are no placeholders: what is committed is what `init` would write for its own values."""
    assert load(name).name == name
    marks: dict[Location, Mark] = {(): Mark(Path("test"), 1)}
    assert plan_init(ROOT, answers_from(current_values(ROOT), marks)) == ()


def test_values_are_asked_with_the_present_ones_as_defaults(
    init: Init, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def prompt(question: str, *, default: Any, err: bool) -> Any:
        asked[question] = default
        return "churn" if "name" in question else default

    monkeypatch.setattr("mlops.cli.init.sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("mlops.cli.init.typer.prompt", prompt)
    assert init() == 0
    assert len(asked) == 5
    assert load("dev", root).project.name == "churn"


def test_answers_are_checked_in_python_too(root: Path) -> None:
    with pytest.raises(ProjectError):
        answers_from({"name": "x"}, {(): Mark(Path("test"), 1)})
    with pytest.raises(UsageError):
        answers_from({**current_values(root), "subscription": {"dev": DEV}}, {(): Mark(Path("test"), 1)})

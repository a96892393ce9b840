"""What the prose says is so: commands exist and run, links and tests that it names are there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from mlops.cli.application import application
from mlops.onboarding.doctor.report import RUNBOOKS
from mlops.settings import ROOT
from tests.docs.markdown import Block, blocks, files

BLOCKS = blocks()
# They look at what `make demo` has left, so they run after it: tests/e2e/test_demo.py.
AFTER_THE_DEMO = "MLOPS_HOME=.mlops/demo"
# Rendering stacks takes seconds each.
SLOW = "mlops infra"
RUNBOOK_FOLDER = ROOT / "src/mlops/onboarding/runbooks"
COMMANDS = [one for one in BLOCKS if one.language in {"bash", "sh"}]
OFFLINE = [one for one in BLOCKS if one.language == "bash" and AFTER_THE_DEMO not in one.text]


def mlops_lines() -> list[tuple[str, list[str]]]:
    """Return every call of the command line in a block, with where it stands."""
    return [
        (one.name, words[1:])
        for one in BLOCKS
        if one.language in {"", "bash", "sh"}
        for words in one.commands()
        if words[0] in {"mlops", ".venv/bin/mlops"}
    ]


def parsed(arguments: list[str]) -> None:
    """Let the command line read the arguments, without running anything."""
    command: Any = typer.main.get_command(application())
    context = command.context_class(command, info_name="mlops")
    while hasattr(command, "resolve_command"):
        name, command, arguments = command.resolve_command(context, arguments)
        if hasattr(command, "resolve_command"):
            context = command.context_class(command, info_name=name, parent=context)
    command.make_context(command.name, list(arguments), parent=context)


def test_there_is_something_to_check() -> None:
    assert len(mlops_lines()) > 20
    assert len(OFFLINE) > 8
    for name in ("README.md", "src/mlops/onboarding/README.md", "src/mlops/onboarding/runbooks/names.md"):
        assert ROOT / name in {one.path for one in OFFLINE}


@pytest.mark.parametrize(
    ("where", "arguments"),
    mlops_lines(),
    ids=lambda value: str(value) if isinstance(value, str) else " ".join(value),
)
def test_every_command_in_the_prose_is_one_that_the_command_line_reads(
    where: str, arguments: list[str]
) -> None:
    if "STACK" not in arguments:
        parsed(arguments)


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    for wrong in (["bootstrp", "dev"], ["bootstrap", "dev", "--aply"], ["infra", "rendr"], ["bootstrap"]):
        # typer brings a click of its own, whose errors have no public name.
        with pytest.raises(Exception, match=r"No such (command|option)|Missing"):
            parsed(wrong)


@pytest.mark.parametrize("block", COMMANDS, ids=lambda one: one.name)
def test_every_make_target_in_the_prose_is_there(block: Block) -> None:
    for words in block.commands():
        if words[0] == "make":
            asked = subprocess.run(
                ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(
    "block",
    [pytest.param(one, id=one.name, marks=[pytest.mark.e2e] if SLOW in one.text else []) for one in OFFLINE],
)
def test_every_offline_block_runs(block: Block, tmp_path: Path) -> None:
    """Run the block as it stands; only `make`, which brought this very test, is left to the test above."""
    text = re.sub(r"^make .*$", "true", block.text, flags=re.MULTILINE)
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=ROOT,
        env={**os.environ, "MLOPS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), target


def test_each_group_of_checks_has_a_page_and_each_page_a_reason() -> None:
    pages = {path.stem for path in RUNBOOK_FOLDER.glob("*.md")} - {"README"}
    assert set(RUNBOOKS.values()) == pages - {"preview"}
    index = (RUNBOOK_FOLDER / "README.md").read_text(encoding="utf-8")
    for page in pages:
        text = (RUNBOOK_FOLDER / f"{page}.md").read_text(encoding="utf-8")
        assert f"({page}.md)" in index
        assert "**Seen.**" in text
        assert "**Done when**" in text


def test_a_newcomer_reads_when_the_images_are_built() -> None:
    """What says so, and what it says is so: the run that applies a stack calls the workflow of the images."""
    for path, words in (
        ("README.md", r"images\s+that jobs run in are built by `infra-deploy`"),
        ("src/mlops/onboarding/README.md", r"`infra-deploy` applies the stack and then builds the images"),
        ("src/mlops/onboarding/runbooks/preview.md", r"gh workflow run images\.yml"),
        ("pipelines/environments/README.md", r"The workflow \[`images`\]"),
        (".github/workflows/README.md", r"^\| `images` \|"),
    ):
        assert re.search(words, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), path
    deploys = (ROOT / ".github/workflows/infra-deploy.yml").read_text(encoding="utf-8")
    for environment in ("dev", "staging", "prod"):
        assert f"needs: [changes, {environment}]" in deploys
    assert deploys.count("uses: ./.github/workflows/images.yml") == 3


ARTICLE = (ROOT / "src/mlops/onboarding/mlops-v2-article.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\| \*\*(\d+)\. .*$", ARTICLE, re.MULTILINE)
NAMED = re.findall(r"`((?:src|infra|pipelines|environments|tests|\.github)/[^`\s]+)`", ARTICLE)


def test_the_article_has_ten_steps_each_with_a_file_and_a_test() -> None:
    assert [str(number) for number in range(1, 11)] == STEPS
    for row in re.findall(r"^\| \*\*\d+\. .*$", ARTICLE, re.MULTILINE):
        _, files_of_row, tests_of_row = row.strip("| ").split(" | ")
        assert re.search(r"`(src|infra|pipelines|environments|\.github)/", files_of_row), row
        assert "`tests/" in tests_of_row, row


@pytest.mark.parametrize("named", NAMED)
def test_what_the_article_page_names_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    assert (ROOT / path).exists()
    if test:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_path_to_the_first_pull_request_has_six_commands() -> None:
    """From the clone on, one line a command; both places that show it show the same."""
    path = [one for one in BLOCKS if "gh pr create" in one.text and one.path.name == "README.md"]
    assert {one.path.parent for one in path} == {ROOT, ROOT / "src/mlops/onboarding"}
    commands = [list(one.commands()) for one in path]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 6

"""Checkov on the templates of the stacks that must pass every policy."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from infra.arm import to_template
from mlops.settings import ROOT
from tests.infra.stacks.conftest import MANDATORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.stacks.conftest import Graph

EXCEPTIONS: list[dict[str, Any]] = yaml.safe_load((ROOT / "infra" / "policy" / "checkov.yaml").read_text())
CHECKOV = ROOT / ".venv-scanning" / "bin" / "checkov"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def found(graphs: dict[str, Graph], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run Checkov once over the templates, offline; it is never skipped."""
    folder: Path = tmp_path_factory.mktemp("checkov")
    for stack in MANDATORY:
        template = folder / "templates" / f"{stack}.json"
        template.parent.mkdir(exist_ok=True)
        template.write_text(json.dumps(to_template(graphs[stack].result.resources), indent=1))
    assert CHECKOV.is_file(), "set it up: make .venv-scanning/.ready (make test does)"
    command = [str(CHECKOV), "--directory", "templates", "--framework", "arm", "--output", "json"]
    done = subprocess.run(
        [*command, "--skip-download", "--compact"],
        cwd=folder,
        # No token and no configuration of whoever runs the tests.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    # 1: it found something, which is for the tests to judge.
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_checkov_read_every_template_and_had_something_to_say(found: dict[str, Any]) -> None:
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["skipped"] == 0
    passed = {
        (item["check_id"], item["resource"])
        for item in found["results"]["passed_checks"]
        if item["file_path"] == "/prod.json"
    }
    assert len({check for check, _ in passed}) >= 20
    assert len(passed) >= 35


def test_nothing_fails_but_what_is_excepted_by_name(found: dict[str, Any]) -> None:
    failed = {
        (
            item["check_id"],
            item["file_path"].strip("/").removesuffix(".json"),
            item["resource"].rpartition(".")[0],  # without the name
        )
        for item in found["results"]["failed_checks"]
    }
    excepted = {
        (item["check"], stack, one)
        for item in EXCEPTIONS
        for stack in item["stacks"]
        for one in item["types"]
    }
    assert failed - excepted == set(), "neither mended nor excepted"
    assert excepted - failed == set(), "excepted, and not found any more"


def test_every_exception_is_explained_once() -> None:
    names = [item["check"] for item in EXCEPTIONS]
    assert len(names) == len(set(names))
    for item in EXCEPTIONS:
        assert set(item) == {"check", "about", "types", "stacks", "reason"}
        assert set(item["stacks"]) <= set(MANDATORY)
        assert len(item["reason"].split()) >= 8

"""Everything that is asked of `.github/` without running it; each question answers with findings."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.workflows.definitions import load, steps_of
from tests.workflows.node_service import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.workflows.node_service import NodeService

__all__ = ["findings"]

TOOLS = Path(sys.executable).parent
_SCHEMAS = (
    ("vendor.github-workflows", "workflows/*.yml"),
    ("custom.github-workflows-require-timeout", "workflows/*.yml"),
    ("vendor.github-actions", "actions/*/action.yml"),
    ("vendor.dependabot", "dependabot.yml"),
    ("vendor.github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
    ("vendor.github-issue-config", "ISSUE_TEMPLATE/config.yml"),
)
# GitHub's validator does not know this event's payload; GitHub's documentation does.
_KNOWN_CONTEXT = "Context access might be invalid: merge_group"


def findings(root: Path, node: NodeService, only: str | None = None) -> list[str]:
    """Return everything that the validators find in ``root/.github``.

    Parameters
    ----------
    only
        One file below ``.github``, whose own findings are asked for; all files otherwise.
    """
    folder = root / ".github"
    files = [folder / only] if only else sorted(path for path in folder.rglob("*.yml") if path.is_file())
    found = [*_yamllint(files, folder), *_schemas(folder, files)]
    if any(" yamllint: syntax error" in one for one in found):
        return found
    definitions = [path for path in files if path.parent.name == "workflows" or path.name == "action.yml"]
    found += [*_shellcheck(definitions, folder), *_zizmor(definitions or [folder], folder)]
    found += _validator(folder, [path for path in definitions if path.name != "action.yml"], node)
    return found


def _yamllint(files: Sequence[Path], folder: Path) -> Iterator[str]:
    config = YamlLintConfig(file=str(ROOT / ".yamllint.yaml"))
    for path in files:
        if path.suffix == ".yml":
            for problem in linter.run(path.read_text(encoding="utf-8"), config):
                yield f"{path.relative_to(folder)}:{problem.line}: yamllint: {problem.message}"


def _schemas(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    from check_jsonschema import main

    for schema, pattern in _SCHEMAS:
        fitting = [str(path) for path in folder.glob(pattern) if path in files]
        said = io.StringIO()
        if not fitting:
            continue
        with redirect_stdout(said), redirect_stderr(said):
            code = main(["--builtin-schema", schema, "-o", "json", *fitting], standalone_mode=False)
        if code:
            yield f"{schema}: check-jsonschema: {said.getvalue()[:1500]}"


def _shellcheck(files: Sequence[Path], folder: Path) -> Iterator[str]:
    """Check every script in one go: one file each, so that line numbers are the step's own."""
    scripts = [
        (path, job, step["run"]) for path in files for job, step in steps_of(load(path)) if "run" in step
    ]
    for path, job, script in scripts:
        yield from (f"{path.relative_to(folder)}: {job}: shellcheck: {one}" for one in _shellchecked(script))


@cache
def _shellchecked(script: str) -> tuple[str, ...]:
    done = subprocess.run(
        [str(TOOLS / "shellcheck"), "--shell", "bash", "--format", "json", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(f"line {one['line']}: SC{one['code']} {one['message']}" for one in json.loads(done.stdout))


def _zizmor(paths: Sequence[Path], folder: Path) -> Iterator[str]:
    options = [
        "--offline",
        "--quiet",
        "--no-progress",
        "--format",
        "json",
        "--config",
        str(folder / "zizmor.yml"),
    ]
    done = subprocess.run(
        [str(TOOLS / "zizmor"), *options, *map(str, paths)], capture_output=True, text=True, check=False
    )
    if not done.stdout.strip():
        yield f"zizmor: {done.stderr.strip()[:500]}"
        return
    for one in json.loads(done.stdout):
        yield f"zizmor: {one['ident']}: {one['desc']}"


@cache
def _actions() -> dict[str, Any]:
    """Return the inputs and outputs of the actions that may be used."""
    content: dict[str, Any] = yaml.safe_load(
        (ROOT / "tests/workflows/actions.yaml").read_text(encoding="utf-8")
    )
    return {name: {"name": name, **one} for name, one in content.items()}


def _validator(folder: Path, files: Sequence[Path], node: NodeService) -> Iterator[str]:
    """Ask GitHub's own validator: expressions, inputs of actions, contracts of called workflows."""
    contents = {
        f".github/{path.relative_to(folder).as_posix()}": path.read_text(encoding="utf-8")
        for path in folder.rglob("*.yml")
    }
    local = {name: yaml.safe_load(text) for name, text in contents.items() if name.endswith("/action.yml")}
    for path in files:
        name = f".github/{path.relative_to(folder).as_posix()}"
        for line, message, _ in node.validate(name, contents, _actions()):
            if message != _KNOWN_CONTEXT:
                yield f"{path.name}:{line}: github: {re.sub(r'@[0-9a-f]{40}', '', message)}"
        for job, step in steps_of(load(path)):
            yield from (f"{path.name}: {job}: {one}" for one in _local_inputs(step, local))


def _local_inputs(step: dict[str, Any], actions: dict[str, Any]) -> Iterator[str]:
    uses = str(step.get("uses", ""))
    if not uses.startswith("./"):
        return
    action = actions.get(f"{uses.removeprefix('./')}/action.yml")
    if action is None:
        yield f"there is no action {uses}"
        return
    for name in set(step.get("with") or {}) - set(action.get("inputs") or {}):
        yield f"{uses} takes no input {name}"

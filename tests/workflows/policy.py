"""What this repository asks of its workflows, and no linter does."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from mlops.cli.application import application
from tests.workflows.definitions import load, steps_of, triggers_of
from tests.workflows.simulation.expressions import STATUS_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["policy_findings"]

_PIN = re.compile(
    r"^\s*-?\s*uses: (?P<action>[\w./-]+)@(?P<commit>\S+?)(?:\s+# (?P<version>\S+))?\s*$", re.MULTILINE
)
_DEPLOYS = re.compile(r"mlops (ci (apply|push-images)|deploy|rollback|register)\b")
_LOOKS = re.compile(r"mlops ci (plan|images)\b")
_SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
_DANGEROUS_TRIGGERS = {"pull_request_target", "workflow_run", "issue_comment"}

Workflows = dict[str, dict[str, Any]]


def policy_findings(root: Path) -> list[str]:
    """Return every breach of this repository's rules in ``root/.github``."""
    folder = root / ".github"
    workflows = {path.stem: load(path) for path in sorted((folder / "workflows").glob("*.yml"))}
    found = [*_pins(folder), *_owners(folder), *_dependabot(folder), *_gates(folder, workflows)]
    for name, workflow in workflows.items():
        found += [f"{name}: {one}" for one in (*_whole(workflow), *_calls(workflow, workflows))]
        for job_name, job in workflow["jobs"].items():
            found += [f"{name}/{job_name}: {one}" for one in _job(workflow, job)]
    for path in sorted((folder / "actions").glob("*/action.yml")):
        found += [f"{path.parent.name}: {one}" for _, step in steps_of(load(path)) for one in _step(step)]
    return found


def _whole(workflow: dict[str, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "the workflow itself has permissions; jobs name their own"
    if (workflow.get("defaults") or {}).get("run", {}).get("shell") != "bash":
        yield "no default shell, so that a failure in a pipe goes unnoticed"
    dangerous = _DANGEROUS_TRIGGERS & set(triggers_of(workflow))
    if dangerous:
        yield f"{', '.join(dangerous)} runs with rights on what strangers wrote"
    cancels = (workflow.get("concurrency") or {}).get("cancel-in-progress")
    if cancels not in (None, False) and any(
        _DEPLOYS.search(str(step.get("run"))) for _, step in steps_of(workflow)
    ):
        yield "a newer run cancels a deployment"


def _job(workflow: dict[str, Any], job: dict[str, Any]) -> Iterator[str]:
    permissions = job.get("permissions")
    if not isinstance(permissions, dict):
        yield "permissions are not named one by one"
        permissions = {}
    called = "workflow_call" in triggers_of(workflow)
    if called and not STATUS_FUNCTION.search(str(job.get("if", ""))):
        yield "a called job whose condition names no status is skipped with what its caller skipped"
    writes = {scope for scope, level in permissions.items() if level == "write"}
    if "pull_request" in triggers_of(workflow) and writes and _SAME_REPOSITORY not in str(job.get("if", "")):
        yield f"{', '.join(sorted(writes))}: write on a pull request that may be a fork's"
    if "secrets" in job:
        yield "hands secrets on"
    if "uses" in job:
        return
    if not str(job.get("runs-on", "")).startswith(("ubuntu-24.04", "${{")):
        yield f"runs on {job.get('runs-on')}, which changes under it"
    yield from _signing_in(job, permissions)
    for step in job["steps"]:
        yield from _step(step)


def _signing_in(job: dict[str, Any], permissions: dict[str, str]) -> Iterator[str]:
    """An identity comes with an environment; what deploys is neither cancelled nor run twice at once."""
    uses = [str(step.get("uses", "")).partition("@")[0] for step in job["steps"]]
    environment = str(job.get("environment") or "")
    if "azure/login" in uses and not environment:
        yield "signs in to Azure without an environment"
    if ("azure/login" in uses) != (permissions.get("id-token") == "write") and "actions/attest" not in uses:
        yield "asks for an identity that it does not use, or the other way round"
    scripts = " ".join(str(step.get("run", "")) for step in job["steps"])
    if _LOOKS.search(scripts) and not environment.endswith("-plan"):
        yield "looks as an identity that may deploy"
    if "contents" in {scope for scope, level in permissions.items() if level == "write"} and environment:
        yield "writes to the repository as an identity of Azure: two jobs, or one that is taken over has both"
    if _DEPLOYS.search(scripts):
        concurrency = job.get("concurrency") or {}
        if concurrency.get("cancel-in-progress") is not False or not re.search(
            r"(inputs|matrix)\.", str(concurrency.get("group"))
        ):
            yield "deploys without waiting for its like, or can be cancelled"


def _step(step: dict[str, Any]) -> Iterator[str]:
    action = str(step.get("uses", "")).partition("@")[0]
    if action == "actions/checkout" and (step.get("with") or {}).get("persist-credentials") is not False:
        yield "the checkout leaves its token behind"
    if "secrets." in json.dumps(step):
        yield "uses a stored secret"
    script = str(step.get("run", ""))
    if "${{" in script:
        yield "puts a value into a script instead of its environment"
    for line in script.splitlines():
        if re.search(r"&&|\|\|", line) and not re.match(r"\s*(if|elif|while|until)\b", line):
            yield f"a failure before && or || does not stop the script: {line.strip()}"
        if re.search(r"\b(pulumi|az) ", line):
            yield f"logic that no test of the command line sees: {line.strip()}"
    yield from _commands(script)


@cache
def _command_line() -> Any:
    return typer.main.get_command(application())


def _commands(script: str) -> Iterator[str]:
    tree = _command_line()
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if ".venv/bin/mlops" not in words:
            continue
        command, rest = tree, words[words.index(".venv/bin/mlops") + 1 :]
        while hasattr(command, "commands") and rest:
            name, *rest = rest
            if name not in command.commands:
                yield f"there is no command {name}: {line.strip()}"
                return
            command = command.commands[name]
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        yield from (
            f"no option {word}: {line.strip()}" for word in rest if word[:2] == "--" and word not in options
        )


def _calls(workflow: dict[str, Any], workflows: Workflows) -> Iterator[str]:
    """A called workflow gets every right that its jobs name, or GitHub does not start the run."""
    levels = ("none", "read", "write")
    for name, job in workflow["jobs"].items():
        if "uses" not in job:
            continue
        given = job.get("permissions") or {}
        for inner, called in workflows[job["uses"].rpartition("/")[2].removesuffix(".yml")]["jobs"].items():
            for scope, level in (called.get("permissions") or {}).items():
                if levels.index(level) > levels.index(given.get(scope, "none")):
                    yield f"{name} does not give {inner} the right {scope}: {level}"


def _pins(folder: Path) -> Iterator[str]:
    versions: dict[str, set[tuple[str, str | None]]] = {}
    for path in sorted(folder.rglob("*.yml")):
        for found in _PIN.finditer(path.read_text(encoding="utf-8")):
            action, commit, version = found["action"], found["commit"], found["version"]
            versions.setdefault(action, set()).add((commit, version))
            if not re.fullmatch(r"[0-9a-f]{40}", commit) or not re.fullmatch(
                r"v\d+\.\d+\.\d+", version or ""
            ):
                yield f"{path.name}: {action} is not pinned to a commit with its version beside it"
    for action, pins in versions.items():
        if len(pins) > 1:
            yield f"{action} is pinned to {len(pins)} different releases"


def _gates(folder: Path, workflows: Workflows) -> Iterator[str]:
    """Each gate needs every job that judges, runs on every pull request, and is what the ruleset requires."""
    ruleset = json.loads((folder / "rulesets" / "main.json").read_text(encoding="utf-8"))
    checks = next(rule for rule in ruleset["rules"] if rule["type"] == "required_status_checks")["parameters"]
    required = {one["context"] for one in checks["required_status_checks"]}
    names = set()
    for name, workflow in workflows.items():
        gate = workflow["jobs"].get("gate")
        if gate is None:
            continue
        names.add(gate.get("name", "gate"))
        judging = set(workflow["jobs"]) - {"gate", "comment"}
        if set(gate["needs"]) != judging:
            yield f"{name}: the gate does not need {', '.join(judging - set(gate['needs']))}"
        if gate.get("if") != "always()":
            yield f"{name}: a gate that is skipped counts as passed"
        for event in ("pull_request", "merge_group"):
            filters = triggers_of(workflow).get(event)
            if filters is None or {"paths", "paths-ignore", "branches"} & set(filters):
                yield f"{name}: on {event} the gate may never report, and the pull request waits for ever"
    if names != required:
        yield f"the ruleset requires {sorted(required)}, the gates are called {sorted(names)}"


def _owners(folder: Path) -> Iterator[str]:
    owned = {
        line.split()[0]
        for line in (folder / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#") and len(line.split()) > 1
    }
    for path in (
        "/.github/",
        "/infra/",
        "/environments/prod.yaml",
        "/environments/access.yaml",
        "/environments/releases/",
    ):
        if path not in owned:
            yield f"nobody owns {path}"


def _dependabot(folder: Path) -> Iterator[str]:
    for update in load(folder / "dependabot.yml")["updates"]:
        if (update.get("cooldown") or {}).get("default-days", 0) < 7:
            yield f"dependabot: {update['package-ecosystem']} takes a release on its first day"

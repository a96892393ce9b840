"""What the actions that workflows use do, as far as other steps can notice it."""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tests.workflows.simulation.scenario import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.workflows.simulation.machine import Machine

__all__ = ["federated_subject", "run_action"]

_WITHOUT_EFFECT = {
    "actions/attest",
    "actions/checkout",
    "actions/dependency-review-action",
    "actions/setup-python",
    "pulumi/actions",
}


def federated_subject(client: str) -> str | None:
    """Return the subject that may become an identity, as `infra/bootstrap` declares it."""
    who, _, stack = client.partition("-")
    environment = {"deploy": stack, "plan": f"{stack}-plan"}.get(who)
    return f"repo:{REPOSITORY}:environment:{environment}" if environment else None


def run_action(
    name: str,
    inputs: Mapping[str, str],
    machine: Machine,
    *,
    environment: str | None,
    permissions: Mapping[str, str],
) -> tuple[bool, str]:
    """Do what an action does; return whether it succeeded, and what it said or, of a login, as whom."""
    if name in _WITHOUT_EFFECT:
        return True, ""
    if name == "actions/upload-artifact":
        return _upload(inputs, machine)
    if name == "actions/download-artifact":
        return _download(inputs, machine)
    if name == "azure/login":
        return _login(inputs, environment, permissions)
    raise AssertionError(f"the simulation does not know the action {name}")


def _upload(inputs: Mapping[str, str], machine: Machine) -> tuple[bool, str]:
    source, name = machine.workspace / inputs["path"], inputs["name"]
    files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else []
    if not files:
        return inputs.get("if-no-files-found", "warn") != "error", "no files were found"
    if name in machine.artifacts:
        return False, f"an artifact {name} exists already"
    target = machine.folder / "artifacts" / name
    shutil.copytree(source, target)
    machine.artifacts[name] = target
    # The next job starts with a fresh checkout.
    shutil.rmtree(source)
    return True, ""


def _download(inputs: Mapping[str, str], machine: Machine) -> tuple[bool, str]:
    target = machine.workspace / inputs.get("path", ".")
    if "name" in inputs:
        if inputs["name"] not in machine.artifacts:
            return False, f"Artifact not found for name: {inputs['name']}"
        shutil.copytree(machine.artifacts[inputs["name"]], target, dirs_exist_ok=True)
        return True, ""
    shutil.rmtree(target, ignore_errors=True)
    for name, folder in machine.artifacts.items():
        if fnmatchcase(name, inputs["pattern"]):
            shutil.copytree(folder, target / name, dirs_exist_ok=True)
    return True, ""


def _login(
    inputs: Mapping[str, str], environment: str | None, permissions: Mapping[str, str]
) -> tuple[bool, str]:
    if permissions.get("id-token") != "write":
        return False, "Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable"
    missing = [name for name in ("client-id", "tenant-id", "subscription-id") if not inputs.get(name)]
    if missing:
        return False, f"Using OIDC auth requires {', '.join(missing)}"
    subject = f"repo:{REPOSITORY}:environment:{environment}" if environment else f"repo:{REPOSITORY}:ref:…"
    if federated_subject(inputs["client-id"]) != subject:
        return False, f"AADSTS700213: No matching federated identity record found for '{subject}'"
    return True, inputs["client-id"]

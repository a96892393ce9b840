"""What continuous delivery needs at GitHub: environments, their variables, and the rules of branches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import SettingsError
from mlops.onboarding.comparison import differences
from mlops.onboarding.operation import LATER, Operation
from mlops.onboarding.reviews import fitted, writers
from mlops.rest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlops.github import GitHub
    from mlops.onboarding.operation import Report

__all__ = [
    "CLOUD_STACKS",
    "PLAN_SUFFIX",
    "VARIABLES",
    "DeliveryEnvironment",
    "GitHubConvergence",
    "read_rulesets",
    "reason_of_plan",
]

PLAN_SUFFIX: Final = "-plan"
"""What the environment that only looks is called after: ``prod`` deploys, ``prod-plan`` previews."""

CLOUD_STACKS: Final = "CLOUD_STACKS"
"""The repository's variable that lists the stacks whose state there is."""

VARIABLES: Final = (
    "AZURE_CLIENT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID",
    "PULUMI_BACKEND_URL",
)
"""The variables of each environment; all of them are ids and addresses, none is a secret."""

# What GitHub answers where a plan does not include a feature for private repositories.
_NOT_IN_PLAN: Final = ("upgrade to", "not available", "billing plan", "failed to create the environment")


@dataclass(frozen=True, slots=True)
class DeliveryEnvironment:
    """One environment of the repository.

    Parameters
    ----------
    branch
        The only branch whose runs may use it; None admits pull requests, for an identity that only reads.
    reviewers
        Who must approve a run: pairs of ``User`` or ``Team`` and an id. Reviewers that are already
        there stay.
    """

    name: str
    variables: Mapping[str, str]
    branch: str | None
    reviewers: tuple[tuple[str, int], ...] = ()


def read_rulesets(folder: Path) -> list[dict[str, Any]]:
    """Read the rules of branches and tags that the repository keeps as JSON, in GitHub's own form.

    Raises
    ------
    SettingsError
        A file is not a ruleset.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            ruleset = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SettingsError("The file is not JSON.", where=str(path), got=error) from error
        if not isinstance(ruleset, dict) or not {"name", "target", "rules"} <= set(ruleset):
            raise SettingsError(
                "The file is not a ruleset.",
                where=str(path),
                expected="an object with name, target, enforcement, conditions and rules",
            )
        found.append(ruleset)
    return found


@dataclass(slots=True)
class GitHubConvergence:
    """One pass over what GitHub should have; see :class:`~mlops.onboarding.converge.AzureConvergence`."""

    github: GitHub
    write: bool
    report: Report

    def create(
        self, environments: Sequence[DeliveryEnvironment], rulesets: Sequence[Mapping[str, Any]]
    ) -> list[Operation]:
        """Create what is missing and change what differs."""
        found = []
        for environment in environments:
            found += self._environment(environment)
        return found + self._rulesets(rulesets)

    def list_stacks(self, stacks: Sequence[str]) -> list[Operation]:
        """Tell the workflows which stacks they can preview and deploy; the others they only render."""
        path = self.github.path("actions", "variables")
        found = self.github.get(f"{path}/{CLOUD_STACKS}")
        present = None if found is None else str(found["value"])
        value = json.dumps(list(stacks)) if stacks else None
        label = f"variable {CLOUD_STACKS}"
        if present == value:
            return [self._done(Operation("same", label))] if present else []
        if present is None:
            operation = Operation("create", label, f"POST {path}", value or "")
        elif value is None:
            operation = Operation("delete", label, f"DELETE {path}/{CLOUD_STACKS}", present)
        else:
            operation = Operation("update", label, f"PATCH {path}/{CLOUD_STACKS}", f"{present} → {value}")
        method, _, target = operation.call.partition(" ")
        body = None if value is None else {"name": CLOUD_STACKS, "value": value}
        return [self._done(self._sent(operation, method, target, body))]

    def delete(self, names: Sequence[str]) -> list[Operation]:
        """Delete environments with their variables; the rules of branches stay."""
        found = []
        for name in names:
            path = self.github.path("environments", name)
            if self.github.get(path) is None:
                found.append(self._done(Operation("same", f"environment {name}", detail="is not there")))
                continue
            if self.write:
                self.github.send("DELETE", path)
            found.append(self._done(Operation("delete", f"environment {name}", f"DELETE {path}")))
        return found

    def _environment(self, wanted: DeliveryEnvironment) -> list[Operation]:
        path = self.github.path("environments", wanted.name)
        present = self.github.get(path)
        operations = [self._shell(wanted, path, present)]
        if operations[0].action == "unavailable":
            return operations
        if wanted.branch is not None:
            operations.append(self._branch(wanted, path, exists=present is not None))
        kept = self._variables(path) if present is not None else {}
        operations += [
            self._variable(wanted.name, path, name, value, kept.get(name))
            for name, value in sorted(wanted.variables.items())
        ]
        return operations

    def _shell(self, wanted: DeliveryEnvironment, path: str, present: Any) -> Operation:
        label, call = f"environment {wanted.name}", f"PUT {path}"
        policy = None
        if wanted.branch is not None:
            policy = {"protected_branches": False, "custom_branch_policies": True}
        there = _protection(present or {})
        reviewers = sorted({*there["reviewers"], *wanted.reviewers})
        body = {
            "wait_timer": there["wait_timer"],
            "prevent_self_review": there["prevent_self_review"],
            "reviewers": [{"type": kind, "id": number} for kind, number in reviewers] or None,
            "deployment_branch_policy": policy,
        }
        changed = [
            name
            for name, same in (
                ("reviewers", reviewers == there["reviewers"]),
                ("deployment_branch_policy", (present or {}).get("deployment_branch_policy") == policy),
            )
            if not same
        ]
        if present is not None and not changed:
            return self._done(Operation("same", label))
        action = Operation("create" if present is None else "update", label, call, ", ".join(changed))
        sent = self._sent(action, "PUT", path, body)
        if sent.action == "unavailable" and wanted.reviewers:
            # Private repositories have environments on more plans than they have reviewers.
            self._done(Operation("unavailable", f"{label}: reviewers", call, sent.detail))
            sent = self._sent(action, "PUT", path, body | {"reviewers": None})
        return self._done(sent)

    def _branch(self, wanted: DeliveryEnvironment, path: str, *, exists: bool) -> Operation:
        path = f"{path}/deployment-branch-policies"
        label = f"environment {wanted.name}: branch {wanted.branch}"
        answer = (self.github.get(path) or {}) if exists else {}
        if wanted.branch in {one["name"] for one in answer.get("branch_policies", [])}:
            return self._done(Operation("same", label))
        operation = Operation("create", label, f"POST {path}")
        return self._done(self._sent(operation, "POST", path, {"name": wanted.branch}))

    def _variables(self, path: str) -> dict[str, str]:
        return {one["name"]: one["value"] for one in self.github.list(f"{path}/variables", "variables")}

    def _variable(self, environment: str, path: str, name: str, value: str, present: str | None) -> Operation:
        label = f"environment {environment}: {name}"
        if present == value:
            return self._done(Operation("same", label))
        path = f"{path}/variables"
        if present is None:
            operation = Operation("create", label, f"POST {path}", value)
        else:
            operation = Operation("update", label, f"PATCH {path}/{name}", f"{present} → {value}")
        if self.write and value == LATER:
            raise AssertionError(f"{name} has no value to write")
        method, _, target = operation.call.partition(" ")
        return self._done(self._sent(operation, method, target, {"name": name, "value": value}))

    def _rulesets(self, wanted: Sequence[Mapping[str, Any]]) -> list[Operation]:
        if not wanted:
            return []
        path = self.github.path("rulesets")
        try:
            present = {one["name"]: one["id"] for one in self.github.list(path)}
        except RefusedError as refusal:
            reason = reason_of_plan(refusal)
            if reason is None:
                raise
            return [self._done(Operation("unavailable", "rulesets", detail=reason))]
        alone = len(writers(self.github)) < 2
        return [
            self._ruleset(one, fitted(one, alone=alone), path, present.get(one["name"])) for one in wanted
        ]

    def _ruleset(
        self, declared: Mapping[str, Any], wanted: dict[str, Any], path: str, number: int | None
    ) -> Operation:
        label = f"ruleset {wanted['name']}"
        reason = [] if wanted == declared else ["no approval is asked for: one person alone may write"]
        if number is None:
            operation = Operation("create", label, f"POST {path}", ", ".join(reason))
            return self._done(self._sent(operation, "POST", path, wanted))
        path = f"{path}/{number}"
        changed = differences(wanted, self.github.get(path))
        if not changed:
            return self._done(Operation("same", label))
        operation = Operation("update", label, f"PUT {path}", ", ".join([*changed, *reason]))
        return self._done(self._sent(operation, "PUT", path, wanted))

    def _sent(self, operation: Operation, method: str, path: str, body: Any) -> Operation:
        """Send the request when writing; what the plan does not offer is said instead of failing."""
        if self.write:
            try:
                self.github.send(method, path, body=body)
            except RefusedError as refusal:
                reason = reason_of_plan(refusal)
                if reason is None:
                    raise
                return Operation("unavailable", operation.what, operation.call, reason)
        return operation

    def _done(self, operation: Operation) -> Operation:
        self.report(operation)
        return operation


def _protection(present: Mapping[str, Any]) -> dict[str, Any]:
    rules = {rule["type"]: rule for rule in present.get("protection_rules", [])}
    required = rules.get("required_reviewers", {})
    return {
        "wait_timer": rules.get("wait_timer", {}).get("wait_timer", 0),
        "prevent_self_review": required.get("prevent_self_review", False),
        "reviewers": sorted((one["type"], one["reviewer"]["id"]) for one in required.get("reviewers", [])),
    }


def reason_of_plan(refusal: RefusedError) -> str | None:
    """Return what GitHub says where a feature needs another plan; None for any other refusal."""
    text = str(refusal.got)
    if refusal.status in {403, 404, 422} and any(words in text.lower() for words in _NOT_IN_PLAN):
        return text
    return None

"""Checks of what bootstrap makes: the very comparison that it would act on, without acting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.onboarding.bootstrap import create

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.github import GitHub
    from mlops.onboarding.azure import Azure
    from mlops.onboarding.bootstrap import Prerequisites
    from mlops.onboarding.doctor.report import Findings
    from mlops.onboarding.operation import Operation

__all__ = ["check_delivery"]

# What is told together, by how the operation's name begins.
_KINDS: Final = {
    "provider": "resource providers",
    "resourceGroups": "resource groups",
    "userAssignedIdentities": "identities",
    "federatedIdentityCredentials": "federated credentials",
    "roleAssignments": "role assignments",
    "environment": "GitHub's environments and variables",
    "variable": "GitHub's environments and variables",
    "ruleset": "rulesets",
    "rulesets": "rulesets",
}
_STATE: Final = "state store and key"


def check_delivery(
    findings: Findings, wanted: Prerequisites, azure: Azure, github: GitHub, *, contract: Mapping[str, Any]
) -> None:
    """Check that everything that a pipeline needs is there and as it was declared.

    Parameters
    ----------
    contract
        The output of the stack `bootstrap`: where the state is, and which key its secrets have.
    """
    with findings.about("bootstrap", "what bootstrap makes"):
        found: dict[str, list[Operation]] = {}
        for one in create(wanted, azure, github, write=False, report=lambda _: None):
            found.setdefault(_KINDS.get(one.what.partition(" ")[0], _STATE), []).append(one)
        for kind, operations in found.items():
            _judge(findings, kind, operations, wanted.environment)
    _check_stacks(findings, wanted, contract)


def _check_stacks(findings: Findings, wanted: Prerequisites, contract: Mapping[str, Any]) -> None:
    """Check that the stacks are in the state store; until then, pull requests show the offline preview.

    A person initialises a stack, and the key goes into its file, which is committed: no workflow needs it.
    """
    backend, provider = contract["backendUrl"], contract["secretsProvider"]
    for stack, folder in (("shared", "infra/platform"), (wanted.environment, "infra/workload")):
        there = stack in wanted.stacks
        login = f"pulumi login '{backend}'"
        fix = f"{login} && pulumi stack init {stack} --cwd {folder} --secrets-provider '{provider}'"
        found = "in the state store" if there else "not in the state store: workflows only render it"
        findings.judge(f"stack {stack}", there, found, fix, warn=True)


def _judge(findings: Findings, kind: str, operations: list[Operation], environment: str) -> None:
    missing = [one.what.partition(" ")[2] for one in operations if one.action == "create"]
    differing = [
        f"{one.what.partition(' ')[2]} ({one.detail})"
        for one in operations
        if one.action in {"update", "replace"}
    ]
    unavailable = [one.detail for one in operations if one.action == "unavailable"]
    fix = f"mlops bootstrap {environment} --apply"
    if any("location" in one.detail.split(", ") for one in operations if one.action == "update"):
        fix = "nothing moves to another region: mlops init --location THERE, or delete what is there"
    if missing or differing:
        parts = [f"{len(missing)} of {len(operations)} missing ({_some(missing)})"] if missing else []
        parts += [f"differs: {_some(differing)}"] if differing else []
        findings.failed(kind, "; ".join(parts), fix)
    elif unavailable:
        findings.warned(kind, unavailable[0], "upgrade the plan, or review pull requests with more care")
    else:
        findings.passed(kind, str(len(operations)))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown}, …" if len(names) > 3 else shown

"""Checks of roles, tags, identities of workflows, protection, locks and cost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from infra.mlops_infra.tags import TAGGED
from infra.policy.check import ResourceCheck, StackCheck, Subject, at, requires

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CHECKS", "DATA", "STACK_CHECKS"]

_ROLE: Final = ("authorization:RoleAssignment",)
_FEDERATED: Final = ("managedidentity:FederatedIdentityCredential",)
_BUDGET: Final = ("consumption:Budget", "costmanagement:Budget")
# Owner, and the two that can make themselves Owner.
_TOO_MUCH: Final = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}
_RBAC_ADMINISTRATOR: Final = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
_TAGS: Final = ("project", "environment", "owner")
# What holds data or cannot be made again with the same content.
DATA: Final = (
    "containerregistry:Registry",
    "keyvault:Vault",
    "machinelearningservices:Registry",
    "machinelearningservices:Workspace",
    "operationalinsights:Workspace",
    "storage:BlobContainer",
    "storage:StorageAccount",
)
_GITHUB: Final = "https://token.actions.githubusercontent.com"
# repo:<owner>/<name> or, with immutable subjects, repo:<owner>@<id>/<name>@<id>; then what it is bound to.
_SUBJECT: Final = re.compile(
    r"repo:[\w.-]+(@\d+)?/[\w.-]+(@\d+)?:(environment:[\w.-]+|ref:refs/heads/[\w./-]+)"
)


def _privileges(subject: Subject) -> Iterator[str]:
    role = str(at(subject.props, "roleDefinitionId") or "").rpartition("/")[2].casefold()
    if role in _TOO_MUCH:
        yield f"it grants {_TOO_MUCH[role]}, which can grant everything else"
    if role == _RBAC_ADMINISTRATOR and not at(subject.props, "condition"):
        yield "it grants Role Based Access Control Administrator without a condition"


def _principal_type(subject: Subject) -> Iterator[str]:
    if not at(subject.props, "principalType"):
        yield "principalType is not set: an identity that was just made is not found yet"


def _tags(subject: Subject) -> Iterator[str]:
    tags = at(subject.props, "tags") or {}
    missing = [name for name in _TAGS if not tags.get(name)]
    if missing:
        yield f"the tags {', '.join(missing)} are missing"


def _federation(subject: Subject) -> Iterator[str]:
    if at(subject.props, "issuer") != _GITHUB:
        yield f"issuer is {at(subject.props, 'issuer')}; it must be {_GITHUB}"
    text = str(at(subject.props, "subject") or "")
    if not _SUBJECT.fullmatch(text):
        yield f"subject {text!r} is not one repository with one environment or branch"
    if list(at(subject.props, "audiences") or ()) != ["api://AzureADTokenExchange"]:
        yield "audiences must be api://AzureADTokenExchange alone"


def _unprotected(subject: Subject) -> Iterator[str]:
    if not subject.protect:
        yield "Pulumi would delete or replace it: the option protect is off"


def _forecast(subject: Subject) -> Iterator[str]:
    notifications = at(subject.props, "notifications") or {}
    kinds = {at(notifications[name], "thresholdType") for name in notifications}
    if "Forecasted" not in kinds:
        yield "it only tells what was already spent: no notification of a forecast"


CHECKS: Final = (
    ResourceCheck(
        "access-no-owner",
        "No role that can grant itself everything is given.",
        "critical",
        "Choose a narrower role; role administration only with a condition.",
        "Azure security baseline PA-7; PSRule Azure.RBAC.UseRGDelegation",
        _ROLE,
        _privileges,
    ),
    ResourceCheck(
        "access-principal-type",
        "Role assignments say what kind of principal they are for.",
        "low",
        "Set principal_type.",
        "Azure RBAC: troubleshooting, new principals",
        _ROLE,
        _principal_type,
    ),
    ResourceCheck(
        "governance-tags",
        "Resources say whose they are.",
        "low",
        "Register the stack's tags: infra/mlops_infra/tags.py.",
        "PSRule Azure.Resource.UseTags; Cloud Adoption Framework: tagging",
        tuple(sorted(name.removeprefix("azure-native:") for name in TAGGED)),
        _tags,
    ),
    ResourceCheck(
        "identity-github-subject",
        "A workflow's identity is bound to one repository and one environment.",
        "critical",
        "Read the subject from GitHub; never write a wildcard.",
        "CKV_AZURE_249; GitHub: OpenID Connect with Azure",
        _FEDERATED,
        _federation,
    ),
    ResourceCheck(
        "governance-protect",
        "What holds data is protected from Pulumi itself.",
        "high",
        "Set the option protect.",
        "infra/README.md: deleting on purpose takes two deployments",
        DATA,
        _unprotected,
        "protected-data",
    ),
    ResourceCheck(
        "governance-policy-enforced",
        "Azure itself refuses what contradicts the baseline.",
        "medium",
        "Set enforcement_mode to Default.",
        "Azure Policy: enforcement mode",
        ("authorization:PolicyAssignment",),
        requires("enforcementMode", "Default", None),
        "enforced-policies",
    ),
    ResourceCheck(
        "cost-forecast",
        "A budget warns before the money is spent.",
        "medium",
        "Add a notification with the threshold type Forecasted.",
        "Azure Well-Architected Framework: cost optimization CO:04",
        _BUDGET,
        _forecast,
    ),
)


def _has_workspace(subjects: Sequence[Subject]) -> bool:
    return any(one.short_type == "machinelearningservices:Workspace" for one in subjects)


def _without_lock(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    locked = {
        urn
        for one in subjects
        if one.short_type.startswith("authorization:ManagementLock")
        for urn in (*one.by_property.get("scope", ()), *one.by_property.get("resourceGroupName", ()))
    }
    for one in subjects:
        if _has_workspace(subjects) and one.short_type in ("storage:StorageAccount", "keyvault:Vault"):
            groups = set(one.by_property.get("resourceGroupName", ()))
            if one.urn not in locked and not groups & locked:
                yield "anybody with the right can delete it in one step: it has no lock", one.urn


def _without_budget(subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
    if _has_workspace(subjects) and not any(one.short_type in _BUDGET for one in subjects):
        yield "the environment has no budget", ""


STACK_CHECKS: Final = (
    StackCheck(
        "governance-lock",
        "Deleting what holds data takes two deliberate steps.",
        "medium",
        "Add a ManagementLockByScope of the level CanNotDelete.",
        "PSRule Azure.RG.Lock; AVM locks",
        _without_lock,
        "delete-lock",
    ),
    StackCheck(
        "cost-budget",
        "Every environment has a budget.",
        "medium",
        "Add a Budget with a forecast notification.",
        "Azure Well-Architected Framework: cost optimization CO:04",
        _without_budget,
    ),
)

"""Checks of Azure: who is signed in, what that login may do, and what stands in the way."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import re
from typing import TYPE_CHECKING, Any, Final

from mlops.settings.machines import MACHINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops.onboarding.azure import Azure
    from mlops.onboarding.converge import Resource
    from mlops.onboarding.doctor.report import Findings
    from mlops.settings import Environment

__all__ = [
    "check_login",
    "check_names",
    "check_permissions",
    "check_policies",
    "check_quota",
    "check_subscription",
]

_SUBSCRIPTIONS_API: Final = "2022-12-01"
_PERMISSIONS_API: Final = "2022-04-01"
_POLICY_API: Final = "2023-03-01"
_USAGES_API: Final = "2025-12-01"
_GROUP: Final = "Microsoft.Resources/resourceGroups"
_VAULT: Final = "Microsoft.KeyVault/vaults"
# Whose names are global: each has a call that says whether one is free.
_GLOBAL: Final = ("Microsoft.Storage/storageAccounts", _VAULT, "Microsoft.ContainerRegistry/registries")
_MAY_REGISTER: Final = "Microsoft.Storage/register/action"
# What companies' policies tend to forbid; one call each.
_GOVERNED: Final = (*_GLOBAL, "Microsoft.MachineLearningServices/workspaces")


def check_login(
    findings: Findings, azure: Azure, settings: Environment, variables: Mapping[str, str]
) -> bool:
    """Check who is signed in, and to which directory; False when nobody is: the rest can be left out."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - heavy

    findings.group = "login"
    tenant = settings.azure.tenant_id
    try:
        token = azure.credential.get_token(azure.scope, tenant_id=tenant).token
    except ClientAuthenticationError as error:
        findings.failed("Azure", str(error).strip().splitlines()[0], f"az login --tenant {tenant}")
        return False
    except AzureError as error:
        found = " ".join(str(error).split())
        findings.unknown("Azure", found, "check the way to login.microsoftonline.com")
        return False
    claims = _claims(token)
    if claims is None:
        findings.unknown("who is signed in", "the token is not readable", "az account show")
    else:
        names = ("upn", "unique_name", "app_displayname", "appid", "oid")
        who = next((str(claims[one]) for one in names if claims.get(one)), "somebody")
        right = claims.get("tid") == tenant
        found = who if right else f"{who}, in the directory {claims.get('tid')}"
        findings.judge("Azure", right, found, f"az login --tenant {tenant}")
    outranking = sorted(name for name in variables if re.fullmatch(r"ARM_[A-Z_]+", name))
    if outranking:
        found = f"{', '.join(outranking)} outrank the login when Pulumi runs here"
        findings.warned("variables of the provider", found, f"unset {' '.join(outranking)}")
    return True


def check_subscription(findings: Findings, azure: Azure, settings: Environment) -> None:
    """Check that the subscription is there, is enabled, and trusts the directory of the settings."""
    identifier, tenant = settings.azure.subscription_id, settings.azure.tenant_id
    with findings.about("subscription", "subscription"):
        found = azure.get(f"/subscriptions/{identifier}", **{"api-version": _SUBSCRIPTIONS_API})
        if found is None:
            fix = f"az login --tenant {tenant}, or mlops init --subscription ID"
            findings.failed("subscription", f"{identifier} is not there for this login", fix)
            return
        enabled = found.get("state") == "Enabled"
        name = f"{found.get('displayName')} ({identifier})"
        fix = "ask whoever pays for it to enable it"
        findings.judge("subscription", enabled, f"{name} is {found.get('state')}", fix)
        same = found.get("tenantId") == tenant
        wrong = f"the subscription trusts {found.get('tenantId')}, the settings say {tenant}"
        findings.judge(
            "directory", same, tenant if same else wrong, f"mlops init --tenant {found.get('tenantId')}"
        )


def check_permissions(findings: Findings, azure: Azure, resources: Sequence[Resource]) -> None:
    """Check the effective rights of the login on each group (or its subscription), not the names of roles.

    Eligible roles that are not active, conditions and refusals all show here and in no list of roles.
    """
    for scope, actions in _needed(azure, resources).items():
        where = scope.rpartition("/")[2]
        with findings.about("rights", f"rights on {where}"):
            path = f"{scope}/providers/Microsoft.Authorization/permissions"
            granted = list(azure.list(path, **{"api-version": _PERMISSIONS_API}))
            missing = sorted(action for action in actions if not _allowed(action, granted))
            fix = (
                f"activate the role in Privileged Identity Management, or ask an owner of {scope} for "
                "Contributor and Role Based Access Control Administrator"
            )
            found = f"{len(actions)} actions" if not missing else f"may not {', '.join(missing)}"
            findings.judge(f"rights on {where}", not missing, found, fix)
            narrowed = [one["condition"] for one in granted if one.get("condition")]
            if narrowed and not missing:
                found = "a condition narrows what may be granted"
                findings.warned(
                    f"grants on {where}", found, f"read it: az role assignment list --scope {scope}"
                )


def _needed(azure: Azure, resources: Iterable[Resource]) -> dict[str, set[str]]:
    """Return the actions that creating needs, by the scope at which they can be asked for."""
    groups = {one.id.casefold(): one for one in resources if one.type == _GROUP}
    there = {
        at: azure.get(one.id, **{"api-version": one.api_version}) is not None for at, one in groups.items()
    }
    needed: dict[str, set[str]] = {}
    for one in resources:
        subscription = "/".join(one.id.split("/")[:3])
        group = next((at for at in groups if one.id.casefold().startswith(f"{at}/")), None)
        scope = groups[group].id if group and there[group] else subscription
        kind = "Microsoft.Resources/subscriptions/resourceGroups" if one.type == _GROUP else one.type
        needed.setdefault(scope, set()).add(f"{kind}/write")
        needed.setdefault(subscription, set()).add(_MAY_REGISTER)
    return needed


def _allowed(action: str, granted: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        _matches(action, one.get("actions", [])) and not _matches(action, one.get("notActions", []))
        for one in granted
    )


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(action.casefold(), pattern.casefold()) for pattern in patterns)


def check_names(findings: Findings, azure: Azure, resources: Sequence[Resource]) -> None:
    """Check that each global name is ours or free, and that no deleted vault still holds one."""
    for one in resources:
        if one.type not in _GLOBAL:
            continue
        name = one.id.rpartition("/")[2]
        with findings.about("names", name):
            if azure.get(one.id, **{"api-version": one.api_version}) is not None:
                findings.passed(name, "ours")
            elif one.type == _VAULT and (until := _deleted(azure, one, name)):
                fix = f"az keyvault recover --name {name}, or purge it where that is allowed"
                findings.failed(name, f"a deleted vault keeps it until {until}", fix)
            else:
                findings.judge(name, *_availability(azure, one, name), fix="mlops init --name ANOTHER")


def _availability(azure: Azure, one: Resource, name: str) -> tuple[bool, str]:
    subscription, provider = one.id.split("/")[2], one.type.partition("/")[0]
    answer = azure.send(
        "POST",
        f"/subscriptions/{subscription}/providers/{provider}/checkNameAvailability",
        query={"api-version": one.api_version},
        body={"name": name, "type": one.type},
    )
    free = bool(answer.get("nameAvailable"))
    return free, "free" if free else f"taken ({answer.get('reason')}): {answer.get('message') or one.type}"


def _deleted(azure: Azure, one: Resource, name: str) -> str | None:
    subscription, region = one.id.split("/")[2], one.body["location"]
    path = (
        f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{region}/deletedVaults/{name}"
    )
    found = azure.get(path, **{"api-version": one.api_version})
    return None if found is None else str(found["properties"].get("scheduledPurgeDate", "it is purged"))


def check_policies(findings: Findings, azure: Azure, resources: Sequence[Resource]) -> None:
    """Ask Azure Policy what it would say to the resources as they are declared."""
    asked: set[str] = set()
    for one in resources:
        if one.type not in _GOVERNED or one.type in asked:
            continue
        asked.add(one.type)
        title = one.type.partition(".")[2]
        with findings.about("policies", title):
            subscription = "/".join(one.id.split("/")[:3])
            answer = azure.send(
                "POST",
                f"{subscription}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions",
                query={"api-version": _POLICY_API},
                body={
                    "resourceDetails": {
                        "resourceContent": {"type": one.type, **one.body},
                        "apiVersion": one.api_version,
                    }
                },
            )
            refusing = [
                row["policyInfo"]["policyAssignmentId"]
                for row in answer.get("contentEvaluationResult", {}).get("policyEvaluations", [])
                if row.get("evaluationResult") == "NonCompliant"
                and str(row.get("effectDetails", {}).get("policyEffect", "")).casefold() == "deny"
            ]
            found = f"refused by {', '.join(refusing)}" if refusing else "nothing is refused"
            findings.judge(title, not refusing, found, "ask the owner of the assignment for an exemption")


def check_quota(findings: Findings, azure: Azure, settings: Environment) -> None:
    """Compare what computes and serving may use with what the region still gives, a family at a time."""
    region = settings.project.location
    with findings.about("quota", f"quota in {region}"):
        path = (
            f"/subscriptions/{settings.azure.subscription_id}/providers/Microsoft.MachineLearningServices"
            f"/locations/{region}/usages"
        )
        rows = {_plain(row["name"]["value"]): row for row in azure.list(path, **{"api-version": _USAGES_API})}
        for family, cores in _cores(settings).items():
            key = f"standard{_plain(family)}family"
            row = next(
                (one for name, one in rows.items() if name.startswith(key) and "low" not in name), None
            )
            title = f"{family} in {region}"
            fix = f"https://ml.azure.com/quota: at least {cores} cores of {family}, or another size or region"
            if row is None:
                findings.failed(title, f"the region lists no quota for it; {cores} cores are needed", fix)
                continue
            left = int(row["limit"]) - int(row["currentValue"])
            found = f"{cores} cores needed, {left} of {row['limit']} left"
            # What runs already is ours too where the environment exists.
            findings.judge(title, left >= cores, found, fix, warn=int(row["limit"]) >= cores)


def _cores(settings: Environment) -> dict[str, int]:
    """Return the cores that every cluster at its largest and every endpoint together may use, by family."""
    found: dict[str, int] = {}
    for compute in settings.compute.values():
        machine = MACHINES[compute.size]
        found[machine.family] = found.get(machine.family, 0) + machine.cores * compute.max_instances
    machine = MACHINES[settings.serving.instance_type]
    for endpoint in settings.endpoints.values():
        most = endpoint.autoscale.max_instances if endpoint.autoscale else 0
        instances = max(settings.serving.instance_count, most)
        found[machine.family] = found.get(machine.family, 0) + machine.cores * instances
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _claims(token: str) -> dict[str, Any] | None:
    """Read who a token is for, without trusting it: Azure itself decides that."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None

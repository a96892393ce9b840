"""Azure Resource Manager on the loopback interface: what it keeps, what it refuses, and with which words.

Behaviour, codes and shapes are those of Azure's REST reference and of its users' reports; nothing here
was compared with a subscription.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.engine.azure_types import azure_types

Answer = tuple[int, dict[str, str], Any]
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
ROLES, LOCKS = (
    "/providers/microsoft.authorization/roleassignments",
    "/providers/microsoft.authorization/locks",
)
VERSIONS = {kind.arm_type.casefold(): kind.api_version for kind in azure_types().values()}
ALL_ACTIONS: list[dict[str, Any]] = [{"actions": ["*"], "notActions": []}]


def refusal(status: int, code: str, message: str) -> Answer:
    return status, {}, {"error": {"code": code, "message": message}}


@dataclass
class AzureStandIn:
    """One directory with subscriptions; paths are kept in lower case, as Azure compares them."""

    subscriptions: set[str] = field(default_factory=lambda: {SUBSCRIPTION})
    tenant: str = TENANT
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    permissions: list[dict[str, Any]] = field(default_factory=lambda: list(ALL_ACTIONS))
    unspread: int = 0
    taken: set[str] = field(default_factory=set)
    deleted_vaults: set[str] = field(default_factory=set)
    forbidden_by_policy: dict[str, str] = field(default_factory=dict)
    quota: dict[str, tuple[int, int]] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, base: str) -> Answer:
        lower = path.casefold()
        subscription = re.match(r"/subscriptions/([^/]+)", lower)
        if not subscription or subscription[1] not in self.subscriptions:
            return refusal(404, "SubscriptionNotFound", f"The subscription of {path} was not found.")
        for pattern, handler in self._routes():
            if re.fullmatch(pattern, lower):
                return handler(method, path, query, body)
        return self._resource(method, path, query, body, base)

    def _routes(self) -> list[tuple[str, Callable[[str, str, dict[str, str], Any], Answer]]]:
        return [
            (r"/subscriptions/[^/]+", self._subscription),
            (r"/subscriptions/[^/]+/providers/microsoft\.[a-z]+(/register)?", self._provider),
            (r".*/providers/microsoft\.authorization/permissions", self._permissions),
            (r".*/checknameavailability", self._name_availability),
            (r".*/deletedvaults/[^/]+", self._deleted_vault),
            (r".*/checkpolicyrestrictions", self._policy),
            (r".*/locations/[^/]+/usages", self._usages),
            (rf".*{ROLES}", self._role_assignments),
            (r"/subscriptions/[^/]+/resourcegroups/[^/]+/resources", self._inside),
            (r"/subscriptions/[^/]+/operations/.*", self._operation),
        ]

    def _subscription(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        return 200, {}, {"id": path, "tenantId": self.tenant, "state": "Enabled", "displayName": "Stand-in"}

    def _provider(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        at = path.removesuffix("/register").casefold()
        namespace = at.rpartition("/")[2]
        if method == "POST":
            self.providers[at] = "Registered"
        state = self.providers.get(at, "NotRegistered")
        return 200, {}, {"namespace": namespace, "registrationState": state}

    def _permissions(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        group = path.casefold().partition("/providers/")[0]
        if "/resourcegroups/" in group and group not in self.resources:
            return refusal(404, "ResourceGroupNotFound", "Resource group was not found.")
        return 200, {}, {"value": self.permissions}

    def _name_availability(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        name = body["name"].casefold()
        used = name in self.taken or any(one.endswith(f"/{name}") for one in self.resources)
        return 200, {}, {"nameAvailable": not used, "reason": "AlreadyExists" if used else None}

    def _deleted_vault(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        name = path.rpartition("/")[2].casefold()
        if name not in self.deleted_vaults:
            return refusal(404, "DeletedVaultNotFound", "There is no such deleted vault.")
        return 200, {}, {"name": name, "properties": {"scheduledPurgeDate": "2027-02-24T00:00:00Z"}}

    def _policy(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        kind = body["resourceDetails"]["resourceContent"]["type"]
        found = [
            {
                "policyInfo": {"policyAssignmentId": f"/assignments/{name}"},
                "evaluationResult": "NonCompliant",
                "effectDetails": {"policyEffect": "Deny"},
            }
            for forbidden, name in self.forbidden_by_policy.items()
            if forbidden == kind
        ]
        return 200, {}, {"fieldRestrictions": [], "contentEvaluationResult": {"policyEvaluations": found}}

    def _usages(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        rows = [
            {"name": {"value": family}, "currentValue": used, "limit": limit, "unit": "Count"}
            for family, (used, limit) in self.quota.items()
        ]
        return 200, {}, {"value": rows}

    def _role_assignments(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        principal = query.get("$filter", "").rpartition(" eq ")[2].strip("'")
        return 200, {}, {
            "value": [
                one
                for at, one in self.resources.items()
                if ROLES in at and one["properties"]["principalId"] == principal
            ]
        }  # fmt: skip

    def _inside(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        group = path.casefold().removesuffix("/resources")
        inside = [one for at, one in self.resources.items() if at.startswith(f"{group}/") and ROLES not in at]
        return 200, {}, {"value": inside}

    def _operation(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        target = self.pending.pop(path.casefold())
        self.resources[target]["properties"]["provisioningState"] = "Succeeded"
        return 200, {}, self.resources[target]

    def _resource(self, method: str, path: str, query: dict[str, str], body: Any, base: str) -> Answer:
        lower = path.casefold()
        wrong = self._wrong_version(lower, query.get("api-version", ""))
        if wrong:
            return wrong
        if method == "GET":
            found = self.resources.get(lower)
            if found and lower in self.pending.values():
                # Nobody follows the operation: the next look finds it finished.
                self.pending = {key: at for key, at in self.pending.items() if at != lower}
                found["properties"]["provisioningState"] = "Succeeded"
                return (
                    200,
                    {},
                    {**found, "properties": {**found["properties"], "provisioningState": "Creating"}},
                )
            return (200, {}, found) if found else refusal(404, "ResourceNotFound", f"{path} was not found.")
        if method == "DELETE":
            return self._delete(lower)
        return self._missing(lower) or self._put(path, body, base)

    def _wrong_version(self, path: str, version: str) -> Answer | None:
        kind = type_of(path)
        if VERSIONS.get(kind) != version:
            return refusal(400, "NoRegisteredProviderFound", f"{kind} has no API version {version!r}.")
        return None

    def _missing(self, path: str) -> Answer | None:
        group = re.match(r"/subscriptions/[^/]+/resourcegroups/[^/]+(?=/)", path)
        if group and group[0] not in self.resources:
            return refusal(404, "ResourceGroupNotFound", "Resource group was not found.")
        namespace = re.findall(r"/providers/(microsoft\.[a-z]+)", path)
        provider = f"{'/'.join(path.split('/')[:3])}/providers/{namespace[-1]}" if namespace else ""
        if namespace and self.providers.get(provider) != "Registered":
            return refusal(409, "MissingSubscriptionRegistration", f"Register {namespace[-1]} first.")
        parent = path.rsplit("/", 2)[0]
        if re.search(r"/providers/microsoft\.[a-z]+/[^/]+/[^/]+$", parent) and not path.endswith("/default"):
            state = self.resources.get(parent.removesuffix("/default"), {}).get("properties", {})
            if "/default" not in parent and parent not in self.resources:
                return refusal(404, "ParentResourceNotFound", f"{parent} was not found.")
            if state.get("provisioningState") == "Creating":
                return refusal(409, "ParentResourceNotReady", f"{parent} is being made.")
        return None

    def _put(self, path: str, body: Any, base: str) -> Answer:
        lower, kind = path.casefold(), type_of(path.casefold())
        properties = dict(body.get("properties") or {})
        new = lower not in self.resources
        if ROLES in lower and (refused := self._assignment(lower, properties)):
            return refused
        if kind.endswith("/userassignedidentities"):
            known = self.resources.get(lower, {}).get("properties", {})
            properties |= {
                "principalId": known.get("principalId", str(uuid.uuid4())),
                "clientId": known.get("clientId", str(uuid.uuid4())),
                "tenantId": self.tenant,
            }
        properties.pop("rotationPolicy", None)
        kept = {**body, "id": path, "name": path.rpartition("/")[2], "properties": properties}
        self.resources[lower] = kept
        if kind == "microsoft.storage/storageaccounts":
            properties["provisioningState"] = "Succeeded"
        if kind == "microsoft.storage/storageaccounts" and new:
            properties["provisioningState"] = "Creating"
            operation = f"/{'/'.join(lower.split('/')[1:3])}/operations/{uuid.uuid4()}"
            self.pending[operation] = lower
            return 202, {"Location": f"{base}{operation}?api-version=2024-01-01", "Retry-After": "0"}, None
        return (201 if new else 200), {}, kept

    def _assignment(self, path: str, properties: dict[str, Any]) -> Answer | None:
        if self.unspread:
            self.unspread -= 1
            return refusal(400, "PrincipalNotFound", "The principal does not exist in the directory.")
        known = {one["properties"].get("principalId") for one in self.resources.values()} - {None}
        identities = {
            one["properties"]["principalId"] for at, one in self.resources.items() if "userassigned" in at
            if "principalId" in one["properties"]
        }  # fmt: skip
        if properties["principalId"] not in identities & known:
            return refusal(400, "PrincipalNotFound", "The principal does not exist in the directory.")
        scope = path.partition(ROLES)[0]
        for at, one in self.resources.items():
            if ROLES not in at:
                continue
            same = all(
                one["properties"][key] == properties[key] for key in ("principalId", "roleDefinitionId")
            )
            if at == path and not same:
                return refusal(400, "RoleAssignmentUpdateNotPermitted", "Principal and role cannot change.")
            if at != path and at.partition(ROLES)[0] == scope and same:
                return refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        properties["scope"] = scope
        return None

    def _delete(self, path: str) -> Answer:
        locked = [at.partition(LOCKS)[0] for at in self.resources if LOCKS in at]
        if LOCKS not in path and any(f"{path}/".startswith(f"{scope}/") for scope in locked):
            return refusal(409, "ScopeLocked", "The scope cannot perform delete: it is locked.")
        if path not in self.resources:
            return 204, {}, None
        below = [at for at in self.resources if at == path or at.startswith(f"{path}/")]
        for at in below:
            del self.resources[at]
        return 200, {}, None


def type_of(path: str) -> str:
    """Return the type of the resource at a path in lower case."""
    if "/providers/" not in path:
        return "microsoft.resources/resourcegroups"
    namespace, *segments = path.rpartition("/providers/")[2].split("/")
    return "/".join((namespace, *segments[::2]))

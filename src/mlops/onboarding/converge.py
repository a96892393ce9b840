"""Making Azure what the rendered program declares: look, then create or change only what differs.

There is no state file. Azure itself is asked each time, so a run that was stopped anywhere is finished
by the next one, and a run after a finished one sends no write.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import ControlPlaneError, DeploymentError
from mlops.onboarding.comparison import differences
from mlops.onboarding.operation import LATER, Operation
from mlops.rest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlops.onboarding.azure import Azure
    from mlops.onboarding.operation import Report

__all__ = ["AzureConvergence", "Resource", "replaced"]

_RESOURCES_API: Final = "2021-04-01"
_ROLE: Final = "Microsoft.Authorization/roleAssignments"
_LOCK: Final = "Microsoft.Authorization/locks"
# What Azure calls these says nothing to people.
_NAMELESS: Final = frozenset(
    {_ROLE, _LOCK, "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"}
)
_GROUP: Final = "Microsoft.Resources/resourceGroups"
# Azure refuses another principal or role under an assignment's name.
_FIXED: Final = frozenset({"properties.principalId", "properties.roleDefinitionId"})
_FINISHED: Final = frozenset({"Succeeded", "Failed", "Canceled"})
_ATTEMPTS: Final = 30
_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of Azure as a program declares it.

    Parameters
    ----------
    name
        What the program calls it.
    body
        What a PUT sends.
    target
        The stack that it is made for: ``bootstrap``, ``shared`` or an environment.
    stand_ins
        By name, each property that Azure alone decides (an identity's ``principalId`` and ``clientId``)
        and the id that stands for it in everything that was rendered.
    """

    id: str
    name: str
    type: str
    api_version: str
    body: Mapping[str, Any]
    target: str
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How a line of output names it."""
        kind, own = self.type.rpartition("/")[2], self.id.rpartition("/")[2]
        return f"{kind} {self.name if self.type in _NAMELESS else own}"


@dataclass(slots=True)
class AzureConvergence:
    """One pass over declared resources.

    Parameters
    ----------
    locks
        The declared locks; each is lifted for as long as a role on its scope is deleted.
    write
        False looks and says what would be sent.
    report
        Called with each operation when it is done, or known.
    sleep
        Waits so many seconds; tests do not.
    known
        What Azure has decided, by what stood for it.
    """

    azure: Azure
    locks: Sequence[Resource]
    write: bool
    report: Report
    sleep: Callable[[float], None] = time.sleep
    known: dict[str, str] = field(default_factory=dict)

    def register(self, namespaces: Iterable[tuple[str, str]], *, wait_for: frozenset[str]) -> list[Operation]:
        """Register resource providers with subscriptions; identities of a group cannot do it themselves.

        Parameters
        ----------
        namespaces
            Pairs of a subscription's id and a namespace.
        wait_for
            The namespaces that this very run needs.
        """
        return [self._register(*pair, wait=pair[1] in wait_for) for pair in sorted(set(namespaces))]

    def create(self, resources: Sequence[Resource]) -> list[Operation]:
        """Create what is missing and change what differs, each after what it needs."""
        return [self._create(resource) for resource in resources]

    def require_empty_groups(self, resources: Sequence[Resource]) -> None:
        """Refuse to go on while a resource group holds what bootstrap did not make.

        Raises
        ------
        DeploymentError
            With what is inside.
        """
        for resource in resources:
            if resource.type == _GROUP:
                self._require_empty(resource)

    def delete(self, resources: Sequence[Resource]) -> list[Operation]:
        """Delete resources, the last declared first."""
        return [self._delete(resource) for resource in reversed(resources)]

    def _register(self, subscription: str, namespace: str, *, wait: bool) -> Operation:
        path = f"/subscriptions/{subscription}/providers/{namespace}"
        state = self._registration(path)
        if state == "Registered":
            return self._done(Operation("same", f"provider {namespace}"))
        call = f"POST {path}/register?api-version={_RESOURCES_API}"
        if self.write and state != "Registering":
            self.azure.send("POST", f"{path}/register", query={"api-version": _RESOURCES_API})
        for _ in range(_ATTEMPTS * 4 if self.write and wait else 0):
            if self._registration(path) == "Registered":
                break
            self.sleep(_SECONDS)
        return self._done(Operation("create", f"provider {namespace}", call, f"was {state}"))

    def _registration(self, path: str) -> str:
        found = self.azure.get(path, **{"api-version": _RESOURCES_API}) or {}
        return str(found.get("registrationState", "NotRegistered"))

    def _create(self, resource: Resource) -> Operation:
        body = replaced(resource.body, self.known)
        found = self.azure.get(resource.id, **{"api-version": resource.api_version})
        if found is None and resource.type == _ROLE and self._granted_under_another_name(resource, body):
            return self._done(Operation("same", resource.label, detail="granted under another name"))
        if self.write:
            found = self._settled(resource, found)
        changed = differences(body, found) if found is not None else []
        if found is not None and not changed:
            operation = Operation("same", resource.label)
        else:
            action = "create" if found is None else "replace" if _FIXED & set(changed) else "update"
            call = f"PUT {resource.id}?api-version={resource.api_version}"
            operation = Operation(action, resource.label, call, ", ".join(changed))  # type: ignore[arg-type]
            if self.write:
                found = self._write(resource, body, replace=action == "replace")
        for name, stand_in in resource.stand_ins.items():
            self.known[stand_in] = ((found or {}).get("properties") or {}).get(name, LATER)
        return self._done(operation)

    def _settled(self, resource: Resource, found: Any) -> Any:
        """Wait for what an interrupted run has begun; children of an unfinished resource are refused."""
        for _ in range(_ATTEMPTS):
            state = ((found or {}).get("properties") or {}).get("provisioningState", "Succeeded")
            if state in _FINISHED:
                break
            self.sleep(_SECONDS)
            found = self.azure.get(resource.id, **{"api-version": resource.api_version})
        return found

    def _write(self, resource: Resource, body: Any, *, replace: bool) -> Any:
        if replace:
            self._remove(resource)
        for attempt in range(_ATTEMPTS):
            try:
                return self.azure.put(resource.id, resource.api_version, body)
            except RefusedError as refusal:
                # Entra spreads a new identity for a minute or two.
                if refusal.code != "PrincipalNotFound" or attempt == _ATTEMPTS - 1:
                    raise
                self.sleep(_SECONDS)
        raise AssertionError("unreachable")

    def _granted_under_another_name(self, resource: Resource, body: Any) -> bool:
        """Return whether somebody, or Pulumi, has made the very assignment: Azure refuses a second one."""
        wanted = body["properties"]
        if wanted["principalId"] == LATER:
            return False
        scope = resource.id.partition(f"/providers/{_ROLE}")[0]
        query = {"api-version": resource.api_version, "$filter": f"principalId eq '{wanted['principalId']}'"}
        try:
            assignments = list(self.azure.list(f"{scope}/providers/{_ROLE}", **query))
        except RefusedError as refusal:
            if refusal.status == 404:
                return False
            raise
        return any(
            not differences({"properties": wanted}, {"properties": one["properties"]})
            and str(one["properties"].get("scope", scope)).casefold() == scope.casefold()
            for one in assignments
        )

    def _delete(self, resource: Resource) -> Operation:
        if self.azure.get(resource.id, **{"api-version": resource.api_version}) is None:
            return self._done(Operation("same", resource.label, detail="is not there"))
        call = f"DELETE {resource.id}?api-version={resource.api_version}"
        if self.write:
            self._remove(resource)
        return self._done(Operation("delete", resource.label, call))

    def _remove(self, resource: Resource) -> None:
        try:
            self.azure.delete(resource.id, resource.api_version)
        except RefusedError as refusal:
            if refusal.code != "ScopeLocked":
                raise
            self._remove_below_lock(resource)

    def _remove_below_lock(self, resource: Resource) -> None:
        scopes = {lock.id.partition(f"/providers/{_LOCK}")[0].casefold(): lock for lock in self.locks}
        lock = next((one for at, one in scopes.items() if resource.id.casefold().startswith(f"{at}/")), None)
        if lock is None:
            raise ControlPlaneError(
                "A lock that nobody here declared keeps a resource.",
                where=resource.id,
                next_step="ask whoever set the lock, then run the same command again",
            )
        self.azure.delete(lock.id, lock.api_version)
        try:
            self.azure.delete(resource.id, resource.api_version)
        finally:
            self.azure.put(lock.id, lock.api_version, lock.body)

    def _require_empty(self, group: Resource) -> None:
        try:
            inside = list(self.azure.list(f"{group.id}/resources", **{"api-version": _RESOURCES_API}))
        except RefusedError as refusal:
            if refusal.status == 404:
                return
            raise
        if inside:
            kinds: dict[str, int] = defaultdict(int)
            for one in inside:
                kinds[str(one.get("type"))] += 1
            raise DeploymentError(
                f"The resource group still holds {len(inside)} resources, so nothing was deleted.",
                where=group.id,
                got=", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())),
                expected="an empty group",
                next_step=f"pulumi destroy --stack {group.target}, then run the same command again",
            )

    def _done(self, operation: Operation) -> Operation:
        self.report(operation)
        return operation


def replaced(value: Any, known: Mapping[str, str]) -> Any:
    """Put the ids that Azure has given in the place of those that stood for them."""
    if isinstance(value, str):
        return known.get(value, value)
    if isinstance(value, dict):
        return {key: replaced(item, known) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(item, known) for item in value]
    return value

"""Conditions on role assignments (ABAC, version 2.0), by the names that access.yaml uses."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from infra.mlops_infra.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CONDITIONS", "DELEGABLE", "SHARED", "shared_delegation"]

# What continuous delivery may hand out: no role that can itself hand out roles, or manage everything.
_PRIVILEGED: Final = frozenset({"Contributor", "Role Based Access Control Administrator"})
# The workspace builds images with it, on its own registry; see access.yaml.
_KEPT: Final = frozenset({"Contributor"})
DELEGABLE: Final = tuple(name for name in ROLES if name not in _PRIVILEGED - _KEPT)


SHARED: Final = ("Azure AI Enterprise Network Connection Approver", "AzureML Registry User")
"""What an environment's own identities get on what all environments share, from that environment's stack."""


def constrained_delegation() -> str:
    """Return: assign and remove only :data:`DELEGABLE`, and only to groups and workload identities.

    People never get a role from a pipeline, and no role that can assign roles is among them, so the
    identity cannot raise itself to Owner.
    """
    return _delegation(DELEGABLE)


def shared_delegation() -> str:
    """Return: as :func:`constrained_delegation`, for :data:`SHARED` alone."""
    return _delegation(SHARED)


def _delegation(names: Sequence[str]) -> str:
    roles = ", ".join(ROLES[name] for name in names)
    parts = []
    for action, subject in (("write", "@Request"), ("delete", "@Resource")):
        attribute = f"{subject}[Microsoft.Authorization/roleAssignments:"
        parts.append(
            f"((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/{action}'}})) OR ("
            f"{attribute}RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{roles}}} AND "
            f"{attribute}PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase "
            "{'ServicePrincipal', 'Group'}))"
        )
    return " AND ".join(parts)


def curated_containers() -> str:
    """Return: blobs are read and written in the containers `curated` and `labels` alone."""
    base = "Microsoft.Storage/storageAccounts/blobServices/containers"
    actions = " AND ".join(
        f"!(ActionMatches{{'{base}/blobs/{action}'}})" for action in ("read", "write", "add/action", "delete")
    )
    return f"(({actions}) OR (@Resource[{base}:name] ForAnyOfAnyValues:StringEquals {{'curated', 'labels'}}))"


CONDITIONS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"constrained-delegation": constrained_delegation, "curated-containers": curated_containers}
)

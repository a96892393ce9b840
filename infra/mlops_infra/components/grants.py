"""Role assignments with stable names, a principal type and, where a role is dangerous, a condition."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pulumi import ResourceOptions
from pulumi_azure_native import authorization

from infra.mlops_infra.roles import role_definition_id

if TYPE_CHECKING:
    import pulumi

    from infra.mlops_infra.placement import Placement

__all__ = ["Grant", "PrincipalType", "grant"]

PrincipalType = Literal["Group", "ServicePrincipal", "User"]
_NAMESPACE: Final = uuid.UUID("6c1c6f0e-2b0f-5d9c-9a0e-6d1f2f0a7b31")


@dataclass(frozen=True, slots=True)
class Grant:
    """One role for one principal at one scope.

    Parameters
    ----------
    key
        Unique within the environment, such as ``workspace-storage-blob``; names the assignment.
    condition
        An ABAC expression (version 2.0) that narrows the role.
    subscription_id
        The scope's, when it is another one than the place's: a role's id begins with it.
    """

    key: str
    role: str
    scope: pulumi.Input[str]
    principal_id: pulumi.Input[str]
    principal_type: PrincipalType
    description: str
    condition: str | None = None
    subscription_id: str | None = None


def grant(item: Grant, place: Placement, *, parent: pulumi.Resource) -> authorization.RoleAssignment:
    """Declare a role assignment.

    Its name is a hash of static words: one of outputs would be unknown in a preview. Azure refuses to
    change an assignment, hence the deletion before a replacement of the same name.
    """
    static = f"{place.subscription_id}/{place.names.project}/{place.names.environment}/{item.key}"
    return authorization.RoleAssignment(
        f"grant-{item.key}",
        role_assignment_name=str(uuid.uuid5(_NAMESPACE, static)),
        role_definition_id=role_definition_id(item.role, item.subscription_id or place.subscription_id),
        scope=item.scope,
        principal_id=item.principal_id,
        # Without it Azure looks the principal up, and does not find one that was created a second ago.
        principal_type=item.principal_type,
        description=item.description,
        condition=item.condition,
        condition_version="2.0" if item.condition else None,
        opts=ResourceOptions(parent=parent, delete_before_replace=True),
    )

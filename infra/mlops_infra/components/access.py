"""Who may do what: the role assignments of one environment, from `environments/access.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi import ComponentResource, ResourceOptions

from infra.mlops_infra.components.grants import Grant, grant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.mlops_infra.access import Assignment
    from infra.mlops_infra.placement import Placement

__all__ = [
    "Access",
    "AccessArgs",
    "ServingAccess",
    "ServingAccessArgs",
    "SharedAccess",
    "SharedAccessArgs",
]


@dataclass(frozen=True, slots=True)
class AccessArgs:
    """The cells of the matrix that apply here.

    Parameters
    ----------
    assignments
        One per role, persona and service; those of other environments are already left out.
    scopes
        The resources that each service of the matrix stands for; a service with several has them all.
    identities
        The principal ids of the identities that this stack made, by the name access.yaml uses.
    """

    place: Placement
    assignments: Sequence[Assignment]
    scopes: Mapping[str, Mapping[str, pulumi.Input[str]]]
    identities: Mapping[str, pulumi.Input[str]]


class Access(ComponentResource):
    """Role assignments of personas; those that are eligible only are left to PIM."""

    def __init__(self, name: str, args: AccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:Access", name, None, opts)
        self.grants: list[pulumi.Resource] = []
        for item in args.assignments:
            principal = args.identities.get(item.identity) if item.identity else item.group_id
            if item.eligible or principal is None:
                continue
            self.grants += [
                grant(
                    Grant(
                        key=f"{item.persona}-{target}-{item.role}".lower()
                        .replace(" ", "-")
                        .replace("_", "-"),
                        role=item.role,
                        scope=scope,
                        principal_id=principal,
                        principal_type="ServicePrincipal" if item.identity else "Group",
                        description=f"{item.title}: {item.role} on {target}",
                        condition=item.condition,
                    ),
                    args.place,
                    parent=self,
                )
                for target, scope in args.scopes.get(item.service, {}).items()
            ]
        self.register_outputs({"count": len(self.grants)})


@dataclass(frozen=True, slots=True)
class ServingAccessArgs:
    """What deployments reach: their image, their model, and where they leave what they collected."""

    place: Placement
    principal_id: pulumi.Input[str]
    images_id: pulumi.Input[str]
    storage_id: pulumi.Input[str]


class ServingAccess(ComponentResource):
    """The roles of the identity that endpoints run as; no persona has it, since no person is it."""

    def __init__(self, name: str, args: ServingAccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:ServingAccess", name, None, opts)
        wanted = (
            ("serving-pulls", "AcrPull", args.images_id, "Deployments pull their image."),
            (
                "serving-stores",
                "Storage Blob Data Contributor",
                args.storage_id,
                "Deployments read their model and write collected inputs and outputs.",
            ),
        )
        self.grants = [
            grant(
                Grant(
                    key=key,
                    role=role,
                    scope=scope,
                    principal_id=args.principal_id,
                    principal_type="ServicePrincipal",
                    description=description,
                ),
                args.place,
                parent=self,
            )
            for key, role, scope, description in wanted
        ]
        self.register_outputs({})


@dataclass(frozen=True, slots=True)
class SharedAccessArgs:
    """What an environment's identities reach in the stack `shared`.

    Parameters
    ----------
    subscription_id
        The shared stack's: role ids begin with the subscription of the scope.
    approves
        What the managed network has private endpoints to, by a word that names it: they wait until
        the workspace's identity approves them.
    """

    place: Placement
    subscription_id: str
    registry_id: pulumi.Input[str]
    workspace_principal_id: pulumi.Input[str]
    serving_principal_id: pulumi.Input[str]
    approves: Mapping[str, pulumi.Input[str]]


class SharedAccess(ComponentResource):
    """Models and images of the ML registry, and the approval of endpoints in the shared group."""

    def __init__(self, name: str, args: SharedAccessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("mlops:security:SharedAccess", name, None, opts)
        workspace, user = args.workspace_principal_id, "AzureML Registry User"
        wanted = [
            ("workspace-uses-registry", user, args.registry_id, workspace, "Jobs read and share models."),
            (
                "serving-uses-registry",
                user,
                args.registry_id,
                args.serving_principal_id,
                "Models are served.",
            ),
        ]
        wanted += [
            (
                f"workspace-approves-{word}",
                "Azure AI Enterprise Network Connection Approver",
                target,
                workspace,
                "The managed network's private endpoint is approved by the workspace.",
            )
            for word, target in args.approves.items()
        ]
        self.grants = [
            grant(
                Grant(
                    key=key,
                    role=role,
                    scope=scope,
                    principal_id=principal,
                    principal_type="ServicePrincipal",
                    description=description,
                    subscription_id=args.subscription_id,
                ),
                args.place,
                parent=self,
            )
            for key, role, scope, principal, description in wanted
        ]
        self.register_outputs({})
